"""Bars of the past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tickloom.clock import Clock
from tickloom.errors import InvalidDates, NoData, verbatim
from tickloom.model import Bar, Interval
from tickloom.roles import HistoryRequest
from tickloom_simulated.instrument import Instrument
from tickloom_simulated.price import to_price
from tickloom_simulated.session import (
    DAY,
    begin_of_bar,
    begin_of_day,
    end_of_bar,
    to_microseconds,
    to_time,
)
from tickloom_simulated.walk import HOUR, LOT, MINUTE, SECOND, Span

MOST_SPANS = 500_000
_SPANS_A_TURN = 200
_SPANS: dict[Interval, int | None] = {
    Interval.SECOND: SECOND,
    Interval.HOUR: HOUR,
    Interval.DAY: None,
    Interval.WEEK: None,
    Interval.MONTH: None,
}


INTERVALS = tuple(
    one for one in Interval if one not in {Interval.DAYS_5, Interval.QUARTER, Interval.MINUTES_90}
)


async def collect_bars(
    instrument: Instrument, request: HistoryRequest, clock: Clock
) -> tuple[Bar, ...]:
    """Return the finished bars that begin on a day of the range, oldest first.

    Gives way to other tasks every few milliseconds.

    Raises:
        InvalidDates: The range is reversed, or longer than one question may be.
        NoData: No bar that begins in the range is finished by now.
    """
    interval = request.interval
    length = _SPANS.get(interval, MINUTE)
    start, stop = _find_range(request, clock.now())
    _check_count((stop - start) // (length or DAY), request)
    bars: list[Bar] = []
    begin = edge = start
    parts: list[Span] = []
    for number, span in enumerate(instrument.spans(length, start, stop)):
        if span.begin >= edge:
            if parts:
                bars.append(_join(parts, begin))
            begin = begin_of_bar(interval, span.begin)
            edge = end_of_bar(interval, begin)
            parts = []
        parts.append(span)
        if number % _SPANS_A_TURN == 0:
            await clock.sleep(0)
    if parts:
        bars.append(_join(parts, begin))
    if not bars:
        raise NoData(
            f"no finished {interval} bar of {request.symbol} begins from {request.start} to "
            f"{request.end}",
            fix="Ask for earlier days; bars of a day begin on weekdays only.",
        )
    return tuple(bars)


def _find_range(request: HistoryRequest, now: datetime) -> tuple[int, int]:
    # Both are begins of bars, in seconds since 1970; the bar at the second one is left out.
    if request.start > request.end:
        raise InvalidDates(
            "the date range is reversed",
            found=verbatim(f"{request.start} to {request.end}"),
            expected="a start not after the end",
        )
    reached = to_microseconds(now) // 1_000_000
    start = _first_bar(request.interval, min(begin_of_day(request.start), reached))
    stop = _first_bar(request.interval, min(begin_of_day(request.end) + DAY, reached))
    return start, max(start, min(stop, begin_of_bar(request.interval, reached)))


def _first_bar(interval: Interval, second: int) -> int:
    begin = begin_of_bar(interval, second)
    return begin if begin >= second else end_of_bar(interval, begin)


def _check_count(count: int, request: HistoryRequest) -> None:
    if count > MOST_SPANS:
        raise InvalidDates(
            f"the date range is too long for bars of {request.interval}",
            found=verbatim(f"{request.start} to {request.end}"),
            expected=f"at most {MOST_SPANS} of the bars that they are made of",
            fix="Ask for fewer days at a time, or for longer bars.",
        )


def _join(parts: Sequence[Span], begin: int) -> Bar:
    first, high, low, lots = parts[0], parts[0].high, parts[0].low, 0
    for part in parts:
        high, low, lots = max(high, part.high), min(low, part.low), lots + part.lots
    return Bar(
        timestamp=to_time(begin),
        open_price=to_price(first.open),
        high_price=to_price(high),
        low_price=to_price(low),
        close_price=to_price(parts[-1].close),
        volume=lots * LOT,
    )
