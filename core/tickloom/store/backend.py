"""What a database has to offer to the writer, and the choice of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tickloom.store.address import kind_of
from tickloom.store.postgres import PostgresBackend
from tickloom.store.rows import Record
from tickloom.store.sqlite import SqliteBackend


class Backend(Protocol):
    """A database that takes batches. Every method raises errors of :mod:`tickloom.errors` only."""

    @property
    def name(self) -> str:
        """``sqlite``, ``postgresql`` or ``none``."""
        ...

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        ...

    async def open(self) -> None:
        """Bring the schema up to date and connect; called again after every failure.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away, or its schema is newer than this version.
        """
        ...

    async def write(self, records: Sequence[Record]) -> int:
        """Insert or replace all rows or none; return how many are stored.

        Of two records with the same symbol, timestamp, data type and provider the last wins.

        Raises:
            BadRecord: At least one of the records cannot be stored.
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def read_quotes(self, symbol: str, since: datetime, most: int) -> list[Record]:
        """Return the newest ``most`` quotes of a symbol from ``since`` on, oldest first.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def ping(self) -> str | None:
        """Return the schema version; ``None`` = there is no schema.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and threads; may be called twice."""
        ...


class NoBackend:
    """Stores nothing: the twin for an empty URL."""

    name = "none"
    url = ""

    async def open(self) -> None:
        """Do nothing."""

    async def write(self, records: Sequence[Record]) -> int:  # noqa: ARG002 - as its twins
        """Forget the records; none of them is stored."""
        return 0

    async def read_quotes(self, symbol: str, since: datetime, most: int) -> list[Record]:  # noqa: ARG002 - as its twins
        """Return nothing: nothing was stored."""
        return []

    async def ping(self) -> None:
        """Return ``None``: there is no schema."""
        return

    async def aclose(self) -> None:
        """Do nothing."""


def open_backend(url: str) -> Backend:
    """Return the backend that ``url`` names; nothing is connected or created yet.

    Raises:
        ConfigError: The URL names no database that can be used.
    """
    match kind_of(url):
        case "sqlite":
            return SqliteBackend(url)
        case "postgresql":
            return PostgresBackend(url)
        case _:
            return NoBackend()
