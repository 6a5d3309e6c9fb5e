"""Runs migrations with Piccolo's engine; imported only where there is something to migrate.

Piccolo's own runner asks ``PICCOLO_CONF`` for one engine for the whole process, puts the folder of
the migrations on ``sys.path``, prints, and records a migration in another transaction than the one
that ran it. So its parts are used instead: an engine made here from the URL and handed on through
a context variable, the migration modules imported by their full name, and one transaction around
the lock, every step and every record. Nothing global changes; a crash leaves all or nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from piccolo.engine.base import Engine
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine, TransactionType
from piccolo.querystring import QueryString

from tickloom.store.address import kind_of, sqlite_path
from tickloom_migrations.piccolo_app import APP_CONFIG
from tickloom_migrations.running import current

_CONNECT_LIMIT_S = 5.0
_LOCK_LIMIT_S = 30.0
# Any number that no other program uses on this database.
_LOCK_KEY = 0x7469636B6C6F6F6D

# Piccolo's own record of migrations, so that its commands can read it.
_RECORDS = {
    "sqlite": "id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL",
    "postgres": "id SERIAL PRIMARY KEY NOT NULL",
}
_RECORDS_TABLE = (
    "CREATE TABLE IF NOT EXISTS migration ({id}, name VARCHAR(200) NOT NULL DEFAULT '', "
    "app_name VARCHAR(200) NOT NULL DEFAULT '', "
    "ran_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
)


async def run_pending(url: str, known: Sequence[str]) -> tuple[str, ...]:
    """Run those of the ``known`` migrations that the database lacks; return their names.

    Waits up to 30 s for another process that migrates the same database.

    Raises:
        Exception: What the driver raises; the caller explains it.
    """
    async with _transaction(url) as engine:
        await engine.run_ddl(_RECORDS_TABLE.format(id=_RECORDS[engine.engine_type]))
        rows = await engine.run_querystring(
            QueryString("SELECT name FROM migration WHERE app_name = {}", APP_CONFIG.app_name)
        )
        ran = {row["name"] for row in rows}
        pending = tuple(name for name in known if name not in ran)
        for name in pending:
            await _run(name)
            await engine.run_querystring(
                QueryString(
                    "INSERT INTO migration (name, app_name, ran_on) VALUES ({}, {}, {})",
                    name,
                    APP_CONFIG.app_name,
                    datetime.now(UTC).replace(tzinfo=None),
                )
            )
    return pending


async def _run(name: str) -> None:
    module = import_module(f"tickloom_migrations.piccolo_migrations.{name}")
    manager = await module.forwards()
    for step in manager.raw:
        await step()


@asynccontextmanager
async def _transaction(url: str) -> AsyncIterator[Engine[Any]]:
    engine = _Sqlite(url) if kind_of(url) == "sqlite" else _Postgres(url)
    token = current.set(engine)
    try:
        async with engine.locked():
            yield engine
    finally:
        current.reset(token)
        # Piccolo leaves a connection open when its BEGIN or its COMMIT fails.
        for connection in engine.opened:
            await connection.close()


class _Sqlite(SQLiteEngine):
    def __init__(self, url: str) -> None:
        self.opened: list[Any] = []
        super().__init__(path=str(sqlite_path(url)), timeout=_LOCK_LIMIT_S)

    async def get_connection(self) -> Any:
        connection = await super().get_connection()
        self.opened.append(connection)
        # Of a file that has no table yet, so that what retention frees goes back to the disk.
        await connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        return connection

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        # An immediate transaction is the lock: SQLite has one writer, and its DDL rolls back.
        async with self.transaction(TransactionType.immediate):
            yield


class _Postgres(PostgresEngine):
    def __init__(self, url: str) -> None:
        self.opened: list[Any] = []
        super().__init__({"dsn": url, "timeout": _CONNECT_LIMIT_S})

    async def check_version(self) -> None:
        """Ask nothing: Piccolo would connect from its constructor and block the event loop."""

    async def get_new_connection(self) -> Any:
        connection = await super().get_new_connection()
        self.opened.append(connection)
        return connection

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        async with self.transaction():
            await self.run_ddl(f"SET LOCAL lock_timeout = '{int(_LOCK_LIMIT_S)}s'")
            await self.run_ddl(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
            yield
