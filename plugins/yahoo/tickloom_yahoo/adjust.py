"""Cuts a chart to what was asked for, and makes the prices of the adjustment out of Yahoo's."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tickloom.errors import NotSupported
from tickloom.model import Bar, Dividend, Interval, PriceAdjustment, Split
from tickloom.roles import HistoryRequest
from tickloom_yahoo.fields import day_of, rounded
from tickloom_yahoo.parse_chart import Chart
from tickloom_yahoo.refusals import PROVIDER

_ONE_DAY = timedelta(days=1)
_ADJUSTED_PLACES = 6
_RAW_PLACES = 4
_ONE = Decimal(1)


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
