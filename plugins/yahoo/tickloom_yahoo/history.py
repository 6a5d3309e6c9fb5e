"""What to ask for a range of bars, and the prices of the adjustment out of Yahoo's."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tickloom.errors import InvalidDates, NoData, NotSupported
from tickloom.model import Bar, Dividend, Interval, PriceAdjustment, Split
from tickloom.roles import HistoryRequest
from tickloom_yahoo.fields import rounded
from tickloom_yahoo.parse_chart import Chart, day_of
from tickloom_yahoo.refusals import PROVIDER

INTERVALS = tuple(interval for interval in Interval if interval is not Interval.SECOND)

# How many days back Yahoo keeps each; beyond it refuses.
_REACH_DAYS = {
    Interval.MINUTE: 8,
    Interval.MINUTES_2: 60,
    Interval.MINUTES_5: 60,
    Interval.MINUTES_15: 60,
    Interval.MINUTES_30: 60,
    Interval.MINUTES_90: 60,
    Interval.HOUR: 730,
}
_ONE_DAY = timedelta(days=1)
_FIRST_DAY = date(1900, 1, 1)
_ADJUSTED_PLACES = 6
_RAW_PLACES = 4
_ONE = Decimal(1)


class Plan(Struct, frozen=True):
    """Two questions at most.

    Attributes:
        bars: The query for the bars and what happened in their time.
        later_splits: The query for splits after them; ``None`` = not needed.
    """

    bars: dict[str, str]
    later_splits: dict[str, str] | None = None


def plan_history(request: HistoryRequest, now: datetime, *, extended: bool) -> Plan:
    """Return what to ask for.

    Raises:
        InvalidDates: The range is reversed, or begins before Yahoo's bars of minutes do.
        NoData: The range is in the future, or ends before they begin.
        NotSupported: There are no such bars.
    """
    if request.interval not in INTERVALS:
        raise NotSupported(f"provider {PROVIDER} has no bars of {request.interval}")
    if request.adjustment is PriceAdjustment.ALL and request.interval.is_intraday:
        raise NotSupported(
            f"provider {PROVIDER} has no bars of {request.interval} adjusted for dividends",
            expected="an interval of a day or longer, or another adjustment",
        )
    if request.start > request.end:
        raise InvalidDates(
            "the date range is reversed",
            found=f"{request.start} to {request.end}",
            expected="a start not after the end",
        )
    # Which day it is at the venue is not known before it answers: a day more on either side.
    if request.start > now.date() + _ONE_DAY:
        raise NoData(f"provider {PROVIDER} has no bars of the future", found=str(request.start))
    first = max(_aligned(request), _FIRST_DAY)
    begin = _seconds(first) - int(_ONE_DAY.total_seconds())
    if request.interval.is_intraday:
        begin = max(begin, _reach_s(request, now))
    # Until tomorrow, never to the end of the calendar.
    last = min(request.end, now.date() + _ONE_DAY)
    query = {
        "interval": str(request.interval),
        "period1": str(begin),
        "period2": str(_seconds(last) + 2 * int(_ONE_DAY.total_seconds())),
        "events": "div,splits",
        "includePrePost": "true" if extended and request.interval.is_intraday else "false",
    }
    if request.adjustment is not PriceAdjustment.NONE or request.end >= now.date():
        return Plan(query)
    later = {
        "interval": "1mo",
        "period1": str(_seconds(request.end)),
        "period2": str(_seconds(now.date() + 2 * _ONE_DAY)),
        "events": "splits",
    }
    return Plan(query, later)


def _aligned(request: HistoryRequest) -> date:
    # Yahoo cuts weeks and months from wherever the range begins.
    start = request.start
    match request.interval:
        case Interval.WEEK:
            return start - min(timedelta(days=start.weekday()), start - date.min)
        case Interval.MONTH:
            return start.replace(day=1)
        case Interval.QUARTER:
            return start.replace(month=(start.month - 1) // 3 * 3 + 1, day=1)
    return start


def _reach_s(request: HistoryRequest, now: datetime) -> int:
    days = _REACH_DAYS[request.interval]
    oldest = now - timedelta(days=days)
    fix = f"Yahoo keeps bars of {request.interval} for {days} days; ask for longer bars."
    if request.end < oldest.date():
        raise NoData(
            f"provider {PROVIDER} has no bars of {request.interval} of {request.symbol} "
            f"from {request.start} to {request.end}",
            fix=fix,
        )
    if request.start < oldest.date():
        raise InvalidDates(
            f"the range begins before provider {PROVIDER}'s bars of {request.interval}",
            found=str(request.start),
            expected=f"{oldest.date()} or later",
            fix=fix,
        )
    # Not to the second: the request takes its time.
    return int(oldest.timestamp()) + 60


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def cut(chart: Chart, request: HistoryRequest) -> Chart:
    """Return the chart with what begins in the range, its days those of the venue's calendar."""
    first, last = request.start, request.end

    def inside(day: date) -> bool:
        return first <= day <= last

    return replace(
        chart,
        bars=tuple(bar for bar in chart.bars if inside(day_of(bar.timestamp, chart.zone))),
        splits=tuple(one for one in chart.splits if inside(one.day)),
        dividends=tuple(one for one in chart.dividends if inside(one.day)),
    )


def adjust(chart: Chart, request: HistoryRequest, splits: Sequence[Split]) -> Chart:
    """Return the chart with prices that account for what ``request`` says.

    Yahoo's own prices, volumes and dividends are in today's shares, so account for splits. With
    them undone a bar that spans a split is in the shares after it.

    Args:
        chart: As it came.
        request: For its adjustment and interval.
        splits: All from the first bar until today; only for ``NONE``.

    Raises:
        NotSupported: Yahoo gives no closes adjusted for dividends.
    """
    if request.adjustment is PriceAdjustment.SPLITS or not chart.bars:
        return chart
    if request.adjustment is PriceAdjustment.ALL:
        return replace(chart, bars=_with_dividends(chart))
    return _without_splits(chart, splits, request.interval)


def _with_dividends(chart: Chart) -> tuple[Bar, ...]:
    bars = []
    for bar in chart.bars:
        if bar.adjusted_close is not None:
            factor = bar.adjusted_close / bar.close_price
            bars.append(_scaled(bar, factor, _ADJUSTED_PLACES, close=bar.adjusted_close))
    if not bars:
        raise NotSupported(f"provider {PROVIDER} gives no prices adjusted for dividends here")
    return tuple(bars)


def _without_splits(chart: Chart, splits: Sequence[Split], interval: Interval) -> Chart:
    ordered = sorted({one.day: one for one in splits}.values(), key=lambda one: one.day)
    if not ordered:
        return chart
    days = [one.day for one in ordered]
    # After the last split nothing is left to undo.
    factors = [_ONE]
    for one in reversed(ordered):
        factors.append(factors[-1] * one.ratio)
    factors.reverse()

    def after(day: date) -> Decimal:
        return factors[bisect_right(days, day)]

    places = max(chart.places, _RAW_PLACES)
    ends = (_last_day(day_of(bar.timestamp, chart.zone), interval) for bar in chart.bars)
    bars = tuple(
        _undone(bar, after(end), places) for bar, end in zip(chart.bars, ends, strict=True)
    )
    paid = tuple(_paid(one, after(one.day)) for one in chart.dividends)
    return replace(chart, bars=bars, dividends=paid)


def _last_day(begin: date, interval: Interval) -> date:
    match interval:
        case Interval.WEEK | Interval.DAYS_5:
            return begin + timedelta(days=6)
        case Interval.MONTH | Interval.QUARTER:
            months = 1 if interval is Interval.MONTH else 3
            years, month = divmod(begin.month - 1 + months, 12)
            return date(begin.year + years, month + 1, 1) - _ONE_DAY
    return begin


def _undone(bar: Bar, factor: Decimal, places: int) -> Bar:
    if factor == 1:
        return bar
    raw = _scaled(bar, factor, places, close=rounded(bar.close_price * factor, places))
    shares = None if bar.volume is None else round(bar.volume / factor)
    return replace(raw, volume=shares)


def _paid(dividend: Dividend, factor: Decimal) -> Dividend:
    if factor == 1:
        return dividend
    amount = rounded(dividend.amount * factor, _ADJUSTED_PLACES)
    return replace(dividend, amount=amount)


def _scaled(bar: Bar, factor: Decimal, places: int, close: Decimal) -> Bar:
    return Bar(
        timestamp=bar.timestamp,
        open_price=rounded(bar.open_price * factor, places),
        high_price=rounded(bar.high_price * factor, places),
        low_price=rounded(bar.low_price * factor, places),
        close_price=close,
        volume=bar.volume,
        adjusted_close=bar.adjusted_close,
    )
