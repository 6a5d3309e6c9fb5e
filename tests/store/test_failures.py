"""What drivers raise, told with what to do about it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from databases import Postgres
from tickloom.errors import ConfigError, StoreUnavailable
from tickloom.store.failures import explain_postgres, explain_sqlite

DENIED = [
    ("DELETE FROM bars", "Grant it SELECT, INSERT, UPDATE and DELETE on the table bars"),
    ("CREATE TABLE public.other (id int)", "Grant it CREATE and USAGE on the schema"),
    ("SELECT nextval('jobs_id_seq')", "Grant it USAGE on the sequence jobs_id_seq"),
]


async def error_of(url: str, *statements: str) -> Exception:
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.PostgresError) as caught:
            for statement in statements:
                await connection.execute(statement)
        return caught.value
    finally:
        await connection.close()


@pytest.mark.parametrize(("statement", "fix"), DENIED)
async def test_a_role_that_lacks_a_right_is_told_which(
    postgres: Postgres, statement: str, fix: str
) -> None:
    async with postgres() as database:
        await database.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        found = await error_of(database.direct, "SET ROLE pg_signal_backend", statement)

        told = explain_postgres(found, database.direct)
    assert isinstance(told, ConfigError)
    assert "42501" in str(told)
    assert fix in str(told)


async def test_a_read_only_postgresql_is_told_with_what_to_do(postgres: Postgres) -> None:
    async with postgres() as database:
        read_only = "SET default_transaction_read_only = on"
        found = await error_of(database.direct, read_only, "DELETE FROM bars")

        told = explain_postgres(found, database.direct)
    assert isinstance(told, StoreUnavailable)
    assert "is read-only" in str(told)
    assert "default_transaction_read_only" in str(told)


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_read_only_sqlite_file_or_folder_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "quotes.db"
    path.touch()
    # Nothing is read-only for root, who may run this.
    locked = tmp_path if kind == "folder" else path
    monkeypatch.setattr(os, "access", lambda place, _mode: place != locked)
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN

    told = str(explain_sqlite(error, path))
    assert f"a {kind} that is read-only for this user" in told
    assert "Let this user write both" in told


def test_a_folder_that_is_not_there_is_to_be_created(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "quotes.db"
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(path)

    assert "Create the folder" in str(explain_sqlite(caught.value, path))
