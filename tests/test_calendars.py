"""Sessions of venues by day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tickloom.calendars import Calendars, Sessions, load_sessions
from tickloom.model import VENUES


@pytest.mark.parametrize(
    ("symbol", "day", "expected"),
    [
        ("AAPL", date(2026, 1, 2), True),
        ("AAPL", date(2026, 1, 3), False),
        ("AAPL", date(2026, 1, 19), False),  # Martin Luther King's day
        ("AAPL", date(1992, 7, 3), False),  # the 4th was a Saturday
        ("AAPL", date(1950, 1, 7), True),  # Saturdays were sessions then
        ("TSCO.L", date(2026, 1, 19), True),
        ("TSCO.L", date(2026, 4, 6), False),  # Easter Monday
        ("ADS.DE", date(2025, 12, 31), False),
        ("RELIANCE.NS", date(2026, 11, 8), True),  # a Sunday that may be one
        ("EURUSD=X", date(2026, 1, 4), False),
        ("EURUSD=X", date(2026, 1, 19), True),
        ("BTC-USD", date(2026, 1, 4), True),
        ("SIM.ACME", date(2026, 1, 4), True),
    ],
)
async def test_holidays_and_weekends_are_known(symbol: str, day: date, expected: bool) -> None:
    calendars = Calendars()
    calendar = await calendars.get(symbol, day, day)

    assert calendar.is_session(day) is expected
    assert calendars.is_session(symbol, day) is expected


async def test_the_begin_of_a_session_is_told() -> None:
    calendar = await Calendars().get("AAPL", date(2026, 7, 1), date(2026, 7, 6))

    assert calendar.open_of(date(2026, 7, 2)) == datetime(2026, 7, 2, 13, 30, tzinfo=UTC)
    assert calendar.open_of(date(2026, 7, 4)) is None


async def test_days_before_the_calendar_begins_all_count() -> None:
    calendar = await Calendars().get("7203.T", date(1985, 1, 1), date(1999, 12, 31))

    assert calendar.is_session(date(1985, 1, 1))
    assert not calendar.is_session(date(1998, 1, 1))


async def test_fifty_years_are_loaded_once_and_few_venues_are_kept() -> None:
    asked: list[tuple[str, int]] = []

    def load(mic: str, first: date, _last: date) -> Sessions:
        asked.append((mic, first.year))
        return Sessions(first, first, [], [], [])

    calendars = Calendars(load)
    for _ in range(2):
        await calendars.get("AAPL", date(1800, 1, 1), date(2001, 1, 1))
    assert asked == [("XNYS", 1950), ("XNYS", 2000)]

    for venue in VENUES:
        await calendars.get(f"ABC{venue.suffix}", date(1950, 1, 1), date(2001, 1, 1))
    assert len(calendars._kept) == 48


async def test_a_venue_without_a_calendar_has_a_session_each_day() -> None:
    calendars = Calendars(lambda mic, first, last: None)
    calendar = await calendars.get("AAPL", date(2026, 1, 1), date(2026, 1, 31))

    assert calendar.is_session(date(2026, 1, 3))
    assert load_sessions("NONE", date(2026, 1, 1), date(2026, 1, 31)) is None
