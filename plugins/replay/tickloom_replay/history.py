"""Bars of the past, as recorded or rolled up from finer ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from threading import Event as Flag

from msgspec import structs

from tickloom.errors import InvalidDates, NoData, NotSupported
from tickloom.model import Bar, Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom_replay.event import DAY, Event, Series
from tickloom_replay.factors import Factors
from tickloom_replay.session import join_bars
from tickloom_replay.timeline import merge_events

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN = timedelta(days=2)
_LONGEST = timedelta(days=31)
# Where such bars begin, each vendor says differently.
_VENDORS_OWN = {Interval.MINUTES_90, Interval.DAYS_5, Interval.QUARTER}


def can_roll(step: timedelta, interval: Interval) -> bool:
    """True where bars of ``interval`` can be made of bars of ``step``."""
    if interval in _VENDORS_OWN:
        return False
    length = interval.duration
    if step == length or not step:
        return True
    if step > DAY or step > length:
        # Weeks and months do not divide each other.
        return False
    return length >= DAY or not length % step


def list_intervals(series: Sequence[Series]) -> tuple[Interval, ...]:
    """Return every interval for which some series has bars, as recorded or rolled up."""
    steps = {one.step for one in series if one.has_trades}
    return tuple(one for one in Interval if any(can_roll(step, one) for step in steps))


def collect_bars(
    series: Sequence[Series], factors: Factors | None, request: HistoryRequest, halt: Flag
) -> tuple[Bar, ...]:
    """Return the bars that ``request`` asks for, oldest first, in recorded times.

    The coarsest recorded step that serves is used. A bar belongs to the range if it begins on a
    day of the range. Below a day bars begin at multiples of their length in UTC.

    Args:
        series: Those of the symbol asked for.
        factors: Its factor file; ``None`` = there is none.
        request: The question.
        halt: Once set, the work ends early and its result is worthless.

    Raises:
        InvalidDates: The range is reversed.
        NotSupported: Its bars are coarser, or adjusted prices need a factor file.
        NoData: Nothing is recorded in the range.
    """
    if request.start > request.end:
        raise InvalidDates(
            "the date range is reversed",
            found=f"{request.start} to {request.end}",
            expected="a start not after the end",
        )
    if request.adjustment is not PriceAdjustment.NONE and factors is None:
        raise NotSupported(
            f"prices of {request.symbol} cannot be adjusted: there is no factor file for it",
            fix="Ask for unadjusted prices, or add a Lean factor file.",
        )
    chosen = _choose(series, request)
    bars: dict[datetime, Bar] = {}
    for event in merge_events(chosen, halt):
        if event.session > request.end + _LONGEST + _MARGIN:
            break
        _add(event, bars, factors, request, chosen[0])
    if not bars:
        raise _no_data(request)
    return tuple(bars[begin] for begin in sorted(bars))


def _choose(series: Sequence[Series], request: HistoryRequest) -> list[Series]:
    traded = [one for one in series if one.has_trades]
    usable = [one for one in traded if can_roll(one.step, request.interval)]
    if traded and not usable:
        finest = min(one.step for one in traded)
        raise NotSupported(
            f"bars of {request.interval} are not recorded for {request.symbol} and cannot be made",
            found=f"bars of {finest}",
            expected="a longer interval",
        )
    first = _midnight(request.start) - _MARGIN
    last = _midnight(request.end) + _MARGIN + _LONGEST
    there = [one for one in usable if one.first - one.step <= last and one.last >= first]
    if not there:
        raise _no_data(request)
    step = max(one.step for one in there)
    return [one for one in there if one.step == step]


def _add(
    event: Event,
    bars: dict[datetime, Bar],
    factors: Factors | None,
    request: HistoryRequest,
    series: Series,
) -> None:
    if event.bar is None:
        return
    day, begin = _place(event, request.interval, series.zone)
    is_recorded = series.step == request.interval.duration
    if not request.start <= day <= request.end or (is_recorded and event.begin in bars):
        return
    bar = event.bar
    if request.adjustment is not PriceAdjustment.NONE and factors is not None:
        bar = factors.adjust(bar, event.session, request.adjustment)
    if is_recorded:
        bars[event.begin] = bar
    elif begin in bars:
        bars[begin] = join_bars(bars[begin], bar)
    else:
        bars[begin] = structs.replace(bar, timestamp=begin, adjusted_close=None)


def _place(event: Event, interval: Interval, zone: tzinfo) -> tuple[date, datetime]:
    day = event.session
    if interval.is_intraday:
        length = interval.duration
        return day, _EPOCH + (event.begin - _EPOCH) // length * length
    if interval is Interval.WEEK:
        day -= timedelta(days=day.weekday())
    elif interval is Interval.MONTH:
        day = day.replace(day=1)
    return day, datetime.combine(day, time(), zone).astimezone(UTC)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _no_data(request: HistoryRequest) -> NoData:
    return NoData(
        f"nothing is recorded for {request.symbol} from {request.start} to {request.end}",
    )
