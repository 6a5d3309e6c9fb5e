"""Bars of a day, by the venue's hours and the session's own prices."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from barroom import START, BarRoom, shown
from stream.hearing import hear
from tickloom.model import MarketState


def session(begin: str, high: str, low: str) -> dict[str, Decimal]:
    return {"open_price": Decimal(begin), "high_price": Decimal(high), "low_price": Decimal(low)}


async def test_a_value_of_a_whole_day_makes_a_closed_day_and_nothing_shorter() -> None:
    room = BarRoom(is_daily=lambda quote: quote.provider == "daily")
    _, outlet = room.client("AAPL", channels=("bars.1m", "bars.1d"))
    await room.until(40_000)
    room.tick(21_600, "12", 5_000, provider="daily", **session("9", "14", "8"))
    [bar] = hear(room, outlet)

    assert (bar["interval"], bar["state"], bar["volume"]) == ("1d", "closed", 5_000)
    assert shown([bar]) == [("05:00:00", "closed", "9 14 8 12")]
    assert "partial" not in bar


async def test_a_day_takes_the_prices_of_the_session_where_the_provider_tells_them() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1d",))
    stale = session("999", "999", "999")
    room.tick(0, "10", 70, market_state=MarketState.PRE, **stale)
    partial = hear(room, outlet)[-1]
    told = session("9", "14", "8")
    room.tick(1, "11", 5_000, market_state=MarketState.REGULAR, **told)
    await room.until(2)
    whole = hear(room, outlet)[-1]

    assert partial["partial"]
    assert shown([partial]) == [("05:00:00", "forming", "10 10 10 10")]
    assert shown([whole]) == [("05:00:00", "forming", "9 14 8 11")]
    assert "partial" not in whole
    assert whole["volume"] == 5_000


async def test_a_day_is_that_of_the_venue() -> None:
    days: list[datetime] = []

    def day_of(symbol: str, moment: datetime) -> tuple[datetime, datetime]:
        days.append(moment)
        return START - timedelta(hours=1), START + timedelta(minutes=2)

    room = BarRoom(day_of=day_of)
    _, outlet = room.client("AAPL", channels=("bars.1d",))
    await room.at(1)
    await room.at(2)
    await room.until(121)

    assert [one[:2] for one in shown(hear(room, outlet))] == [
        ("14:00:00", "forming"),
        ("14:00:00", "forming"),
        ("14:00:00", "closed"),
    ]
    assert len(days) == 1


async def test_the_value_of_a_whole_day_is_there_for_those_who_come_later() -> None:
    room = BarRoom(is_daily=lambda _: True)
    await room.until(40_000)
    room.tick(21_600, "12", 5_000, **session("9", "14", "8"))
    connection, outlet = room.client("AAPL", channels=("bars.1d",))
    room.bars.bring(connection, "AAPL", "bars.1d")
    room.tick(21_600, "12", 5_000, **session("9", "14", "8"))

    assert shown(hear(room, outlet)) == [("05:00:00", "closed", "9 14 8 12")]
