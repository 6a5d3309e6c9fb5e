"""What was traded within a bar."""

from __future__ import annotations

from barroom import BarRoom
from stream.hearing import hear
from tickloom.model import MarketState


async def test_a_trade_that_is_told_again_counts_once() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10", 100)
    await room.at(11, "10", 105)
    for _ in range(5):
        room.tick(10, "10", 100)
        room.tick(11, "10", 105, bid=room.tick(11, "10", 105).current_price)
    await room.until(12)
    last = hear(room, outlet)[-1]

    assert (last["ticks"], last["volume"]) == (2, 5)
    assert room.bars.stats()["left_out"] == {"repeated": 15}


async def test_volume_is_what_was_traded_since_the_bar_before() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    for at_s, volume in ((10, 1_000), (20, 1_010), (61, 1_025), (70, 1_030), (130, 1_100)):
        await room.at(at_s, volume=volume, last_size=77)
    await room.until(200)
    closed = [one for one in hear(room, outlet) if one["state"] == "closed"]

    assert [one["volume"] for one in closed] == [10, 20, 70]


async def test_without_a_volume_a_bar_has_none() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, last_size=5)

    assert "volume" not in hear(room, outlet)[-1]


async def test_a_late_tick_moves_volume_from_the_bar_after_it_into_its_own() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=100)
    await room.at(61, volume=150)
    await room.at(121, volume=160)
    hear(room, outlet)
    room.tick(50, volume=130)
    await room.until(122)
    corrected = hear(room, outlet)

    assert [(one["timestamp"][11:16], one["state"], one["volume"]) for one in corrected] == [
        ("15:00", "corrected", 30),
        ("15:01", "corrected", 20),
    ]


async def test_a_new_day_counts_its_volume_from_nothing() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=1_000_000)
    await room.at(86_400, volume=300)
    await room.at(86_410, volume=450)
    await room.until(86_461)

    assert hear(room, outlet)[-1]["volume"] == 450


async def test_the_day_before_that_is_still_told_before_the_opening_is_not_traded_again() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=1_000)
    await room.at(80_000, volume=1_000, market_state=MarketState.PRE)
    await room.at(86_400, volume=40, market_state=MarketState.REGULAR)
    await room.until(86_461)
    closed = [one["volume"] for one in hear(room, outlet) if one["state"] == "closed"]

    assert closed == [0, 0, 40]


async def test_volumes_of_two_providers_are_not_mixed() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=1_000_000)
    await room.at(65, volume=3_000, provider="other")
    await room.at(70, volume=3_100, provider="other")
    await room.at(80, volume=1_000_500)
    await room.until(121)

    assert hear(room, outlet)[-1]["volume"] == 600
