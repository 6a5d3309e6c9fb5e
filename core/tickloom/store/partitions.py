"""The partitions on PostgreSQL: of ``market_data`` and ``bars``.

Quotes are most of all rows and kept for the shortest time: one partition a day, in UTC. Bars of
days go back for decades with few rows a year, minutes are many and kept for a short time; so a
question for 50 years of days looks into 50 tables, and retention drops a month of minutes whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from loguru import logger
from msgspec import Struct

from tickloom.errors import verbatim
from tickloom.model import Interval

# What lies outside is a mistake of somebody's; it goes to the default partition.
_YEARS = range(1800, 2200)
_MONTHS_AHEAD = 2
_DAYS_AHEAD = 3
# A quote that is older, as of a share that nobody trades, goes to the default partition: one that
# is rarely written must not make a table for each day of the past.
_DAYS_BACK = 30
_DAY = timedelta(days=1)
# Also how long a reader of the default partition may hold up one who writes.
_LOCK_LIMIT_S = 5
_LOCK_KEY = 0x7469636B6C626172

_WHOLE_DAYS = {interval.value for interval in Interval if not interval.is_intraday}
_NOT_NOW = (asyncpg.PostgresError, TimeoutError)


class Partition(Struct, frozen=True, order=True):
    """One table of a partitioned one.

    Attributes:
        parent: The table that it is a part of.
        name: Its own name.
        begin: The earliest ``timestamp`` of its rows, aware UTC.
        end: All of them are before it, aware UTC.
    """

    parent: str
    name: str
    begin: datetime
    end: datetime


def partition_of(interval: str, timestamp: datetime) -> Partition | None:
    """Return the partition that a bar belongs to; ``None`` = it has none but the default.

    Args:
        interval: As stored, such as ``1d``.
        timestamp: Begin of the bar, aware.
    """
    time = timestamp.astimezone(UTC)
    if time.year not in _YEARS:
        return None
    if interval in _WHOLE_DAYS:
        begin = datetime(time.year, 1, 1, tzinfo=UTC)
        end = begin.replace(year=time.year + 1)
        return Partition("bars_days", f"bars_days_{time:%Y}", begin, end)
    begin = datetime(time.year, time.month, 1, tzinfo=UTC)
    end = _month_after(begin)
    return Partition("bars_intraday", f"bars_intraday_{time:%Y_%m}", begin, end)


def quotes_partition(day: date) -> Partition:
    """Return the partition of the quotes of a day, in UTC."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Partition("market_data", f"market_data_{day:%Y_%m_%d}", begin, begin + _DAY)


def quotes_partitions(days: Iterable[date], today: date) -> list[Partition]:
    """Return the partitions that quotes of ``days`` have, in order; others go to the default one.

    Args:
        days: In UTC.
        today: In UTC. 30 days before it and 3 after it have partitions.
    """
    first, last = today - _DAYS_BACK * _DAY, today + _DAYS_AHEAD * _DAY
    return [quotes_partition(day) for day in sorted(set(days)) if first <= day <= last]


def partitions_ahead(now: datetime) -> list[Partition]:
    """Return those that are needed soon.

    These are for quotes today and three days more, for bars this year and the next, and this month
    and two more.
    """
    today = now.astimezone(UTC).date()
    found = [quotes_partition(today + more * _DAY) for more in range(_DAYS_AHEAD + 1)]
    for interval, more in ((Interval.DAY, 1), (Interval.MINUTE, _MONTHS_AHEAD)):
        partition = partition_of(interval, now)
        for _ in range(more + 1):
            if partition is None:
                break
            found.append(partition)
            partition = partition_of(interval, partition.end)
    return found


def _month_after(begin: datetime) -> datetime:
    year, month = divmod(begin.year * 12 + begin.month, 12)
    return begin.replace(year=year, month=month + 1)


async def make_ahead(connection: asyncpg.Connection) -> None:
    """Make the partitions that are needed soon, by the clock of the database."""
    await make(connection, partitions_ahead(await connection.fetchval("SELECT now()")))


async def make(
    connection: asyncpg.Connection, wanted: Iterable[Partition]
) -> Collection[Partition]:
    """Make the partitions that do not exist, and move their rows out of the default one.

    What cannot be made now, say for want of a right or of a lock, is told and not returned: the
    rows then go to the default partition and are moved the next time.
    """
    done: list[Partition] = []
    for partition in sorted(wanted):
        try:
            if not await _exists(connection, partition):
                await _make(connection, partition)
        except _NOT_NOW as error:
            logger.warning(
                "the partition {} cannot be made now, its rows go to {}_other: {}",
                partition.name,
                partition.parent,
                verbatim(f"{type(error).__name__}: {error}"),
            )
            break
        done.append(partition)
    return done


async def _exists(connection: asyncpg.Connection, partition: Partition) -> bool:
    # By its parent, so that an equal name elsewhere on the search path is not taken for it.
    found = await connection.fetchval(
        "SELECT 1 FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
        "WHERE inhparent = to_regclass($1) AND relname = $2",
        partition.parent,
        partition.name,
    )
    return found is not None


async def _make(connection: asyncpg.Connection, partition: Partition) -> None:
    name, parent = partition.name, partition.parent
    between = f"timestamp >= '{partition.begin}' AND timestamp < '{partition.end}'"
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_LIMIT_S}s'")
        await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
        if await _exists(connection, partition):
            return
        # To attach a table that was made by itself does not lock those who read and write its
        # siblings, as CREATE TABLE ... PARTITION OF would.
        await connection.execute(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)")
        await connection.execute(f"LOCK TABLE {parent}_other IN ACCESS EXCLUSIVE MODE")
        await connection.execute(
            f"WITH moved AS (DELETE FROM {parent}_other WHERE {between} RETURNING *) "  # noqa: S608 - own names
            f"INSERT INTO {name} SELECT * FROM moved"
        )
        await connection.execute(
            f"ALTER TABLE {parent} ATTACH PARTITION {name} "
            f"FOR VALUES FROM ('{partition.begin}') TO ('{partition.end}')"
        )
