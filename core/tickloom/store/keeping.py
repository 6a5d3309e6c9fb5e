"""Which bars of an answer can be kept, and which days need not be asked for again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from tickloom.model import Bar, Dividend, HistoricalData, Interval, Split, begin_of, day_of
from tickloom.store.bars import BarBatch, SeriesKey
from tickloom.store.days import (
    Days,
    months_around,
    weeks_around,
    whole_months,
    whole_weeks,
)

IsSession = Callable[[str, date], bool]
"""Whether the venue of a symbol has a session on a day; yes where that is not known."""

_DAY = timedelta(days=1)
# No market is older, and times near the ends of Python's calendar cannot be converted.
_EARLIEST, _LATEST = date(1800, 1, 1), date(2199, 12, 31)
# Each provider begins these where it likes, so that nobody knows when one of them is over.
_UNCLEAR = {Interval.DAYS_5, Interval.QUARTER}
_AROUND = {Interval.WEEK: weeks_around, Interval.MONTH: months_around}
_WITHIN = {Interval.WEEK: whole_weeks, Interval.MONTH: whole_months}


class Sifted(Struct, frozen=True, kw_only=True):
    """An answer without what cannot be kept.

    Attributes:
        batch: What is kept.
        unfinished: Number of bars of a period that is not over, or whose end is not known.
        outside: Number of bars that belong to no day that was asked for.
    """

    batch: BarBatch
    unfinished: int
    outside: int


def is_kept(interval: Interval) -> bool:
    """True where it is known when a bar of this length is over."""
    return interval not in _UNCLEAR


def asked_days(interval: Interval, start: date, end: date) -> Days:
    """Return the days that a question is about: for weeks and months, all of those it touches."""
    first = min(max(start, _EARLIEST), _LATEST)
    days = Days(first, min(max(end, first), _LATEST))
    around = _AROUND.get(interval)
    return days if around is None else around(days)


def bounds(symbol: str, days: Days) -> tuple[datetime, datetime]:
    """Return when the first of the venue's days begins and when the last one ends, aware UTC."""
    return begin_of(symbol, days.first), begin_of(symbol, days.last + _DAY)


def sift(answer: HistoricalData, today: date, is_session: IsSession) -> Sifted:
    """Return what can be kept of ``answer``.

    Args:
        answer: As a provider gave it.
        today: The venue's day that runs now; its bars still change.
        is_session: Days without one are not waited for.
    """
    symbol, bars = answer.symbol, answer.data_points
    asked = asked_days(answer.interval, answer.start_date, answer.end_date)
    inside = _within(symbol, asked, bars)
    over = _over(answer, today)
    kept = _within(symbol, over, inside) if over is not None else ()
    batch = BarBatch(history=replace(answer, data_points=kept))
    # With bars of other days than those we asked for, its days may not be our days.
    if over is not None and len(inside) == len(bars):
        batch = replace(batch, complete=_complete(answer, over, kept, is_session))
    return Sifted(batch=batch, unfinished=len(inside) - len(kept), outside=len(bars) - len(inside))


def _over(answer: HistoricalData, today: date) -> Days | None:
    if not is_kept(answer.interval):
        return None
    # Not widened: of a week that was asked for in part the answer may be a part too.
    asked = asked_days(Interval.DAY, answer.start_date, answer.end_date)
    if asked.first >= today:
        return None
    over = Days(asked.first, min(asked.last, today - _DAY))
    within = _WITHIN.get(answer.interval)
    return over if within is None else within(over)


def _within(symbol: str, days: Days, bars: Sequence[Bar]) -> tuple[Bar, ...]:
    begin, end = bounds(symbol, days)
    return tuple(bar for bar in bars if begin <= bar.timestamp < end)


def _complete(
    answer: HistoricalData, over: Days, bars: Sequence[Bar], is_session: IsSession
) -> tuple[Days, ...]:
    if not bars:
        return ()
    symbol = answer.symbol
    times = [bar.timestamp for bar in bars]
    oldest, newest = day_of(symbol, min(times)), day_of(symbol, max(times))
    # What lies beyond its bars may be cut off, as where a provider does not reach back so far.
    # A bar of a week or a month stands for all of its days.
    first = max(asked_days(answer.interval, oldest, oldest).first, over.first)
    last = min(asked_days(answer.interval, newest, newest).last, over.last)
    if answer.interval in _AROUND:
        return (Days(first, last),)
    while over.first < first and not is_session(symbol, first - _DAY):
        first -= _DAY
    while last < over.last and not is_session(symbol, last + _DAY):
        last += _DAY
    return (Days(first, last),)


def cut(batches: Sequence[BarBatch], most: int) -> Iterator[list[BarBatch]]:
    """Yield the batches in groups of at most ``most`` bars; a larger one is cut.

    Only the last part of it has its events and says which days are complete, so that these are
    never stored without their bars.
    """
    group: list[BarBatch] = []
    bars = 0
    for batch in batches:
        for part in _parts(batch, most):
            if group and bars + len(part.history.data_points) > most:
                yield group
                group, bars = [], 0
            group.append(part)
            bars += len(part.history.data_points)
    if group:
        yield group


def _parts(batch: BarBatch, most: int) -> Iterator[BarBatch]:
    points = batch.history.data_points
    first = 0
    while len(points) - first > most:
        yield _bars_only(batch, points[first : first + most])
        first += most
    yield replace(batch, history=replace(batch.history, data_points=points[first:]))


def halves(batches: Sequence[BarBatch]) -> list[list[BarBatch]]:
    """Return batches that were refused in two parts; empty = nothing is left to be parted.

    A batch that is parted says no more which days are complete.
    """
    if len(batches) > 1:
        middle = len(batches) // 2
        return [list(batches[:middle]), list(batches[middle:])]
    [batch] = batches
    history = batch.history
    points, splits, dividends = history.data_points, history.splits, history.dividends
    events: tuple[Split | Dividend, ...] = (*splits, *dividends)
    if points and events:
        return [[_bars_only(batch, points)], [_events_only(batch, events)]]
    middle = max(len(points), len(events)) // 2
    if not middle:
        return []
    if points:
        return [[_bars_only(batch, points[:middle])], [_bars_only(batch, points[middle:])]]
    return [[_events_only(batch, events[:middle])], [_events_only(batch, events[middle:])]]


def without_complete(batches: Sequence[BarBatch], refused: Collection[SeriesKey]) -> list[BarBatch]:
    """Return the batches; those of a series that lost a bar say no more what is complete."""
    return [replace(batch, complete=()) if batch.series in refused else batch for batch in batches]


def _bars_only(batch: BarBatch, points: Sequence[Bar]) -> BarBatch:
    history = replace(batch.history, data_points=tuple(points), splits=(), dividends=())
    return BarBatch(history=history)


def _events_only(batch: BarBatch, events: Sequence[Split | Dividend]) -> BarBatch:
    history = replace(
        batch.history,
        data_points=(),
        splits=tuple(event for event in events if isinstance(event, Split)),
        dividends=tuple(event for event in events if isinstance(event, Dividend)),
    )
    return BarBatch(history=history)
