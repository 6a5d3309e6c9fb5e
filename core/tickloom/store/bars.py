"""Bars and what belongs to them, as they go into a database and come out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias

from msgspec import Struct

from tickloom.errors import BadRecord, verbatim
from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Split,
    Timeliness,
)
from tickloom.store.days import Days
from tickloom.store.rows import Row

SERIES = ("symbol", "interval", "adjustment", "provider")
BAR_KEY = ("symbol", "interval", "adjustment", "timestamp", "provider")
PRICES = ("open_price", "high_price", "low_price", "close_price", "adjusted_close", "vwap")
COUNTS = ("volume", "trade_count")
BAR_COLUMNS = (*SERIES, "currency", "received_at", "timestamp", *PRICES, *COUNTS)
"""The columns of ``bars`` that are written, in the order of :func:`bar_rows`."""

TRADED = ("open_price", "high_price", "low_price", "close_price", "volume")
"""The columns that make a bar a corrected one when they change."""

COMPARED = (*PRICES, *COUNTS, "currency")
"""The columns that make it worth to touch a row that is there already."""

ACTION_KEY = ("symbol", "day", "kind", "provider", "number")
ACTION_COLUMNS = (*ACTION_KEY, "ratio", "amount", "currency", "received_at")
RANGE_COLUMNS = (
    *SERIES,
    *("first_day", "last_day", "timeliness", "currency", "exchange"),
    *("is_rewritten", "has_actions", "received_at"),
)

ADJUSTED_FROM = 1_000
"""From this number on an action is of an adjusted answer, whose amounts may be in later shares."""

_bar_values = attrgetter(*PRICES, *COUNTS)
_SURE_PRICES = 4

SeriesKey: TypeAlias = tuple[str, str, str, str]
"""Symbol, interval, adjustment and provider, as text."""

ProviderBar: TypeAlias = tuple[str, Bar]
"""The name of the provider that a bar is from, and the bar."""


def tuple_of(columns: Sequence[str], table: str) -> str:
    """Return columns of a table as SQL compares them with those of another."""
    return "(" + ", ".join(f"{table}.{name}" for name in columns) + ")"


def replaced(columns: Sequence[str]) -> str:
    """Return the part of an upsert that sets columns of the old row to those of the new one."""
    return ", ".join(f"{name} = excluded.{name}" for name in columns)


class BarBatch(Struct, frozen=True, kw_only=True):
    """An answer of a provider, and which of its days are done with.

    Attributes:
        history: What is stored; its bars may be any part of the answer.
        complete: The days that were asked for and are over, with or without bars: they need not
            be asked for again.
        has_actions: The provider told all splits and dividends of these days.
    """

    history: HistoricalData
    complete: tuple[Days, ...] = ()
    has_actions: bool = False

    @property
    def series(self) -> SeriesKey:
        """What tells its bars from those of others."""
        history = self.history
        return (
            history.symbol,
            Interval(history.interval).value,
            PriceAdjustment(history.adjustment).value,
            history.provider,
        )


class BarQuery(Struct, frozen=True, kw_only=True):
    """Which bars to read.

    Attributes:
        symbol: Canonical.
        interval: Length of each bar.
        adjustment: What the prices account for.
        since: Begin of the first bar at the earliest, aware.
        until: Before this the last bar begins, aware.
        provider: Whose; ``None`` = of all, which may give several for one time.
    """

    symbol: str
    interval: Interval
    adjustment: PriceAdjustment
    since: datetime
    until: datetime
    provider: str | None = None


class BarSpan(Struct, frozen=True, kw_only=True):
    """Bars of one series in one currency.

    Attributes:
        first: Begin of the oldest one, aware UTC.
        last: Begin of the newest one, aware UTC.
        received_at: When the newest of them was received, aware UTC.
        currency: Of the prices; ``None`` = not stated.
    """

    first: datetime
    last: datetime
    received_at: datetime
    currency: str | None = None


class StoredRange(Struct, frozen=True, kw_only=True):
    """Days of one series that a provider gave completely.

    Attributes:
        days: Which ones.
        provider: Who gave them.
        received_at: When, aware UTC; of days that came in several answers the oldest.
        timeliness: How fresh the provider's values were.
        currency: Of the prices; ``None`` = not stated.
        exchange: The venue as the provider names it; ``None`` = not stated.
        is_rewritten: Some of its prices are adjusted, so that every later split or dividend makes
            others of them: they are those of the day on which they were received.
        has_actions: The provider told all splits and dividends of these days; false = it did not,
            or nobody took note.
    """

    days: Days
    provider: str
    received_at: datetime
    timeliness: Timeliness
    currency: str | None = None
    exchange: str | None = None
    is_rewritten: bool = False
    has_actions: bool = False


class StoredAction(Struct, frozen=True):
    """A split or a dividend, and who told of it.

    Attributes:
        provider: Who did.
        event: What it was.
        is_adjusted: It came with adjusted prices, so that its amount may be in later shares.
    """

    provider: str
    event: Split | Dividend
    is_adjusted: bool = False


def check(batch: BarBatch) -> None:
    """Refuse what one of the databases would take and the other would not.

    Raises:
        BadRecord: A text holds a NUL character, or is none.
    """
    history = batch.history
    for name in ("symbol", "provider", "currency", "exchange"):
        value = getattr(history, name)
        is_text = isinstance(value, str) or (value is None and name in {"currency", "exchange"})
        if not is_text or "\0" in (value or ""):
            raise BadRecord(
                f"the history of {history.symbol!r} by {history.provider!r} cannot be stored",
                found=verbatim(f"{name} {value!r}"),
                expected="text without NUL characters",
            )


def bar_rows(batches: Sequence[BarBatch]) -> Iterator[Row]:
    """Yield the rows of all bars, of two with one key the last, in the order of their keys.

    That order is the same for all who write, so that two of them never wait for each other.

    Raises:
        BadRecord: A value is none that can be written.
    """
    newest: dict[SeriesKey, dict[datetime, tuple[HistoricalData, Bar]]] = {}
    for batch in batches:
        history = batch.history
        of_series = newest.setdefault(batch.series, {})
        of_series.update((bar.timestamp, (history, bar)) for bar in history.data_points)
    for series in sorted(newest):
        found = newest[series]
        for timestamp in _in_order(series, found):
            history, bar = found[timestamp]
            yield _row(series, history, bar)


def _in_order(series: SeriesKey, found: dict[datetime, Any]) -> list[datetime]:
    try:
        return sorted(found)
    except TypeError as error:
        raise _bad(series, "a time without a zone, or none at all") from error


def _row(series: SeriesKey, history: HistoricalData, bar: Bar) -> Row:
    values = _bar_values(bar)
    try:
        for number, price in enumerate(values[: len(PRICES)]):
            if price is None and number >= _SURE_PRICES:
                continue
            if not price.is_finite():
                raise _bad(series, f"a price {price}")
        return (*series, history.currency, _utc(history.received_at), _utc(bar.timestamp), *values)
    # A struct does not check its types, so that a plugin may have put anything in.
    except (AttributeError, TypeError, ValueError) as error:
        raise _bad(series, f"{type(error).__name__}: {error}") from error


def _bad(series: SeriesKey, found: str) -> BadRecord:
    return BadRecord(
        f"a bar of {series[0]!r} by {series[3]!r} cannot be stored", found=verbatim(found)
    )


def _utc(time: datetime) -> datetime:
    if time.tzinfo is UTC:
        return time
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)


def action_rows(batches: Sequence[BarBatch]) -> list[Row]:
    """Return the rows of splits and dividends, of two with one key the last, in order.

    Raises:
        BadRecord: A value is none that can be written.
    """
    rows: dict[Row, Row] = {}
    for batch in batches:
        history = batch.history
        # Else the amounts of adjusted answers would take the place of those that were paid.
        first = 0 if history.adjustment == PriceAdjustment.NONE else ADJUSTED_FROM
        seen: dict[tuple[date, str], int] = {}
        events: tuple[Split | Dividend, ...] = (*history.splits, *history.dividends)
        for event in events:
            kind = "split" if isinstance(event, Split) else "dividend"
            number = seen.get((event.day, kind), first)
            seen[event.day, kind] = number + 1
            value = event.ratio if isinstance(event, Split) else event.amount
            if not _is_finite(value):
                raise _bad(batch.series, f"a {kind} of {value}")
            values = (value, None) if isinstance(event, Split) else (None, value)
            currency = None if isinstance(event, Split) else event.currency
            key = (history.symbol, event.day, kind, history.provider, number)
            rows[key] = (*key, *values, currency, _utc(history.received_at))
    return [rows[key] for key in sorted(rows)]


def _is_finite(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite()


def range_row(series: SeriesKey, stored: StoredRange) -> Row:
    """Return the row of ``history_ranges`` in the order of :data:`RANGE_COLUMNS`."""
    return (
        *series,
        *(stored.days.first, stored.days.last, Timeliness(stored.timeliness).value),
        *(stored.currency, stored.exchange, stored.is_rewritten, stored.has_actions),
        _utc(stored.received_at),
    )


def new_ranges(batch: BarBatch) -> list[StoredRange]:
    """Return the ranges that a batch completes."""
    history = batch.history
    is_rewritten = history.adjustment != PriceAdjustment.NONE or any(
        bar.adjusted_close is not None for bar in history.data_points
    )
    return [
        StoredRange(
            days=days,
            provider=history.provider,
            received_at=history.received_at,
            timeliness=history.timeliness,
            currency=history.currency,
            exchange=history.exchange,
            is_rewritten=is_rewritten,
            has_actions=batch.has_actions,
        )
        for days in batch.complete
    ]
