"""The venue's days: midnight to midnight in New York."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from tickloom_iex.capture.prices import time_of

_ZONE = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Day(Struct, frozen=True, gc=False):
    """A day of the venue; ``begin_ns`` to before ``end_ns``, ``noon_ns`` between."""

    day: date
    begin_ns: int
    noon_ns: int
    end_ns: int


class Days:
    """Finds the day of a time; asking for the same one again costs two comparisons."""

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        self._newest = Day(date.min, 0, 0, 0)

    def find(self, time_ns: int) -> Day:
        """Return the day that ``time_ns`` falls on."""
        newest = self._newest
        if newest.begin_ns <= time_ns < newest.end_ns:
            return newest
        day = time_of(time_ns).astimezone(_ZONE).date()
        self._newest = Day(
            day,
            nanoseconds(midnight(day)),
            nanoseconds(datetime.combine(day, time(12), _ZONE)),
            nanoseconds(midnight(day + timedelta(days=1))),
        )
        return self._newest


def midnight(day: date) -> datetime:
    """Return the begin of ``day`` at the venue, in UTC."""
    return datetime.combine(day, time(), _ZONE).astimezone(UTC)


def nanoseconds(at: datetime) -> int:
    """Return an aware time as nanoseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND * 1_000
