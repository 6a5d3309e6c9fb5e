from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tickloom.clock import FakeClock
from tickloom.feeds.sessions import Hours, Sessions


def at(text: str) -> FakeClock:
    return FakeClock(datetime.fromisoformat(text).replace(tzinfo=UTC))


# In New York the clock is five hours behind UTC then; Monday the 19th is a holiday.
@pytest.mark.parametrize(
    ("time", "symbol", "is_open"),
    [
        ("2026-01-15T15:00", "AAPL", True),
        ("2026-01-15T10:00", "AAPL", True),  # before the bell, extended hours
        ("2026-01-15T08:00", "AAPL", False),
        ("2026-01-16T02:00", "AAPL", False),
        ("2026-01-19T15:00", "AAPL", False),
        ("2026-01-17T15:00", "AAPL", False),
        ("2026-01-15T15:00", "TSCO.L", True),
        ("2026-01-15T17:00", "TSCO.L", False),
        ("2026-01-17T15:00", "BTC-USD", True),
        ("2026-01-17T15:00", "EURUSD=X", False),
        ("2026-01-18T22:30", "EURUSD=X", True),
        ("2026-01-16T21:30", "EURUSD=X", True),
        ("2026-01-16T22:30", "EURUSD=X", False),
    ],
)
async def test_venues_are_open_in_their_own_hours(time: str, symbol: str, is_open: bool) -> None:
    sessions = Sessions(at(time))
    await sessions.prepare([symbol])

    assert sessions.is_open(symbol) is is_open


async def test_what_is_not_known_counts_as_open() -> None:
    sessions = Sessions(at("2026-01-17T15:00"), lambda mic, now: None)

    assert sessions.is_open("AAPL")
    await sessions.prepare(["AAPL", "XYZ.UNKNOWN"])
    assert sessions.is_open("AAPL")


async def test_the_time_of_the_last_close_is_told() -> None:
    sessions = Sessions(at("2026-01-17T15:00"))
    await sessions.prepare(["TSCO.L", "EURUSD=X"])

    closed_s = datetime(2026, 1, 16, 16, 30, tzinfo=UTC).timestamp()
    assert sessions.closed_at("TSCO.L") == closed_s
    assert sessions.closed_at("EURUSD=X") == datetime(2026, 1, 16, 22, tzinfo=UTC).timestamp()


async def test_hours_are_loaded_once_and_renewed_before_they_end() -> None:
    clock = at("2026-01-15T15:00")
    asked: list[str] = []

    def load(mic: str, now: datetime) -> Hours:
        asked.append(mic)
        return Hours([], [], now.replace(month=now.month + 1))

    sessions = Sessions(clock, load)
    assert await sessions.prepare(["AAPL", "MSFT"])
    assert not await sessions.prepare(["AAPL"])
    assert asked == ["XNYS"]

    await clock.advance(25 * 86_400)
    assert await sessions.prepare(["AAPL"])
