"""After a cut or a restart nothing comes twice, and what is missing is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from client.listening import events_until, numbers_of
from client.servers import QuickClock, accept, say, served, tick, until, url_of
from tickloom.client import Client, Connected, Disconnected, Gap, ResumePoint, Tick
from tickloom.errors import RequestError

pytestmark = pytest.mark.usefixtures("no_task_is_left")


async def test_after_a_restart_it_goes_on_behind_the_last_price_of_every_symbol() -> None:
    requests: list[dict[str, Any]] = []

    async def handler(socket: ServerConnection) -> None:
        first = len(requests) * 2 + 1
        requests.append(await accept(socket, tick(first), tick(first, "SIM.X"), tick(first + 1)))
        if len(requests) == 1:
            await socket.close(1012)
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A", "SIM.*"]) as ticks:
        told: list[Any] = []
        ticks.on_connection = told.append
        found = [(one.symbol, one.sequence) for one in [await anext(ticks) for _ in range(6)]]

    assert found == [("A", 1), ("SIM.X", 1), ("A", 2), ("A", 3), ("SIM.X", 3), ("A", 4)]
    assert sorted(requests[0]["symbols"]) == ["A"]
    last = {"A": {"epoch": "e1", "sequence": 2}, "SIM.X": {"epoch": "e1", "sequence": 1}}
    assert requests[1]["resume"] == {"A": last["A"]}
    assert [type(one) for one in told] == [Connected, Disconnected, Connected]
    assert (told[1].code, told[1].reason) == (1012, "closed with 1012")
    assert (told[0].number, told[2].number) == (1, 2)


async def test_a_pattern_resumes_the_symbols_that_came_through_it() -> None:
    requests: list[dict[str, Any]] = []

    async def handler(socket: ServerConnection) -> None:
        requests.append(await accept(socket, tick(len(requests) + 5, "SIM.X")))
        if len(requests) == 1:
            socket.transport.abort()
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["SIM.*"]) as ticks:
        assert await numbers_of(ticks, 2) == [5, 6]

    assert requests[1]["resume"] == {"SIM.X": {"epoch": "e1", "sequence": 5}}


async def test_a_price_that_comes_again_is_left_out() -> None:
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await accept(socket, tick(1), tick(2), tick(2), tick(1), tick(3))
        if connections == 1:
            await socket.close(1012)
        await say(socket, tick(4))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        assert await numbers_of(ticks, 4) == [1, 2, 3, 4]
        assert (ticks.received, ticks.missed) == (4, 0)
        assert client.stats() == {
            "connections": 1,
            "attempts": 2,
            "duplicates": 7,
            "unreadable": 0,
        }


async def test_a_hole_is_told_before_the_price_that_follows_it() -> None:
    async def handler(socket: ServerConnection) -> None:
        gap = {"type": "gap", "symbol": "A", "dropped": 2, "last_sequence": 9}
        await accept(socket, tick(1), tick(4), tick(6, skipped=1), gap, tick(10), tick(11))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        story: list[Any] = []
        ticks.on_gap = lambda gap: story.append((gap.cause, gap.dropped, gap.last_sequence))
        async for one in ticks:
            story.append(one.sequence)
            if one.sequence == 11:
                break

    hole, told, rest = ("hole", 2, 3), ("server", 2, 9), ("hole", 1, 9)
    assert story == [1, hole, 4, 6, told, rest, 10, 11]
    assert (ticks.missed, ticks.skipped) == (5, 1)


async def test_numbers_that_begin_anew_are_told_where_the_server_says_nothing() -> None:
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await accept(socket, tick(1, epoch=f"e{connections}"), epoch=f"e{connections}")
        if connections == 1:
            socket.transport.abort()
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        gaps: list[Gap] = []
        ticks.on_gap = gaps.append
        assert await numbers_of(ticks, 2) == [1, 1]

    assert [(gap.cause, gap.dropped) for gap in gaps] == [("restart", 0)]


def bar(sequence: int, interval: str = "1m", **more: Any) -> dict[str, Any]:
    prices = dict.fromkeys(("open", "high", "low", "close"), 1.1)
    return {
        "type": "bar",
        "symbol": "A",
        "interval": interval,
        "timestamp": "2026-01-02T15:00:00Z",
        "state": "forming",
        "ticks": 1,
        "epoch": "e1",
        "sequence": sequence,
        **prices,
        **more,
    }


async def test_bars_are_told_once_each_with_what_is_missing_of_their_interval() -> None:
    async def handler(socket: ServerConnection) -> None:
        gap = {
            "type": "gap", "symbol": "A", "dropped": 1, "last_sequence": 5, "channel": "bars.1m"
        }  # fmt: skip
        bars = (bar(1), bar(1), bar(1, "1h"), bar(4, skipped=1), gap, bar(6), tick(1))
        await accept(socket, *bars)
        await socket.wait_closed()

    async with (
        served(handler) as client,
        client.stream(["A"], channels=["quotes", "bars.1m", "bars.1h"]) as ticks,
    ):
        story: list[Any] = []
        ticks.on_bar = lambda one: story.append((one.interval, one.sequence))
        ticks.on_gap = lambda gap: story.append((gap.channel, gap.cause, gap.dropped))
        await anext(ticks)

    assert story == [
        ("1m", 1),
        ("1h", 1),
        ("bars.1m", "hole", 1),
        ("1m", 4),
        ("bars.1m", "server", 1),
        ("1m", 6),
    ]
    assert ticks.missed == 0


async def test_a_later_process_goes_on_where_an_earlier_one_ended() -> None:
    requests: list[dict[str, Any]] = []

    async def handler(socket: ServerConnection) -> None:
        requests.append(await accept(socket, tick(3), tick(4), tick(5)))
        await socket.wait_closed()

    async with served(handler) as client:
        async with client.stream(["A"]) as ticks:
            assert await numbers_of(ticks, 2) == [3, 4]
            positions = ticks.positions
        assert positions == {"A": ResumePoint(epoch="e1", sequence=4)}
        async with client.stream(["A"], resume=positions) as ticks:
            assert await numbers_of(ticks, 1) == [5]

    assert requests[1]["resume"] == {"A": {"epoch": "e1", "sequence": 4}}


async def test_the_stored_past_comes_first_and_is_asked_for_once() -> None:
    requests: list[dict[str, Any]] = []

    async def handler(socket: ServerConnection) -> None:
        old = (tick(7, stored=True, epoch="e0"), tick(4, stored=True), tick(9, stored=True))
        first = not requests
        requests.append(await accept(socket, *(old if first else ()), tick(11), tick(12)))
        if first:
            await socket.close(1012)
        await say(socket, tick(13))
        await socket.wait_closed()

    begin = datetime(2026, 1, 2, tzinfo=UTC)
    async with served(handler) as client, client.stream(["A"], since=begin) as ticks:
        found = [await anext(ticks) for _ in range(6)]

    assert [one.sequence for one in found] == [7, 4, 9, 11, 12, 13]
    assert [one.stored for one in found] == [True] * 3 + [False] * 3
    assert [one["since"] for one in requests] == ["2026-01-02T00:00:00Z", None]
    assert ticks.missed == 0


def test_since_needs_a_time_zone() -> None:
    with pytest.raises(RequestError, match="since has no time zone"):
        Client().stream(["A"], since=datetime(2026, 1, 2))  # noqa: DTZ001 - that is the mistake


async def test_pauses_do_not_hold_up_the_end() -> None:
    async with (
        serve(_leave, "127.0.0.1", 0) as server,
        Client(url_of(server)) as client,
        client.stream(["A"]) as ticks,
    ):
        await events_until(ticks, Disconnected)
        async with asyncio.timeout(1):
            await ticks.aclose()


async def _leave(socket: ServerConnection) -> None:
    await accept(socket)


async def test_a_clock_that_is_passed_in_counts_the_pauses() -> None:
    clock = QuickClock()
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await accept(socket)

    async with served(handler, clock) as client, client.stream(["A"]) as ticks:
        taking = asyncio.create_task(events_until(ticks, Tick))
        await until(lambda: len(clock.pauses) >= 9)
        taking.cancel()
    for number, pause_s in enumerate(clock.pauses[:9], 1):
        longest = min(30.0, 0.5 * 2**number)
        assert longest / 2 <= pause_s <= longest
    assert len(set(clock.pauses[:9])) == 9
