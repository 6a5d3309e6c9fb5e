"""What to ask Yahoo for a range of bars."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from tickloom.errors import InvalidDates, NoData, NotSupported
from tickloom.model import Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
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
# Yahoo counts weeks and five days from the weekday on which the range begins.
_ANCHORED = (Interval.WEEK, Interval.DAYS_5)
_ONE_DAY = timedelta(days=1)
_FIRST_DAY = date(1900, 1, 1)


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
    if request.start > now.date() + _ONE_DAY:
        raise NoData(f"provider {PROVIDER} has no bars of the future", found=str(request.start))
    if request.end < _FIRST_DAY:
        raise NoData(f"provider {PROVIDER} has no bars so old", found=str(request.end))
    first = max(_aligned(request), _FIRST_DAY)
    begin = _seconds(first)
    if request.interval not in _ANCHORED:
        # When the venue's day begins is not known before it answers: a day more, cut off later.
        begin -= int(_ONE_DAY.total_seconds())
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
