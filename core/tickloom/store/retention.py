"""Removes what is older than the settings keep, or tells first what would go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Protocol, Self

from loguru import logger
from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import StoreUnavailable, TickloomError, verbatim
from tickloom.settings import RetentionSettings
from tickloom.store.address import kind_of
from tickloom.store.retention_kinds import Kind, Tally, Target, kinds_of
from tickloom.store.retention_postgres import PostgresExpirer
from tickloom.store.retention_sqlite import SqliteExpirer


class Expiry(Struct, frozen=True, kw_only=True):
    """What of one kind is past its time, or was removed.

    Attributes:
        kind: As in ``[retention]``, without ``_days``.
        days: That are kept; 0 = for ever.
        before: All before this day, in UTC, goes; ``None`` = nothing does.
        rows: How many, also of partitions.
        is_about: The rows of a large table were not counted but estimated.
        bytes: About how much room they take.
        partitions: Names of those that go as a whole; PostgreSQL only.
        oldest_kept: Time of the oldest row that stays, aware UTC; ``None`` = there is none, or
            nobody looked for it.
        error: Why not all of it could be looked at or removed; ``None`` = it was.
    """

    kind: str
    days: int
    before: date | None
    rows: int = 0
    is_about: bool = False
    bytes: int = 0
    partitions: tuple[str, ...] = ()
    oldest_kept: datetime | None = None
    error: str | None = None


class Expirer(Protocol):
    """A database from which old rows can be removed; open between enter and exit."""

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away.
        """
        ...

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connection; what runs is interrupted."""
        ...

    def explain(self, error: Exception) -> TickloomError:
        """Return the error of ours for what a method below raised."""
        ...

    async def columns(self, table: str) -> set[str]:
        """Return the names of a table's columns; empty = there is no such table."""
        ...

    async def measure(self, target: Target, cutoff: date, tally: Tally) -> None:
        """Count what is older than a day, and look for the oldest that is not."""
        ...

    async def expire(self, target: Target, cutoff: date, tally: Tally) -> None:
        """Remove what is older than a day; what a failure leaves behind is consistent."""
        ...

    async def tidy(self, tables: Iterable[str]) -> None:
        """Give free room back and update what the planner knows of the tables."""
        ...


class Retention:
    """What ``[retention]`` says, done to one database.

    Bars are removed together with the claim of ``history_ranges`` to have them, in one
    transaction, so that a question for these days is asked of a provider again.

    Args:
        url: Of the database; not empty. Its schema is as it is; tables that are not there are
            passed over.
        settings: How long each kind is kept.
        clock: Tells what is old.
    """

    def __init__(self, url: str, settings: RetentionSettings, clock: Clock) -> None:
        self._url = url
        self._kinds = kinds_of(settings)
        self._clock = clock

    async def plan(self) -> list[Expiry]:
        """Return what :meth:`clean` would remove; nothing is changed.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away.
        """
        async with self._open(is_only_read=True) as expirer:
            return [await self._go(kind, expirer, is_plan=True) for kind in self._kinds]

    async def clean(self) -> list[Expiry]:
        """Remove what is old; a kind that fails says so and does not stop the others.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away.
        """
        async with self._open(is_only_read=False) as expirer:
            found = [await self._go(kind, expirer, is_plan=False) for kind in self._kinds]
            if any(expiry.rows for expiry in found):
                try:
                    await self._tidy(expirer)
                except TickloomError as error:
                    # The job for that comes anyway; what was removed is still to be told.
                    logger.warning("the room of removed rows cannot be given back now: {}", error)
        for expiry in found:
            if expiry.rows:
                logger.info(
                    "removed {} rows of {} from before {}", expiry.rows, expiry.kind, expiry.before
                )
        return found

    async def optimize(self) -> None:
        """Give free room back and update what the planner knows of the tables.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away.
        """
        async with self._open(is_only_read=False) as expirer:
            await self._tidy(expirer)

    def _open(self, *, is_only_read: bool) -> Expirer:
        if kind_of(self._url) == "sqlite":
            return SqliteExpirer(self._url, self._clock, is_only_read=is_only_read)
        return PostgresExpirer(self._url, self._clock)

    async def _go(self, kind: Kind, expirer: Expirer, *, is_plan: bool) -> Expiry:
        cutoff = kind.cutoff(self._clock.now())
        tally, error = Tally(), None
        if cutoff is not None:
            try:
                await self._add_up(kind, cutoff, expirer, tally, is_plan=is_plan)
            except Exception as failure:  # noqa: BLE001 - one kind must not stop the others
                error = str(expirer.explain(failure))
                logger.warning("{} cannot be cleaned up: {}", kind.name, error)
        return Expiry(
            kind=kind.name,
            days=kind.days,
            before=cutoff,
            rows=tally.rows,
            is_about=tally.is_about,
            bytes=tally.bytes,
            partitions=tuple(tally.partitions),
            oldest_kept=tally.oldest_kept,
            error=error,
        )

    async def _add_up(
        self, kind: Kind, cutoff: date, expirer: Expirer, tally: Tally, *, is_plan: bool
    ) -> None:
        for target in kind.targets:
            columns = await expirer.columns(target.table)
            if not columns:
                continue
            if target.column not in columns:
                raise StoreUnavailable(
                    f"the table {target.table} is not as this version knows it",
                    found=verbatim(f"no column {target.column}"),
                    fix="Run tickloom migrate.",
                )
            counted = tally
            if not is_plan:
                await expirer.expire(target, cutoff, tally)
                counted = Tally()
            await expirer.measure(target, cutoff, counted)
            tally.keep(counted.oldest_kept)

    async def _tidy(self, expirer: Expirer) -> None:
        tables = {target.table for kind in self._kinds for target in kind.targets}
        try:
            await expirer.tidy(sorted(tables))
        except Exception as error:
            raise expirer.explain(error) from error
