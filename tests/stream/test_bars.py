"""Bars while they are built: what goes into them, and when they close."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from barroom import START, BarRoom, shown
from stream.hearing import hear


async def test_a_bar_forms_and_is_closed_by_the_clock_after_a_grace() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(20, "12")
    await room.at(30, "9")
    await room.until(60)
    before = shown(hear(room, outlet))
    await room.until(60.6)

    assert before == [
        ("15:00:00", "forming", "10 10 10 10"),
        ("15:00:00", "forming", "10 12 10 12"),
        ("15:00:00", "forming", "10 12 9 9"),
    ]
    assert shown(hear(room, outlet)) == [("15:00:00", "closed", "10 12 9 9")]


async def test_the_first_tick_of_a_later_interval_closes_the_bar_at_once() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(60.1, "11")

    assert shown(hear(room, outlet))[1:] == [
        ("15:00:00", "closed", "10 10 10 10"),
        ("15:01:00", "forming", "11 11 11 11"),
    ]


async def test_silence_makes_no_bars() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(600)
    await room.until(1_000)

    assert [one[:2] for one in shown(hear(room, outlet))] == [
        ("15:00:00", "forming"),
        ("15:00:00", "closed"),
        ("15:10:00", "forming"),
        ("15:10:00", "closed"),
    ]


async def test_prices_of_two_currencies_are_not_mixed() -> None:
    room = BarRoom()
    _, outlet = room.client("TSCO.L")
    await room.at(10, "281.5", symbol="TSCO.L", currency="GBp")
    await room.at(12, "2.815", symbol="TSCO.L", currency="GBP")
    await room.until(61)
    last = hear(room, outlet)[-1]

    assert (last["low"], last["currency"]) == (281.5, "GBp")
    assert room.bars.stats()["left_out"] == {"other_currency": 1}


async def test_prices_keep_every_digit() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    room.tick(0, "0.1000000000000000000001")
    room.hub.flush()

    assert b'"close":0.1000000000000000000001' in b"".join(outlet.writes)


async def test_a_bar_whose_begin_was_not_watched_is_partial_and_the_next_is_whole() -> None:
    room = BarRoom()
    room.tick(5)
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(61)
    bars = hear(room, outlet)

    assert [one.get("partial", False) for one in bars] == [True, True, False]


async def test_closing_leaves_no_timer_behind() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    room.tick(1)
    room.tick(2, "11")
    room.bars.close()
    room.bars.close()
    hear(room, outlet)
    await room.until(1_000)

    assert hear(room, outlet) == []


async def test_ticks_of_another_replica_make_bars_too() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    quote = room.tick(1)
    room.hub.relay(replace(quote, timestamp=START, current_price=Decimal(9)), "elsewhere")
    await room.until(1)

    assert shown(hear(room, outlet))[-1] == ("15:00:00", "forming", "9 10 9 10")
