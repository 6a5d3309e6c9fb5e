"""Live prices from servers that cut, restart, repeat, lie, flood and send garbage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from client.servers import WELCOME, QuickClock, accept, grant, say, served, tick, until, url_of
from tickloom.client import (
    Client,
    Connected,
    Disconnected,
    Failure,
    Gap,
    PartialQuote,
    ResumePoint,
    Stream,
    Tick,
    Unknown,
)
from tickloom.client.asking import Asking, Options
from tickloom.client.messages import Reader
from tickloom.errors import InvalidSymbol, NotFound, RequestError
from tickloom.model import Quote, encode_json, encode_msgpack
from tickloom.stream.protocol import Subscribe, Unsubscribe


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    left = [task for task in asyncio.all_tasks() if task.get_name().startswith("tickloom")]
    assert left == []


async def numbers_of(stream: Stream[Tick], count: int) -> list[int]:
    found = []
    async with asyncio.timeout(10):
        async for one in stream:
            found.append(one.sequence)
            if len(found) == count:
                break
    return found


async def events_until(stream: Stream[Tick], kind: type) -> list[Any]:
    found = []
    async with asyncio.timeout(10):
        async for event in stream.events():
            found.append(event)
            if isinstance(event, kind):
                break
    return found


async def test_a_price_keeps_every_digit() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        text = json.dumps(tick(1)).replace("1.1}", "123456789012.123456789}")
        await socket.send(text)
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["a"]) as ticks:
        one = await anext(ticks)

    assert (one.symbol, one.epoch, one.sequence) == ("A", "e1", 1)
    assert one.quote.current_price == Decimal("123456789012.123456789")


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


async def test_garbage_is_told_and_the_rest_still_comes() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, tick(1))
        for frame in ("", "nonsense", b"\xff\x00", "[" * 5_000, "null", "[1,{}]", '{"type":7}'):
            await socket.send(frame)
        await say(socket, {"type": "market_data", "symbol": "A"}, tick(2))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        errors: list[Failure] = []
        ticks.on_error = errors.append
        assert await numbers_of(ticks, 2) == [1, 2]

    assert len(errors) == 9
    assert {error.code for error in errors} == {500}


async def test_a_message_of_an_unknown_type_is_an_event() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, {"type": "moon", "symbol": "A", "phase": 3}, tick(1))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        *_, unknown, _ = await events_until(ticks, Tick)

    assert isinstance(unknown, Unknown)
    assert (unknown.type, json.loads(unknown.data)["phase"]) == ("moon", 3)


async def test_arrays_of_messages_are_taken_apart() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        await socket.send(json.dumps([tick(1), tick(2), {"type": "pong"}, tick(3)]))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        assert await numbers_of(ticks, 3) == [1, 2, 3]


async def test_a_user_who_is_behind_holds_the_server_back_and_is_not_cut_off() -> None:
    sent = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal sent
        await accept(socket)
        while True:
            await say(socket, tick(sent + 1))
            sent += 1

    async with served(handler, idle_s=0.1) as client, client.stream(["A"], buffer=50) as ticks:
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.4)
        assert ticks.waiting == 50
        assert await numbers_of(ticks, 5_000) == list(range(1, 5_001))
        assert ticks.missed == 0


async def test_a_full_stream_does_not_lock_up_those_who_ask_for_more() -> None:
    requests: list[dict[str, Any]] = []
    floods: list[asyncio.Task[None]] = []

    async def handler(socket: ServerConnection) -> None:
        requests.append(await accept(socket))
        flood = asyncio.create_task(say(socket, *(tick(number) for number in range(1, 5_000))))
        floods.append(flood)
        while True:
            requests.append(json.loads(await socket.recv()))

    async with served(handler) as client, client.stream(["A"], buffer=10) as full:
        await until(lambda: full.waiting == 10)
        async with asyncio.timeout(5):
            await full.add("C")
            async with client.stream(["B"]):
                await full.remove("C")
            await until(lambda: len(requests) == 5)
    await asyncio.gather(*floods, return_exceptions=True)

    assert [(one["type"], one["symbols"]) for one in requests] == [
        ("subscribe", ["A"]),
        ("subscribe", ["C"]),
        ("subscribe", ["B"]),
        ("unsubscribe", ["C"]),
        ("unsubscribe", ["B"]),
    ]


async def test_streams_share_a_connection_and_the_last_one_gives_a_symbol_back() -> None:
    heard: list[dict[str, Any]] = []
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        heard.append(await accept(socket, tick(7)))
        async for text in socket:
            request = json.loads(text)
            heard.append(request)
            await grant(socket, request)
            if request["type"] == "subscribe":
                await say(socket, tick(8), tick(1, "B"))

    async with served(handler) as client:
        async with client.stream(["A"]) as first:
            assert await numbers_of(first, 1) == [7]
            async with client.stream(["A", "B"]) as second:
                one, two, three = [await anext(second) for _ in range(3)]
                assert [one.sequence, two.sequence, three.symbol] == [7, 8, "B"]
            assert await numbers_of(first, 1) == [8]
        await until(lambda: len(heard) == 3)

    assert connections == 1
    assert [(one["type"], one["symbols"]) for one in heard] == [
        ("subscribe", ["A"]),
        ("subscribe", ["B"]),
        ("unsubscribe", ["B"]),
    ]


async def test_streams_with_other_options_have_a_connection_of_their_own() -> None:
    requests: list[dict[str, Any]] = []

    async def handler(socket: ServerConnection) -> None:
        requests.append(await accept(socket, tick(1)))
        await socket.wait_closed()

    async with served(handler) as client:
        slow = client.stream(["A"], interval_ms=500, channels=["quotes"])
        async with client.stream(["A"]) as first, slow as second:
            assert await numbers_of(first, 1) == await numbers_of(second, 1) == [1]

    assert [one["interval_ms"] for one in requests] == [None, 500]
    assert requests[1]["channels"] == ["quotes"]


async def test_only_some_fields_are_typed_and_the_others_are_none() -> None:
    async def handler(socket: ServerConnection) -> None:
        request = await accept(socket, {**tick(1), "data": {"current_price": 1.25}})
        assert request["fields"] == ["current_price"]
        await socket.wait_closed()

    async with (
        served(handler) as client,
        client.stream(["A"], fields=["current_price"]) as ticks,
    ):
        one = await anext(ticks)

    assert one.quote == PartialQuote(current_price=Decimal("1.25"))


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


async def test_a_refused_symbol_is_told_and_the_others_come() -> None:
    async def handler(socket: ServerConnection) -> None:
        await say(socket, WELCOME)
        request = json.loads(await socket.recv())
        refused = {"symbol": "B", "code": 404, "message": "nobody serves B"}
        await grant(socket, request, rejected=[refused])
        await say(socket, tick(1))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A", "B"]) as ticks:
        errors: list[Failure] = []
        ticks.on_error = errors.append
        assert await numbers_of(ticks, 1) == [1]

    [error] = errors
    assert (error.symbol, error.code, error.message) == ("B", 404, "nobody serves B")


async def test_only_refused_symbols_end_that_stream_alone() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, tick(1))
        async for text in socket:
            request = json.loads(text)
            refused = {"symbol": "B", "code": 404, "message": "nobody serves B"}
            if request["type"] == "subscribe":
                await grant(socket, request, rejected=[refused])
            await say(socket, tick(2))

    async with served(handler) as client, client.stream(["A"]) as good:
        async with client.stream(["B"]) as bad:
            with pytest.raises(NotFound, match="none of the symbols: nobody serves B"):
                await anext(bad)
        assert await numbers_of(good, 2) == [1, 2]


async def test_a_refused_request_is_an_error_of_its_code() -> None:
    async def handler(socket: ServerConnection) -> None:
        await say(socket, WELCOME)
        request = json.loads(await socket.recv())
        await say(
            socket, {"type": "error", "code": 400, "message": "no field x", "id": request["id"]}
        )
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"], fields=["x"]) as ticks:
        with pytest.raises(RequestError, match="no field x"):
            await anext(ticks)


async def test_states_are_told_to_those_who_depend_on_them() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        request = json.loads(await socket.recv())
        await grant(socket, request)
        status = {
            "type": "status",
            "provider": "p",
            "state": "stale",
            "since": "2026-01-02T15:00:00Z",
            "symbols": ["A", "B"],
        }
        await say(socket, status, tick(1), tick(1, "B"))
        await socket.wait_closed()

    async with (
        served(handler) as client,
        client.stream(["A"]) as first,
        client.stream(["B"]) as second,
    ):
        told: list[Any] = []
        first.on_status = second.on_status = told.append
        await anext(first)
        await anext(second)

    assert [status.symbols for status in told] == [["A"], ["B"]]


async def test_an_error_in_a_callback_comes_out_of_the_iteration() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, tick(1), tick(3))
        await socket.wait_closed()

    def fail(_gap: Gap) -> None:
        raise ZeroDivisionError

    async with served(handler) as client, client.stream(["A"]) as ticks:
        ticks.on_gap = fail
        await anext(ticks)
        with pytest.raises(ZeroDivisionError):
            await anext(ticks)
        assert (await anext(ticks)).sequence == 3


async def test_closing_the_client_ends_who_iterates() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        waiting = asyncio.create_task(numbers_of(ticks, 1))
        await asyncio.sleep(0.05)
        await client.aclose()
        assert await waiting == []


async def test_a_stream_can_be_opened_right_after_the_last_one_was_closed() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, tick(1))
        await socket.wait_closed()

    async with served(handler) as client:
        first = await client.stream(["A"]).__aenter__()
        closing = asyncio.create_task(first.aclose())
        await asyncio.sleep(0)
        async with client.stream(["A"]) as second:
            assert await numbers_of(second, 1) == [1]
        await closing


async def test_messages_are_handed_on_as_they_came() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, {"type": "moon"}, tick(1), tick(1), tick(3))
        await socket.wait_closed()

    async with served(handler) as client, client.messages(["A"]) as messages:
        gaps: list[Gap] = []
        messages.on_gap = gaps.append
        found = [json.loads((await anext(messages)).data) for _ in range(5)]

    kinds = [message["type"] for message in found]
    assert kinds == ["welcome", "subscribed", "moon", "market_data", "market_data"]
    assert found[-1] == tick(3)
    assert [gap.dropped for gap in gaps] == [1]


async def test_messagepack_gives_the_same_prices() -> None:
    async def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == "/?format=msgpack"
        await socket.send(msgspec.msgpack.encode(WELCOME))
        request = json.loads(await socket.recv())
        answer = {"type": "subscribed", "symbols": ["A"], "id": request["id"]}
        await socket.send(msgspec.msgpack.encode(answer))
        await socket.send(msgspec.msgpack.encode([tick(number) for number in range(1, 41)]))
        await socket.wait_closed()

    async with served(handler, wire="msgpack") as client, client.stream(["A"]) as ticks:
        one = await anext(ticks)
        assert one.quote.current_price == Decimal("1.1")
        assert await numbers_of(ticks, 39) == list(range(2, 41))


async def test_a_stream_is_used_once_and_inside_of_its_context() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        await socket.wait_closed()

    async with served(handler) as client:
        ticks = client.stream(["A"])
        with pytest.raises(RequestError, match="was not entered"):
            await anext(ticks)
        async with ticks:
            pass
        assert [one async for one in ticks] == []
        with pytest.raises(RequestError, match="entered once"):
            await ticks.__aenter__()
    with pytest.raises(RequestError, match="the client is closed"):
        await client.stream(["A"]).__aenter__()


@pytest.mark.parametrize("symbols", [[], "AAPL"])
def test_a_stream_needs_a_list_of_symbols(symbols: Any) -> None:
    with pytest.raises(RequestError, match="no symbols were named"):
        Client().stream(symbols)


def test_what_can_be_no_symbol_is_refused_at_once() -> None:
    with pytest.raises(InvalidSymbol):
        Client().stream(["AAPL", "not a symbol"])


def test_a_partial_quote_has_the_fields_of_a_quote() -> None:
    assert PartialQuote.__struct_fields__ == Quote.__struct_fields__


@pytest.mark.parametrize("count", [1, 500, 5_000])
def test_no_request_is_longer_than_a_server_takes(count: int) -> None:
    points = {
        f"SIM.SYMBOL{number}": ResumePoint(epoch="f" * 32, sequence=10**9)
        for number in range(count)
    }
    asking = Asking(Options(fields=tuple(Quote.__struct_fields__)))
    by_name = asking.subscribe(list(points), points)
    by_pattern = asking.subscribe(["SIM.*"], points)

    for requests in (by_name, by_pattern):
        assert max(len(encode_json(one)) for one in requests) <= 65_536
    resumed: set[str] = set()
    for request in by_name:
        assert isinstance(request, Subscribe)
        resumed |= set(request.resume)
    assert resumed == set(points)
    assert "SIM.*" in [name for one in by_pattern for name in one.symbols or ()]


def test_symbols_learned_by_name_are_given_back_once_the_pattern_is_there() -> None:
    points = {f"S{number}": ResumePoint(epoch="f" * 32, sequence=9) for number in range(2_000)}
    requests = Asking(Options()).subscribe(["S*"], points)

    place = next(index for index, one in enumerate(requests) if one.symbols == ["S*"])
    before = [name for one in requests[:place] for name in one.symbols or ()]
    after = [name for one in requests[place + 1 :] for name in one.symbols or ()]
    assert sorted(before) == sorted(after) == sorted(points)
    assert all(isinstance(one, Unsubscribe) for one in requests[place + 1 :])


@pytest.mark.parametrize("frame", [b"", b"\x90", b"\xdc\x00", b"\xdd", b"\xc1", b"\x81"])
def test_broken_messagepack_never_fails(frame: bytes) -> None:
    for message in Reader("msgpack", partial=False).read(frame):
        assert isinstance(message.body, Failure)


def test_an_array_of_messagepack_is_read() -> None:
    frame = encode_msgpack([tick(1), tick(2)])
    found = [one.body for one in Reader("msgpack", partial=False).read(frame)]

    assert [one.sequence for one in found if isinstance(one, Tick)] == [1, 2]


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
