"""Bars of the past, read off the fair price."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from tickloom.clock import Clock
from tickloom.errors import InvalidDates, NoData, verbatim
from tickloom.model import Bar, Interval
from tickloom.roles import HistoryRequest
from tickloom_simulated.level import Level
from tickloom_simulated.walk import hundredths

MAX_BARS = 1_000_000
_PAUSE_EVERY = 250
_SHARES_PER_S = 40


async def make_bars(level: Level, request: HistoryRequest, clock: Clock) -> tuple[Bar, ...]:
    """Return the complete bars of the range; the same question always has the same answer.

    Raises:
        InvalidDates: There would be more than a million bars.
        NoData: No bar of the range is complete yet.
    """
    days = (request.end - request.start).days + 1
    count = int(timedelta(days=days) / request.interval.duration)
    if count > MAX_BARS:
        raise InvalidDates(
            f"the range is too long for bars of {request.interval}",
            found=verbatim(f"{count} bars"),
            expected=f"at most {MAX_BARS}",
            fix="Ask for fewer days or a longer interval.",
        )
    now = clock.now()
    bars: list[Bar] = []
    for begin, end in _periods(request.start, request.end, request.interval):
        if end > now:
            break
        bars.append(_bar(level, begin, end))
        if len(bars) % _PAUSE_EVERY == 0:
            await clock.sleep(0)
    if not bars:
        raise NoData(f"no bar of {request.symbol} from {request.start} is complete yet")
    return tuple(bars)


def _bar(level: Level, begin: datetime, end: datetime) -> Bar:
    begin_s, end_s = begin.timestamp(), end.timestamp()
    opened, closed = _cents(level, begin_s), _cents(level, end_s)
    seconds = end_s - begin_s
    index = int(begin_s) * 31 + int(seconds)
    reach = opened * 0.0008 * (seconds / 60) ** 0.5
    high = max(opened, closed) + round(reach * (1 + level.noise(11, index)) / 2)
    low = max(1, min(opened, closed) - round(reach * (1 + level.noise(12, index)) / 2))
    volume = round(_SHARES_PER_S * seconds * (1.5 + level.noise(13, index)))
    return Bar(
        timestamp=begin,
        open_price=hundredths(opened),
        high_price=hundredths(high),
        low_price=hundredths(low),
        close_price=hundredths(closed),
        volume=volume,
        adjusted_close=hundredths(closed),
        vwap=hundredths((opened + closed + high + low) // 4).quantize(Decimal("0.01")),
    )


def _cents(level: Level, at_s: float) -> int:
    return max(1, round(level.cents(at_s)))


def _periods(start: date, end: date, interval: Interval) -> Iterator[tuple[datetime, datetime]]:
    begin = datetime.combine(start, time(), UTC)
    stop = datetime.combine(end, time(), UTC) + timedelta(days=1)
    if interval is Interval.WEEK:
        begin -= timedelta(days=begin.weekday())
    if interval is Interval.MONTH:
        begin = begin.replace(day=1)
    while begin < stop:
        after = _next_month(begin) if interval is Interval.MONTH else begin + interval.duration
        yield begin, after
        begin = after


def _next_month(begin: datetime) -> datetime:
    return (begin + timedelta(days=32)).replace(day=1)
