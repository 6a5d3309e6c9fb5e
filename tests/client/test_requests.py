"""What is asked of the server, how it is shared, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from client.listening import numbers_of
from client.servers import WELCOME, accept, grant, say, served, tick, until
from tickloom.client import Client, Failure, ResumePoint
from tickloom.client.asking import Asking, Options
from tickloom.errors import InvalidSymbol, NotFound, RequestError
from tickloom.model import Quote, encode_json
from tickloom.stream.protocol import Subscribe, Unsubscribe

pytestmark = pytest.mark.usefixtures("no_task_is_left")


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


@pytest.mark.parametrize("symbols", [[], "AAPL"])
def test_a_stream_needs_a_list_of_symbols(symbols: Any) -> None:
    with pytest.raises(RequestError, match="no symbols were named"):
        Client().stream(symbols)


def test_what_can_be_no_symbol_is_refused_at_once() -> None:
    with pytest.raises(InvalidSymbol):
        Client().stream(["AAPL", "not a symbol"])


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
