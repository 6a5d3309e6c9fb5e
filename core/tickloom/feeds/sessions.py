"""When venues are open, so that nobody polls a closed market or calls it stale.

Sessions come from :mod:`tickloom.calendars`; loading them takes up to a second, so that is done in
a thread, and only plain times are kept: asking costs a bisection.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from tickloom.calendars import FX_MIC, load_sessions
from tickloom.clock import Clock
from tickloom.model import venue_mic

_PAST = timedelta(days=12)
_AHEAD = timedelta(days=30)
_RENEW = timedelta(days=7)
# New York trades from 4:00 to 20:00, around a session from 9:30 to 16:00.
_EXTENDED_S = {"XNYS": (5.5 * 3600, 4 * 3600.0)}
_FX_ZONE = "America/New_York"
_FX_TURN_HOUR = 17
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6


class Hours(Struct, frozen=True):
    """The sessions of a venue, as epoch seconds in order; ``until`` ends what is known."""

    opens: list[float]
    closes: list[float]
    until: datetime


class Sessions:
    """Tells whether a symbol's venue is open.

    What is not known counts as open: asking too often is the smaller mistake.

    Args:
        clock: The wall clock.
        load: Makes the hours of a market identifier code, in a thread; ``None`` where there are
            none.
    """

    def __init__(
        self, clock: Clock, load: Callable[[str, datetime], Hours | None] | None = None
    ) -> None:
        self._clock = clock
        self._load = load or load_hours
        self._hours: dict[str, Hours | None] = {}

    async def prepare(self, symbols: Collection[str]) -> bool:
        """Load the hours of the venues of ``symbols``; return whether any were missing."""
        now = self._clock.now()
        missing = {mic for mic in map(venue_mic, symbols) if mic and self._is_missing(mic, now)}
        for mic in sorted(missing):
            self._hours[mic] = await asyncio.to_thread(self._load, mic, now)
        return bool(missing)

    def _is_missing(self, mic: str, now: datetime) -> bool:
        if mic == FX_MIC:
            return False
        if mic not in self._hours:
            return True
        hours = self._hours[mic]
        return hours is not None and now > hours.until - _RENEW

    def is_open(self, symbol: str) -> bool:
        """True where the symbol's venue trades now, extended hours included."""
        return self.closed_at(symbol) is None

    def closed_at(self, symbol: str) -> float | None:
        """Return the epoch second at which the venue closed, ``None`` while it is open."""
        mic = venue_mic(symbol)
        now = self._clock.now()
        if mic == FX_MIC:
            return _currencies_closed_at(now)
        hours = self._hours.get(mic) if mic is not None else None
        if hours is None or not hours.opens:
            return None
        number = bisect_right(hours.opens, now.timestamp()) - 1
        if number < 0 or now.timestamp() < hours.closes[number]:
            return None
        return hours.closes[number]


def _currencies_closed_at(now: datetime) -> float | None:
    # Currencies rest from Friday to Sunday, 17:00 in New York.
    there = now.astimezone(ZoneInfo(_FX_ZONE))
    day, late = there.weekday(), there.hour >= _FX_TURN_HOUR
    closed = day == _SATURDAY or (day == _FRIDAY and late) or (day == _SUNDAY and not late)
    if not closed:
        return None
    friday = there - timedelta(days=(day - _FRIDAY) % 7)
    return friday.replace(hour=_FX_TURN_HOUR, minute=0, second=0, microsecond=0).timestamp()


def load_hours(mic: str, now: datetime) -> Hours | None:
    """Return the hours of a venue around ``now``; blocks for up to a second."""
    known = load_sessions(mic, (now - _PAST).date(), (now + _AHEAD).date())
    if known is None:
        return None
    before_s, after_s = _EXTENDED_S.get(mic, (0.0, 0.0))
    return Hours(
        [open_s - before_s for open_s in known.opens],
        [close_s + after_s for close_s in known.closes],
        now + _AHEAD,
    )
