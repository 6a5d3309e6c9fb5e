"""Bars in PostgreSQL; every function works on a connection of the backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from tickloom.model import Bar, Dividend, Split, Timeliness
from tickloom.store.bars import (
    ACTION_COLUMNS,
    ACTION_KEY,
    ADJUSTED_FROM,
    BAR_COLUMNS,
    BAR_KEY,
    COMPARED,
    COUNTS,
    PRICES,
    RANGE_COLUMNS,
    TRADED,
    BarBatch,
    BarQuery,
    BarSpan,
    ProviderBar,
    SeriesKey,
    StoredAction,
    StoredRange,
    action_rows,
    bar_rows,
    check,
    new_ranges,
    range_row,
    replaced,
    tuple_of,
)
from tickloom.store.days import Days
from tickloom.store.partitions import Partition, partition_of
from tickloom.store.ranges import put_over
from tickloom.store.rows import Row

_ANSWER_LIMIT_S = 30.0
WRITE_PATIENCE_S = 5.0
"""How long a write waits for a lock that another connection holds: a client waits as long."""
# For the locks that are left after partitions were waited for.
_LEAST_PATIENCE_S = 0.1
# Rows that are made and encoded before other tasks may run.
_SLICE_ROWS = 256

_STAGING = "bars_staging"
MAKE_STAGING = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {_STAGING} (LIKE bars INCLUDING DEFAULTS) "
    "ON COMMIT DELETE ROWS"
)
"""Makes what bars are copied to; once for each connection."""


def _places(columns: Sequence[str]) -> str:
    return ", ".join(f"${number}" for number, _ in enumerate(columns, 1))


_NAMES = ", ".join(BAR_COLUMNS)
_UPSERT_BARS = (
    f"INSERT INTO bars ({_NAMES}) SELECT {_NAMES} FROM {_STAGING} "  # noqa: S608 - own names
    f"ON CONFLICT ({', '.join(BAR_KEY)}) DO UPDATE SET "
    f"{replaced([*COMPARED, 'received_at'])}, updated_at = now(), state = CASE "
    f"WHEN {tuple_of(TRADED, 'bars')} IS DISTINCT FROM {tuple_of(TRADED, 'excluded')} "
    "THEN 'corrected' ELSE bars.state END "
    f"WHERE {tuple_of(COMPARED, 'bars')} IS DISTINCT FROM {tuple_of(COMPARED, 'excluded')}"
)
_ACTION_VALUES = [name for name in ACTION_COLUMNS if name not in ACTION_KEY]
_UPSERT_ACTIONS = (
    f"INSERT INTO corporate_actions ({', '.join(ACTION_COLUMNS)}) "  # noqa: S608 - own names
    f"VALUES ({_places(ACTION_COLUMNS)}) ON CONFLICT ({', '.join(ACTION_KEY)}) "
    f"DO UPDATE SET {replaced(_ACTION_VALUES)}, updated_at = now()"
)
_RANGES = f"SELECT {', '.join(RANGE_COLUMNS)} FROM history_ranges WHERE symbol = ANY($1)"  # noqa: S608 - own names
_DELETE_RANGES = (
    "DELETE FROM history_ranges "
    "WHERE symbol = $1 AND interval = $2 AND adjustment = $3 AND provider = $4"
)
_INSERT_RANGE = (
    f"INSERT INTO history_ranges ({', '.join(RANGE_COLUMNS)}) VALUES ({_places(RANGE_COLUMNS)})"  # noqa: S608 - own names
)
_READ = (
    f"SELECT provider, timestamp, {', '.join((*PRICES, *COUNTS))} FROM bars "  # noqa: S608 - own names
    "WHERE symbol = $1 AND interval = $2 AND adjustment = $3 AND timestamp >= $4 "
    "AND timestamp < $5 AND (timestamp, provider) > ($4, $6) "
    "AND ($7::text IS NULL OR provider = $7) ORDER BY timestamp, provider LIMIT $8"
)
_SPANS = (
    "SELECT currency, min(timestamp), max(timestamp), max(received_at) FROM bars "
    "WHERE symbol = $1 AND interval = $2 AND adjustment = $3 AND timestamp >= $4 "
    "AND timestamp < $5 AND ($6::text IS NULL OR provider = $6) GROUP BY currency ORDER BY 2"
)
_ACTIONS = (
    "SELECT provider, kind, day, ratio, amount, currency, number FROM corporate_actions "
    "WHERE symbol = $1 AND day >= $2 AND day <= $3 ORDER BY day, kind, provider, number"
)


async def partitions_for(batches: Sequence[BarBatch]) -> set[Partition]:
    """Return the partitions that the bars belong to."""
    found: dict[tuple[str, date], Partition | None] = {}
    for batch in batches:
        interval = batch.series[1]
        for number, bar in enumerate(batch.history.data_points, 1):
            # What is no time at all is refused with its row.
            if not _is_time(bar.timestamp):
                continue
            # By the date, since few of the bars of minutes have one of their own.
            key = (interval, bar.timestamp.astimezone(UTC).date())
            if key not in found:
                found[key] = partition_of(interval, bar.timestamp)
            if number % _SLICE_ROWS == 0:
                await asyncio.sleep(0)
    return {partition for partition in found.values() if partition is not None}


def _is_time(value: Any) -> bool:
    return isinstance(value, datetime)


async def write_bars(
    connection: asyncpg.Connection, batches: Sequence[BarBatch], waited_s: float = 0.0
) -> int:
    """Insert or replace bars, actions and ranges in one transaction; return the number of bars.

    Args:
        connection: To a database with the partitions that are needed.
        batches: What is written.
        waited_s: How much of :data:`WRITE_PATIENCE_S` is used up.
    """
    for batch in batches:
        check(batch)
    actions = action_rows(batches)
    patience_s = max(WRITE_PATIENCE_S - waited_s, _LEAST_PATIENCE_S)
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{patience_s * 1_000:.0f}ms'")
        await connection.copy_records_to_table(
            _STAGING, records=_rows(batches), columns=BAR_COLUMNS, timeout=_ANSWER_LIMIT_S
        )
        await connection.execute(_UPSERT_BARS)
        if actions:
            await connection.executemany(_UPSERT_ACTIONS, actions)
        await _put_ranges(connection, [batch for batch in batches if batch.complete])
    return sum(len(batch.history.data_points) for batch in batches)


async def _rows(batches: Sequence[BarBatch]) -> AsyncIterator[Row]:
    for number, row in enumerate(bar_rows(batches), 1):
        yield row
        if number % _SLICE_ROWS == 0:
            await asyncio.sleep(0)


async def _put_ranges(connection: asyncpg.Connection, batches: Sequence[BarBatch]) -> None:
    if not batches:
        return
    # What is read here is written again; readers do not wait for this lock.
    await connection.execute("LOCK TABLE history_ranges IN SHARE ROW EXCLUSIVE MODE")
    stored: dict[SeriesKey, list[StoredRange]] = {}
    for row in await connection.fetch(_RANGES, sorted({batch.series[0] for batch in batches})):
        key = (row["symbol"], row["interval"], row["adjustment"], row["provider"])
        stored.setdefault(key, []).append(_range(row))
    changed: dict[SeriesKey, list[StoredRange]] = {}
    for batch in batches:
        before = changed.get(batch.series) or stored.get(batch.series, [])
        changed[batch.series] = put_over(before, new_ranges(batch))
    await connection.executemany(_DELETE_RANGES, list(changed))
    await connection.executemany(
        _INSERT_RANGE,
        [range_row(series, range_) for series, ranges in changed.items() for range_ in ranges],
    )


async def read_ranges(connection: asyncpg.Connection, key: Sequence[str]) -> list[StoredRange]:
    """Return the ranges of all providers for symbol, interval and adjustment."""
    rows = await connection.fetch(
        f"{_RANGES} AND interval = $2 AND adjustment = $3 ORDER BY provider, first_day",
        [key[0]],
        *key[1:],
        timeout=_ANSWER_LIMIT_S,
    )
    return [_range(row) for row in rows]


def _range(row: asyncpg.Record) -> StoredRange:
    return StoredRange(
        days=Days(row["first_day"], row["last_day"]),
        provider=row["provider"],
        received_at=row["received_at"],
        timeliness=Timeliness(row["timeliness"]),
        currency=row["currency"],
        exchange=row["exchange"],
        is_rewritten=row["is_rewritten"],
        has_actions=row["has_actions"],
    )


async def read_piece(
    connection: asyncpg.Connection, query: BarQuery, after: tuple[datetime, str], most: int
) -> list[ProviderBar]:
    """Return the next bars after a time and a provider, in this order, ``most`` at most."""
    time, provider = after
    rows = await connection.fetch(
        _READ,
        *(query.symbol, query.interval.value, query.adjustment.value),
        *(time, query.until, provider, query.provider, most),
        timeout=_ANSWER_LIMIT_S,
    )
    return [_bar(row) for row in rows]


def _bar(row: Sequence[Any]) -> ProviderBar:
    provider, timestamp, o, h, l, c, adjusted, vwap, volume, trades = row  # noqa: E741 - as traders say
    return provider, Bar(
        timestamp=timestamp,
        open_price=o,
        high_price=h,
        low_price=l,
        close_price=c,
        volume=volume,
        adjusted_close=adjusted,
        trade_count=trades,
        vwap=vwap,
    )


async def read_spans(connection: asyncpg.Connection, query: BarQuery) -> list[BarSpan]:
    """Return what there is of a series, by currency."""
    rows = await connection.fetch(
        _SPANS,
        *(query.symbol, query.interval.value, query.adjustment.value),
        *(query.since, query.until, query.provider),
        timeout=_ANSWER_LIMIT_S,
    )
    return [
        BarSpan(currency=currency, first=first, last=last, received_at=received_at)
        for currency, first, last, received_at in rows
    ]


async def read_actions(
    connection: asyncpg.Connection, symbol: str, days: Days
) -> list[StoredAction]:
    """Return splits and dividends of the days, oldest first."""
    rows = await connection.fetch(_ACTIONS, symbol, days.first, days.last, timeout=_ANSWER_LIMIT_S)
    return [
        StoredAction(
            row["provider"],
            Split(day=row["day"], ratio=row["ratio"])
            if row["kind"] == "split"
            else Dividend(day=row["day"], amount=row["amount"], currency=row["currency"]),
            row["number"] >= ADJUSTED_FROM,
        )
        for row in rows
    ]
