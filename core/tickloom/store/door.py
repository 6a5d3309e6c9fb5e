"""Plain questions and statements to the database, for tables that are no stream of rows.

The same SQL goes to both engines: places are ``$1``, ``$2`` …, and JSON, decimals and identities
are text.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from tickloom.store.address import kind_of
from tickloom.store.postgres import PostgresBackend
from tickloom.store.sqlite import SqliteBackend

_PLACE = re.compile(r"\$(\d+)")


class Door(Protocol):
    """A connection of its own. Every method raises errors of :mod:`tickloom.errors` only."""

    @property
    def name(self) -> str:
        """``sqlite``, ``postgresql`` or ``none``."""
        ...

    async def open(self) -> None:
        """Bring the schema up to date and connect; called again after every failure.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away, or its schema is newer than this version.
        """
        ...

    async def fetch(self, query: str, *values: Any) -> list[Sequence[Any]]:
        """Return what ``query`` finds, or what a statement returns that changes something.

        Times come as text from SQLite, identities as objects from PostgreSQL.

        Raises:
            BadRecord: The database cannot take a value.
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def run(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of ``rows``, for all or for none.

        Raises:
            BadRecord: The database cannot take at least one of them.
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads; may be called twice."""
        ...


class SqliteDoor(SqliteBackend):
    """The same file through one more connection, in a thread of its own."""

    async def fetch(self, query: str, *values: Any) -> list[Sequence[Any]]:
        """Return what is found, or what a change returns."""
        return await self._call(
            lambda: self._opened().execute(_PLACE.sub(r"?\1", query), _bound(values)).fetchall()
        )

    async def run(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for all rows or for none."""
        await self._call(lambda: self._run(_PLACE.sub(r"?\1", statement), rows))

    def _run(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        connection: sqlite3.Connection = self._opened()
        bound = [_bound(row) for row in rows]
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(statement, bound)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


class PostgresDoor(PostgresBackend):
    """The same database through connections of its own."""

    async def fetch(self, query: str, *values: Any) -> list[Sequence[Any]]:
        """Return what is found, or what a change returns."""
        async with self._connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *values)]

    async def run(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for all rows or for none."""
        async with self._connection() as connection, connection.transaction():
            await connection.executemany(statement, rows)


class NoDoor:
    """Leads nowhere: the twin for an empty URL."""

    name = "none"

    async def open(self) -> None:
        """Do nothing."""

    async def fetch(self, query: str, *values: Any) -> list[Sequence[Any]]:  # noqa: ARG002 - as its twins
        """Return nothing: nothing is stored."""
        return []

    async def run(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Forget the rows; none of them is stored."""

    async def aclose(self) -> None:
        """Do nothing."""


def open_door(url: str) -> Door:
    """Return the door to the database at ``url``; nothing is connected or created yet.

    Raises:
        ConfigError: The URL names no database that can be used.
    """
    match kind_of(url):
        case "sqlite":
            return SqliteDoor(url)
        case "postgresql":
            return PostgresDoor(url)
        case _:
            return NoDoor()


def moment(value: Any) -> datetime:
    """Return a time as either database gives it, aware UTC."""
    found: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.astimezone(UTC)


def _bound(values: Sequence[Any]) -> list[Any]:
    # Adapters are shared by the whole process, so plain text and integers only.
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ", "microseconds")
    return str(value) if isinstance(value, Decimal) else value
