"""Which bars a client is told, with which numbers, and how often."""

from __future__ import annotations

import pytest

from barroom import BarRoom, shown
from stream.hearing import hear


@pytest.mark.parametrize("channel", ["bars.1s", "bars.1m", "bars.5m", "bars.1h", "bars.1d"])
async def test_numbers_have_no_holes_and_go_on_after_nobody_wanted_bars(channel: str) -> None:
    room = BarRoom()
    seen = []
    for begin in (0, 100):
        connection, outlet = room.client("AAPL", channels=(channel,))
        for number in range(20):
            await room.at(begin + number, str(number + 1))
        seen += [one["sequence"] for one in hear(room, outlet)]
        room.hub.detach(connection)
        assert room.bars.stats()["series"] == 0

    assert seen == list(range(1, len(seen) + 1))


async def test_many_ticks_are_told_four_times_a_second() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1h",))
    for number in range(100):
        await room.at(number / 100, str(number + 1))
    await room.until(2)
    bars = hear(room, outlet)

    assert len(bars) <= 6
    assert (bars[-1]["close"], bars[-1]["ticks"]) == (100, 100)


async def test_only_what_somebody_wants_is_built() -> None:
    room = BarRoom()
    first, _ = room.client("AAPL", channels=("bars.1m", "bars.1h"))
    second, _ = room.client("*", channels=("bars.1m",))
    for symbol in ("AAPL", "MSFT"):
        room.tick(1, symbol=symbol)
    both = room.bars.stats()["series"]
    room.hub.detach(first)
    one_each = room.bars.stats()["series"]
    room.hub.detach(second)
    room.tick(2)

    assert (both, one_each) == (3, 2)
    assert room.bars.stats()["series"] == room.bars.stats()["bars_held"] == 0


async def test_nothing_is_left_to_be_done_for_bars_that_nobody_wants() -> None:
    room = BarRoom()
    connection, outlet = room.client("AAPL", channels=("bars.1s", "bars.1d"))
    room.tick(0.5)
    room.tick(0.6, "11")
    room.hub.detach(connection)
    hear(room, outlet)
    await room.until(100_000)

    assert hear(room, outlet) == []
    assert room.bars.stats()["symbols"] == 0


async def test_a_bar_begins_with_the_ticks_that_others_were_streaming() -> None:
    room = BarRoom()
    room.client("AAPL", channels=("quotes",))
    await room.at(50, "8", 70)
    await room.at(61, "9", 80)
    await room.at(65, "7", 85)
    connection, outlet = room.client("AAPL")
    room.bars.bring(connection, "AAPL", "bars.1m")
    [bar] = hear(room, outlet)

    assert shown([bar]) == [("15:01:00", "forming", "9 9 7 7")]
    assert (bar["ticks"], bar["volume"]) == (2, 15)
    assert "partial" not in bar


async def test_a_new_client_gets_the_forming_bar_at_once_and_no_number_twice() -> None:
    room = BarRoom()
    _, first = room.client("AAPL")
    await room.at(10, "10")
    await room.at(61, "11")
    room.tick(50, "15")
    await room.until(62)
    connection, outlet = room.client("AAPL")
    room.bars.bring(connection, "AAPL", "bars.1m")
    snapshot = hear(room, outlet)
    await room.at(70, "12")
    sequences = [one["sequence"] for one in snapshot + hear(room, outlet)]

    assert shown(snapshot) == [("15:01:00", "forming", "11 11 11 11")]
    assert sequences == [sequences[0], sequences[0] + 1]
    assert [one["sequence"] for one in hear(room, first)] == list(range(1, sequences[-1] + 1))


async def test_a_slow_client_is_told_which_channel_has_a_gap() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("quotes", "bars.1s"), max_bytes=4_096)
    outlet.writable = False
    for number in range(100):
        await room.at(number, str(number + 1))
    room.hub.flush()
    outlet.drain()
    messages = outlet.messages()
    bars = [one for one in messages if one["type"] == "bar" or one.get("channel") == "bars.1s"]

    assert bars[0]["type"] == "gap"
    assert bars[0]["last_sequence"] == bars[0]["dropped"] == bars[1]["sequence"] - 1
    assert bars[-1]["close"] == 100


async def test_an_interval_holds_forming_bars_back_and_never_a_closed_one() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", interval_s=10.0, clock=room.clock)
    for at_s in (1, 2, 3, 58, 59, 61):
        await room.at(at_s, str(at_s))
    await room.until(200)
    bars = hear(room, outlet)
    seen = 0
    for one in bars:
        seen += 1 + one.get("skipped", 0)
        assert one["sequence"] == seen

    assert [one[1] for one in shown(bars)].count("closed") == 2
    assert shown(bars)[-2][0] == shown(bars)[-1][0] == "15:01:00"
