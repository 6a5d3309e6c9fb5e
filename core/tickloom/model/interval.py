"""The bar intervals."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from tickloom.errors import InvalidInterval


class Interval(StrEnum):
    """The length of a bar. Days, weeks and months are those of the venue's calendar."""

    SECOND = "1s"
    MINUTE = "1m"
    MINUTES_2 = "2m"
    MINUTES_5 = "5m"
    MINUTES_15 = "15m"
    MINUTES_30 = "30m"
    HOUR = "1h"
    MINUTES_90 = "90m"
    DAY = "1d"
    DAYS_5 = "5d"
    WEEK = "1wk"
    MONTH = "1mo"
    QUARTER = "3mo"

    @property
    def duration(self) -> timedelta:
        """The nominal length; a month counts 30 days and a quarter 90."""
        return _DURATIONS[self]

    @property
    def is_intraday(self) -> bool:
        """True below one day."""
        return self.duration < timedelta(days=1)


_DURATIONS = {
    Interval.SECOND: timedelta(seconds=1),
    Interval.MINUTE: timedelta(minutes=1),
    Interval.MINUTES_2: timedelta(minutes=2),
    Interval.MINUTES_5: timedelta(minutes=5),
    Interval.MINUTES_15: timedelta(minutes=15),
    Interval.MINUTES_30: timedelta(minutes=30),
    Interval.HOUR: timedelta(hours=1),
    Interval.MINUTES_90: timedelta(minutes=90),
    Interval.DAY: timedelta(days=1),
    Interval.DAYS_5: timedelta(days=5),
    Interval.WEEK: timedelta(weeks=1),
    Interval.MONTH: timedelta(days=30),
    Interval.QUARTER: timedelta(days=90),
}

_ALIASES = {"60m": Interval.HOUR, "1w": Interval.WEEK, "1M": Interval.MONTH}


def parse_interval(text: str) -> Interval:
    """Return the interval that ``text`` names; ``60m``, ``1w`` and ``1M`` are understood too.

    Raises:
        InvalidInterval: It names none.
    """
    try:
        return _ALIASES.get(text) or Interval(text)
    except ValueError:
        names = ", ".join(Interval)
        raise InvalidInterval("unknown interval", found=text, expected=f"one of {names}") from None
