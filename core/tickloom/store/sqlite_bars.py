"""Bars in a SQLite file; every function runs in the thread of the backend."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from tickloom.model import Bar, Dividend, Split, Timeliness
from tickloom.store.bars import (
    ACTION_COLUMNS,
    ACTION_KEY,
    ADJUSTED_FROM,
    BAR_COLUMNS,
    BAR_KEY,
    COMPARED,
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
from tickloom.store.ranges import put_over
from tickloom.store.rows import Row

_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00'"


def _insert(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - own names


_UPSERT_BARS = (
    f"{_insert('bars', BAR_COLUMNS)} ON CONFLICT ({', '.join(BAR_KEY)}) DO UPDATE SET "
    f"{replaced([*COMPARED, 'received_at'])}, updated_at = {_NOW}, "
    f"state = iif({tuple_of(TRADED, 'bars')} IS NOT {tuple_of(TRADED, 'excluded')}, "
    "'corrected', bars.state) "
    f"WHERE {tuple_of(COMPARED, 'bars')} IS NOT {tuple_of(COMPARED, 'excluded')}"
)
_ACTION_VALUES = [name for name in ACTION_COLUMNS if name not in ACTION_KEY]
_UPSERT_ACTIONS = (
    f"{_insert('corporate_actions', ACTION_COLUMNS)} "
    f"ON CONFLICT ({', '.join(ACTION_KEY)}) DO UPDATE SET "
    f"{replaced(_ACTION_VALUES)}, updated_at = {_NOW}"
)
_INSERT_RANGE = _insert("history_ranges", RANGE_COLUMNS)
_OF_SERIES = "symbol = ? AND interval = ? AND adjustment = ?"
_RANGES = (
    "SELECT first_day, last_day, provider, received_at, timeliness, currency, exchange, "  # noqa: S608 - own names
    f"is_rewritten, has_actions FROM history_ranges WHERE {_OF_SERIES} ORDER BY provider, first_day"
)
_READ = (
    f"SELECT provider, timestamp, {', '.join((*PRICES, 'volume', 'trade_count'))} FROM bars "  # noqa: S608 - own names
    f"WHERE {_OF_SERIES} AND timestamp >= ? AND timestamp < ? AND (timestamp, provider) > (?, ?) "
    "AND (? IS NULL OR provider = ?) ORDER BY timestamp, provider LIMIT ?"
)
_SPANS = (
    "SELECT currency, min(timestamp), max(timestamp), max(received_at) FROM bars "  # noqa: S608 - own names
    f"WHERE {_OF_SERIES} AND timestamp >= ? AND timestamp < ? "
    "AND (? IS NULL OR provider = ?) GROUP BY currency ORDER BY 2"
)
_ACTIONS = (
    "SELECT provider, kind, day, ratio, amount, currency, number FROM corporate_actions "
    "WHERE symbol = ? AND day >= ? AND day <= ? ORDER BY day, kind, provider, number"
)

_FIRST_PRICE = BAR_COLUMNS.index(PRICES[0])
_LAST_PRICE = _FIRST_PRICE + len(PRICES)
_TIMES = slice(BAR_COLUMNS.index("received_at"), _FIRST_PRICE)
_head = itemgetter(slice(0, _TIMES.start))


def write_bars(connection: sqlite3.Connection, batches: Sequence[BarBatch]) -> int:
    """Insert or replace bars, actions and ranges in one transaction; return the number of bars."""
    for batch in batches:
        check(batch)
    rows = bind_bars(batches)
    actions = [_plain(row) for row in action_rows(batches)]
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_UPSERT_BARS, rows)
        connection.executemany(_UPSERT_ACTIONS, actions)
        for batch in batches:
            if batch.complete:
                _put_ranges(connection, batch)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return sum(len(batch.history.data_points) for batch in batches)


def bind_bars(batches: Sequence[BarBatch]) -> Iterator[Row]:
    """Yield the rows of bars as this database takes them: decimals and times as text."""
    received = (None, "")
    for row in bar_rows(batches):
        if row[_TIMES.start] is not received[0]:
            received = (row[_TIMES.start], time_text(row[_TIMES.start]))
        o, h, l, c, adjusted, vwap = row[_FIRST_PRICE:_LAST_PRICE]  # noqa: E741 - as traders say
        yield (
            *_head(row),
            received[1],
            time_text(row[_TIMES.start + 1]),
            *(str(o), str(h), str(l), str(c)),
            None if adjusted is None else str(adjusted),
            None if vwap is None else str(vwap),
            *row[_LAST_PRICE:],
        )


def _put_ranges(connection: sqlite3.Connection, batch: BarBatch) -> None:
    series = batch.series
    stored = [old for old in read_ranges(connection, series[:3]) if old.provider == series[3]]
    connection.execute(f"DELETE FROM history_ranges WHERE {_OF_SERIES} AND provider = ?", series)  # noqa: S608 - own names
    connection.executemany(
        _INSERT_RANGE,
        [_plain(range_row(series, range_)) for range_ in put_over(stored, new_ranges(batch))],
    )


def read_ranges(
    connection: sqlite3.Connection, key: SeriesKey | tuple[str, ...]
) -> list[StoredRange]:
    """Return the ranges of all providers for symbol, interval and adjustment."""
    return [
        StoredRange(
            days=Days(date.fromisoformat(first), date.fromisoformat(last)),
            provider=provider,
            received_at=datetime.fromisoformat(received_at),
            timeliness=Timeliness(timeliness),
            currency=currency,
            exchange=exchange,
            is_rewritten=bool(is_rewritten),
            has_actions=bool(has_actions),
        )
        for (
            first,
            last,
            provider,
            received_at,
            timeliness,
            currency,
            exchange,
            is_rewritten,
            has_actions,
        ) in connection.execute(_RANGES, key)
    ]


def read_piece(
    connection: sqlite3.Connection, query: BarQuery, after: tuple[datetime, str], most: int
) -> list[ProviderBar]:
    """Return the next bars after a time and a provider, in this order, ``most`` at most."""
    time, provider = after
    values = (
        *(query.symbol, query.interval.value, query.adjustment.value),
        *(time_text(time), time_text(query.until), time_text(time), provider),
        *(query.provider, query.provider, most),
    )
    return [_bar(row) for row in connection.execute(_READ, values)]


def _bar(row: Sequence[Any]) -> ProviderBar:
    provider, timestamp, o, h, l, c, adjusted, vwap, volume, trades = row  # noqa: E741 - as traders say
    return provider, Bar(
        timestamp=datetime.fromisoformat(timestamp),
        open_price=Decimal(o),
        high_price=Decimal(h),
        low_price=Decimal(l),
        close_price=Decimal(c),
        volume=volume,
        adjusted_close=None if adjusted is None else Decimal(adjusted),
        trade_count=trades,
        vwap=None if vwap is None else Decimal(vwap),
    )


def read_spans(connection: sqlite3.Connection, query: BarQuery) -> list[BarSpan]:
    """Return what there is of a series, by currency."""
    values = (
        *(query.symbol, query.interval.value, query.adjustment.value),
        *(time_text(query.since), time_text(query.until), query.provider, query.provider),
    )
    return [
        BarSpan(
            currency=currency,
            first=datetime.fromisoformat(first),
            last=datetime.fromisoformat(last),
            received_at=datetime.fromisoformat(received_at),
        )
        for currency, first, last, received_at in connection.execute(_SPANS, values)
    ]


def read_actions(connection: sqlite3.Connection, symbol: str, days: Days) -> list[StoredAction]:
    """Return splits and dividends of the days, oldest first."""
    found = connection.execute(_ACTIONS, (symbol, days.first.isoformat(), days.last.isoformat()))
    return [
        StoredAction(
            provider,
            Split(day=date.fromisoformat(day), ratio=Decimal(ratio))
            if kind == "split"
            else Dividend(day=date.fromisoformat(day), amount=Decimal(amount), currency=currency),
            number >= ADJUSTED_FROM,
        )
        for provider, kind, day, ratio, amount, currency, number in found
    ]


def _plain(row: Row) -> Row:
    return tuple(map(plain, row))


def plain(value: Any) -> Any:
    """Return a value as it is stored: a time, a day or a decimal as text."""
    # Adapters are shared by the whole process, and others register some for these types.
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def time_text(time: datetime) -> str:
    """Return a time as it is stored: UTC, always of the same width."""
    return time.astimezone(UTC).isoformat(" ", "microseconds")
