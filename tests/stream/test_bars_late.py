"""Ticks that come late, too late, ahead of time, or of no time that can be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from barroom import BarRoom, shown
from scripted import make_quote
from stream.hearing import hear


async def test_a_late_tick_corrects_a_closed_bar() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(61, "11")
    hear(room, outlet)
    room.tick(50, "14")
    await room.until(62)

    assert shown(hear(room, outlet)) == [("15:00:00", "corrected", "10 14 10 14")]


async def test_a_tick_in_time_after_the_clock_closed_its_bar_corrects_it() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.until(61)
    room.tick(59, "8")

    assert [one[1] for one in shown(hear(room, outlet))] == ["forming", "closed", "corrected"]


async def test_a_late_tick_of_a_silent_interval_makes_a_closed_bar_of_its_own() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(125, "11")
    hear(room, outlet)
    room.tick(70, "12")
    await room.until(126)

    assert shown(hear(room, outlet)) == [("15:01:00", "closed", "12 12 12 12")]


async def test_a_tick_that_is_far_too_late_is_counted_and_left_out() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(180.5)
    hear(room, outlet)
    room.tick(30, "99")
    await room.until(182)

    assert shown(hear(room, outlet)) == []
    assert room.bars.stats()["left_out"] == {"late": 1}


async def test_a_tick_from_the_future_is_counted_and_left_out() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    room.tick(3_600)
    await room.at(20, "11")

    assert [one[2] for one in shown(hear(room, outlet))] == ["10 10 10 10", "10 11 10 11"]
    assert room.bars.stats()["left_out"] == {"ahead": 1}


async def test_an_older_tick_that_is_not_too_late_changes_neither_close_nor_open_wrongly() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(30, "11")
    room.tick(20, "12")
    room.tick(5, "13")
    await room.until(31)

    assert shown(hear(room, outlet))[-1] == ("15:00:00", "forming", "13 13 10 11")


async def test_delayed_values_keep_their_time_and_close_as_much_later() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.until(910)
    room.tick(10)
    await room.until(960)
    before = shown(hear(room, outlet))
    await room.until(961)

    assert before == [("15:00:00", "forming", "10 10 10 10")]
    assert shown(hear(room, outlet)) == [("15:00:00", "closed", "10 10 10 10")]


async def test_a_fresh_tick_after_a_stale_one_lets_the_bar_close_in_time() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1h",))
    await room.until(1_000)
    room.tick(10)
    await room.at(1_800, "11")
    await room.until(3_601)

    assert shown(hear(room, outlet))[-1] == ("15:00:00", "closed", "10 11 10 11")


@pytest.mark.parametrize("moment", [datetime.min, datetime.max, datetime(1969, 12, 31)])  # noqa: DTZ001, DTZ901 - made aware below
async def test_a_time_that_cannot_be_is_left_out(moment: datetime) -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1d",))
    quote = make_quote(timestamp=moment.replace(tzinfo=UTC))
    room.hub.publish(room.hub.number(quote))
    room.hub.publish(room.hub.number(quote))

    assert shown(hear(room, outlet)) == []
    assert sum(room.bars.stats()["left_out"].values()) == 2
