"""What a database has to offer to the writer, and the choice of one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from tickloom.model import Company, Interval, PriceAdjustment
from tickloom.store.address import kind_of
from tickloom.store.bars import BarBatch, BarQuery, BarSpan, ProviderBar, StoredAction, StoredRange
from tickloom.store.columns import Reach, TextForm, TextPiece
from tickloom.store.days import Days
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

    async def write_bars(self, batches: Sequence[BarBatch]) -> int:
        """Insert or replace bars with their actions and ranges, all or nothing.

        Returns the number of bars. Of two with the same series and timestamp the last wins; a bar
        that is there already with the same values is left alone, so that to write twice is to
        write once. Where a new range has a day of an older one, the new one has it.

        Raises:
            BadRecord: At least one value cannot be stored.
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    def read_bars(self, query: BarQuery, most: int) -> AsyncIterator[list[ProviderBar]]:
        """Yield bars oldest first, ``most`` at a time, so that any number fits into memory.

        Nothing is held open in between: bars that are written meanwhile may or may not be seen.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    def read_text(self, query: BarQuery, form: TextForm) -> AsyncGenerator[TextPiece, None]:
        """Yield the bars of one provider as text, oldest first, in pieces that begin small.

        Nothing is held open in between, as with :meth:`read_bars`.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def read_reach(self, query: BarQuery, most: int, *, newest_first: bool) -> Reach:
        """Return how far the first bars of one provider go, ``most`` at most.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def read_ranges(
        self, symbol: str, interval: Interval, adjustment: PriceAdjustment
    ) -> list[StoredRange]:
        """Return which days each provider gave completely, by provider and day.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def read_spans(self, query: BarQuery) -> list[BarSpan]:
        """Return what there is of a series, by currency, the one that began first first.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def read_actions(self, symbol: str, days: Days) -> list[StoredAction]:
        """Return splits and dividends of the days by all providers, oldest first.

        Raises:
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def write_company(self, company: Company) -> None:
        """Insert or replace the description of a symbol by its provider.

        Raises:
            BadRecord: A value cannot be stored.
            StoreUnavailable: The database is away or was not opened.
        """
        ...

    async def read_company(self, symbol: str) -> Company | None:
        """Return the newest description of a symbol; ``None`` = nobody gave one.

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

    async def write_bars(self, batches: Sequence[BarBatch]) -> int:  # noqa: ARG002 - as its twins
        """Forget the bars; none of them is stored."""
        return 0

    async def read_bars(self, query: BarQuery, most: int) -> AsyncIterator[list[ProviderBar]]:  # noqa: ARG002 - as its twins
        """Yield nothing: nothing was stored."""
        pieces: tuple[list[ProviderBar], ...] = ()
        for piece in pieces:
            yield piece

    async def read_text(self, query: BarQuery, form: TextForm) -> AsyncGenerator[TextPiece, None]:  # noqa: ARG002 - as its twins
        """Yield nothing: nothing was stored."""
        pieces: tuple[TextPiece, ...] = ()
        for piece in pieces:
            yield piece

    async def read_reach(self, query: BarQuery, most: int, *, newest_first: bool) -> Reach:  # noqa: ARG002 - as its twins
        """Return nothing: nothing was stored."""
        return Reach(0, None)

    async def read_ranges(
        self,
        symbol: str,  # noqa: ARG002 - as its twins
        interval: Interval,  # noqa: ARG002
        adjustment: PriceAdjustment,  # noqa: ARG002
    ) -> list[StoredRange]:
        """Return nothing: nothing was stored."""
        return []

    async def read_spans(self, query: BarQuery) -> list[BarSpan]:  # noqa: ARG002 - as its twins
        """Return nothing: nothing was stored."""
        return []

    async def read_actions(self, symbol: str, days: Days) -> list[StoredAction]:  # noqa: ARG002 - as its twins
        """Return nothing: nothing was stored."""
        return []

    async def write_company(self, company: Company) -> None:
        """Forget the description."""

    async def read_company(self, symbol: str) -> None:  # noqa: ARG002 - as its twins
        """Return ``None``: nothing was stored."""
        return

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
