"""Gives each bar the begin of its interval, and joins the bar of a running one with its rest.

While a session is open Yahoo's last bar carries the current time. In charts of weeks and months it
is a bar of its own beside the one that began the week or month.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tickloom.model import Bar, Interval

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HALF_HOUR = timedelta(minutes=30)


def join_live(bars: Sequence[Bar], interval: Interval, zone: ZoneInfo) -> tuple[Bar, ...]:
    """Return the bars oldest first, one for each begin.

    Args:
        bars: As delivered.
        interval: Their length.
        zone: Of the venue; its midnight begins a day.
    """
    ordered = sorted(bars, key=lambda bar: bar.timestamp)
    if interval.is_intraday:
        return _join_last(ordered, interval, zone)
    joined: list[Bar] = []
    begun: object = None
    for bar in ordered:
        day = bar.timestamp.astimezone(zone).date()
        begin = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        period = _period(day, interval, joined[-1].timestamp.astimezone(zone) if joined else None)
        if joined and period == begun:
            joined[-1] = _join(joined[-1], bar, interval)
        else:
            joined.append(_at(bar, begin))
            begun = period
    return tuple(joined)


def _period(day: date, interval: Interval, before: datetime | None) -> object:
    match interval:
        case Interval.WEEK:
            return day.isocalendar()[:2]
        case Interval.MONTH:
            return day.year, day.month
        case Interval.QUARTER:
            return day.year, (day.month - 1) // 3
        case Interval.DAYS_5:
            # Counted from wherever the range begins.
            near = before is not None and (day - before.date()).days < interval.duration.days
            return before.date() if near and before is not None else day
    return day


def _join_last(bars: list[Bar], interval: Interval, zone: ZoneInfo) -> tuple[Bar, ...]:
    unique: dict[datetime, Bar] = {bar.timestamp: bar for bar in bars}
    ordered = list(unique.values())
    if len(ordered) > 1:
        last, before = ordered[-1], ordered[-2]
        apart = last.timestamp - before.timestamp
        # After a break for lunch bars begin anew, at a full or half hour.
        anew = apart > interval.duration and not _off(last, _HALF_HOUR)
        off = timedelta() if anew else apart % interval.duration
        same_day = (
            last.timestamp.astimezone(zone).date() == before.timestamp.astimezone(zone).date()
        )
        if off and same_day:
            begin = last.timestamp - off
            running = begin == before.timestamp
            ordered[-1] = _at(last, begin)
            if running:
                ordered[-2:] = [_join(before, last, interval)]
    elif ordered and interval.duration <= timedelta(hours=1):
        # Alone it has no neighbour to go by; venues begin at full or half hours.
        only = ordered[0]
        off = _off(only, min(interval.duration, _HALF_HOUR))
        ordered = [_at(only, only.timestamp - off)]
    return tuple(ordered)


def _off(bar: Bar, step: timedelta) -> timedelta:
    return (bar.timestamp - _EPOCH) % step


def _join(first: Bar, then: Bar, interval: Interval) -> Bar:
    if interval is Interval.DAY:
        # The day twice: the later one is the newer state of the whole of it.
        return _at(then, first.timestamp)
    # Once the session is over its day is part of the longer bar, and comes as a bar of its own too.
    within = first.low_price <= then.low_price and then.high_price <= first.high_price
    counted = within and first.close_price == then.close_price
    volume = first.volume
    if not counted and volume is not None:
        volume += then.volume or 0
    return Bar(
        timestamp=first.timestamp,
        open_price=first.open_price,
        high_price=max(first.high_price, then.high_price),
        low_price=min(first.low_price, then.low_price),
        close_price=then.close_price,
        volume=volume,
        adjusted_close=then.adjusted_close,
    )


def _at(bar: Bar, begin: datetime) -> Bar:
    if bar.timestamp == begin:
        return bar
    return Bar(
        timestamp=begin,
        open_price=bar.open_price,
        high_price=bar.high_price,
        low_price=bar.low_price,
        close_price=bar.close_price,
        volume=bar.volume,
        adjusted_close=bar.adjusted_close,
    )
