"""On which days venues have sessions, and when these begin and end.

The knowledge is that of ``exchange_calendars``. Importing it and making a calendar takes up to a
second, so that is done in a thread; fifty years of a venue are loaded at a time, none before 1950,
and only plain numbers are kept. What is not known counts as a session: a question too many is the
smaller mistake.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from loguru import logger
from msgspec import Struct

from tickloom.model import venue_mic

FX_MIC = "24/5"
"""The code by which :func:`tickloom.model.venue_mic` names the market of currencies."""

# Of venues that keep the hours of a larger one of their country.
_CALENDARS = {"XTSX": "XTSE", "XSHE": "XSHG", "XKOS": "XKRX", "XNSE": "XBOM"}
# India has special sessions on weekends, which the calendar lists in part only.
_ANY_WEEKEND = {"XBOM", "XNSE"}
# Until then some venues opened on Saturdays, which the calendars do not list.
_FIVE_DAYS_SINCE = 2000
_SATURDAY = 5
# Loading one year takes as long as loading fifty.
_YEARS = 50
_EARLIEST_YEAR = 1950
# Of 12,600 sessions and 300 KiB each.
_MOST_KEPT = 48


class Sessions(Struct, frozen=True):
    """The sessions of a venue in a range of days.

    Attributes:
        first: The first day of which it is known whether it is one.
        last: The last such day, inclusive.
        days: Those with a session, as ordinals, in order.
        opens: Begin of each, epoch seconds.
        closes: End of each, epoch seconds.
    """

    first: date
    last: date
    days: Sequence[int]
    opens: Sequence[float]
    closes: Sequence[float]


Load = Callable[[str, date, date], Sessions | None]


class Calendar:
    """What is known of one symbol's venue.

    Args:
        mic: Market identifier code; ``None`` = not known.
        parts: Sessions by the first year of those that they cover.
    """

    def __init__(self, mic: str | None, parts: Mapping[int, Sessions | None]) -> None:
        self._mic = mic
        self._parts = parts

    def is_session(self, day: date) -> bool:
        """False where the venue is known to be closed on ``day``."""
        is_weekend = day.weekday() >= _SATURDAY
        if self._mic == FX_MIC:
            return not is_weekend
        may_be_special = day.year < _FIVE_DAYS_SINCE or self._mic in _ANY_WEEKEND
        if self._mic is None or (is_weekend and may_be_special):
            return True
        sessions = self._known(day)
        return sessions is None or _place(sessions, day) is not None

    def open_of(self, day: date) -> datetime | None:
        """Return when the session of ``day`` begins, aware UTC; ``None`` = none, or not known."""
        sessions = self._known(day)
        place = None if sessions is None else _place(sessions, day)
        if sessions is None or place is None:
            return None
        return datetime.fromtimestamp(sessions.opens[place], UTC)

    def _known(self, day: date) -> Sessions | None:
        sessions = self._parts.get(_part_of(day))
        known = sessions is not None and sessions.first <= day <= sessions.last
        return sessions if known else None


class Calendars:
    """The calendars of all venues that were asked about; the least used ones are forgotten.

    Args:
        load: Returns the sessions of a code between two days, in a thread; ``None`` where none
            are known.
    """

    def __init__(self, load: Load | None = None) -> None:
        self._load = load or load_sessions
        self._kept: OrderedDict[tuple[str, int], Sessions | None] = OrderedDict()
        self._loading = asyncio.Lock()

    async def get(self, symbol: str, first: date, last: date) -> Calendar:
        """Return what is known of the days of a canonical symbol's venue; loads what is missing."""
        mic = venue_mic(symbol)
        if mic is None or mic == FX_MIC:
            return Calendar(mic, {})
        wanted = range(max(_part_of(first), _EARLIEST_YEAR), _part_of(last) + 1, _YEARS)
        if not all((mic, year) in self._kept for year in wanted):
            # One after the other: each would only slow the others down.
            async with self._loading:
                for year in wanted:
                    if (mic, year) not in self._kept:
                        begin, end = date(year, 1, 1), date(year + _YEARS - 1, 12, 31)
                        self._kept[mic, year] = await asyncio.to_thread(self._load, mic, begin, end)
        parts = {year: self._kept.get((mic, year)) for year in wanted}
        for year in wanted:
            if (mic, year) in self._kept:
                self._kept.move_to_end((mic, year))
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return Calendar(mic, parts)

    def is_session(self, symbol: str, day: date) -> bool:
        """As :meth:`Calendar.is_session`, by what is loaded already."""
        mic = venue_mic(symbol)
        year = _part_of(day)
        return Calendar(mic, {year: self._kept.get((mic or "", year))}).is_session(day)


def load_sessions(mic: str, first: date, last: date) -> Sessions | None:
    """Return the sessions between two days as far as they are known; blocks for up to a second.

    ``None`` = nothing is known of these days.
    """
    # The import takes most of the time, and many servers never need it.
    import exchange_calendars  # noqa: PLC0415

    name = _CALENDARS.get(mic, mic)
    try:
        usual = exchange_calendars.get_calendar(name)
        first = _later(first, usual.bound_min())
        last = _earlier(last, usual.bound_max())
        if first > last:
            return None
        found = exchange_calendars.get_calendar(name, start=str(first), end=str(last))
    except Exception as error:  # noqa: BLE001 - a venue without a calendar counts as open
        logger.info("the sessions of {} are not known, every day counts as one: {}", mic, error)
        return None
    return Sessions(
        first,
        last,
        array("l", (time.toordinal() for time in found.sessions)),
        array("d", (time.timestamp() for time in found.opens.dt.to_pydatetime())),
        array("d", (time.timestamp() for time in found.closes.dt.to_pydatetime())),
    )


def _later(day: date, bound: Any) -> date:
    return day if bound is None else max(day, bound.date())


def _earlier(day: date, bound: Any) -> date:
    return day if bound is None else min(day, bound.date())


def _part_of(day: date) -> int:
    return day.year - day.year % _YEARS


def _place(sessions: Sessions, day: date) -> int | None:
    place = bisect_left(sessions.days, day.toordinal())
    found = place < len(sessions.days) and sessions.days[place] == day.toordinal()
    return place if found else None
