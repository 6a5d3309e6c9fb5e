"""The calendar of the simulated venue: when its sessions begin, and when bars do.

The venue never closes. Its sessions are the weekdays, in UTC; that of Friday lasts until Monday.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from tickloom.clock import Clock
from tickloom.model import Interval

DAY = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_FRIDAY = 4
_LENGTHS = {
    interval: interval.duration // timedelta(seconds=1)
    for interval in Interval
    if interval.is_intraday
}


def to_microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def now_in_nanoseconds(clock: Clock) -> int:
    """Return the nanoseconds since 1970 at which ``clock`` stands."""
    return to_microseconds(clock.now()) * 1_000


def to_time(second: int) -> datetime:
    """Return the aware UTC time of a second since 1970."""
    return _EPOCH + timedelta(seconds=second)


def begin_of_day(day: date) -> int:
    """Return the second since 1970 at which a day begins."""
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY


def find_session(second: int) -> int:
    """Return the number of the session that a second since 1970 belongs to."""
    # Day 1 of the calendar was a Monday.
    week, weekday = divmod(second // DAY + _EPOCH_ORDINAL - 1, 7)
    return 5 * week + min(weekday, _FRIDAY)


def begin_of_session(session: int) -> int:
    """Return the second since 1970 at which a session begins."""
    week, weekday = divmod(session, 5)
    return (7 * week + weekday + 1 - _EPOCH_ORDINAL) * DAY


def begin_of_bar(interval: Interval, second: int) -> int:
    """Return the begin of the bar that a second belongs to, both in seconds since 1970."""
    length = _LENGTHS.get(interval)
    if length is not None:
        return second - second % length
    begin = begin_of_session(find_session(second))
    if interval is Interval.DAY:
        return begin
    day = to_time(begin).date()
    if interval is Interval.WEEK:
        return begin - day.weekday() * DAY
    return begin_of_day(day.replace(day=1))


def end_of_bar(interval: Interval, begin: int) -> int:
    """Return the begin of the bar that follows the one that begins at ``begin``."""
    length = _LENGTHS.get(interval)
    if length is not None:
        return begin + length
    if interval is Interval.DAY:
        return begin_of_session(find_session(begin) + 1)
    if interval is Interval.WEEK:
        return begin + 7 * DAY
    day = to_time(begin).date()
    return begin_of_day((day.replace(day=1) + timedelta(days=31)).replace(day=1))
