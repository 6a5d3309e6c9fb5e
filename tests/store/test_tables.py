"""The tables that Piccolo knows are those of the database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine
from piccolo.table import Table

from databases import PostgresDatabase
from scripted import NOON, make_quote
from tickloom.store import migrate, open_backend
from tickloom_migrations.tables import TABLES, MarketData

if TYPE_CHECKING:
    from databases import Database


@pytest.fixture
async def migrated(database: Database) -> Database:
    await migrate(database.url)
    return database


async def columns_of(database: Database, table: str) -> dict[str, bool]:
    """Return the columns of a table, and whether each may be absent."""
    if database.kind == "sqlite":
        with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
            # Also those that are computed from others.
            found = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
        return {name: not (wanted or key) for _, name, _, wanted, _, key, _ in found}
    connection = await asyncpg.connect(database.url)
    try:
        rows = await connection.fetch(
            "SELECT attname, attnotnull FROM pg_attribute "
            "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            table,
        )
    finally:
        await connection.close()
    return {row["attname"]: not row["attnotnull"] for row in rows}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table._meta.tablename)
async def test_piccolo_knows_the_columns_of_each_table(
    migrated: Database, table: type[Table]
) -> None:
    known = {column._meta.name: column._meta.null for column in table._meta.columns}
    assert await columns_of(migrated, table._meta.tablename) == known


async def test_piccolo_knows_every_table(migrated: Database) -> None:
    made = {
        name
        for name in await migrated.tables()
        if not any(
            name.startswith(f"{parent}_") and (name[-1].isdigit() or name.endswith("_other"))
            for parent in ("market_data", "bars_days", "bars_intraday", "trades")
        )
    }
    # These two are the two kinds of bars.
    made -= {"migration", "bars_days", "bars_intraday"}
    assert made == {table._meta.tablename for table in TABLES}


async def test_a_program_reads_stored_quotes_with_piccolo(
    migrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend(migrated.url)
    await backend.open()
    await backend.write([(make_quote("AAPL", "189.410"), "e")])
    await backend.aclose()

    engine: Any
    if isinstance(migrated, PostgresDatabase):
        # Without the wire, which stands still while Piccolo asks for the version.
        engine = PostgresEngine(config={"dsn": migrated.direct}, extensions=())
    else:
        engine = SQLiteEngine(path=migrated.url.removeprefix("sqlite:///"))
    monkeypatch.setattr(MarketData._meta, "_db", engine)
    [row] = await MarketData.select().where(MarketData.symbol == "AAPL")

    assert Decimal(row["current_price"]) == Decimal("189.410")
    if migrated.kind == "postgresql":
        assert row["timestamp"].astimezone(UTC) == NOON
