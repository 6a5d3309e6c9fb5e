"""How a connection comes about, what ends it for good, and when a silent server is given up."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from client.servers import WELCOME, QuickClock, accept, grant, say, served, tick, until, url_of
from tickloom.client import Client, Disconnected
from tickloom.client.link import pause_after
from tickloom.client.target import find_target
from tickloom.clock import FakeClock
from tickloom.errors import (
    NotAllowed,
    NotAuthenticated,
    RequestError,
    ServerUnavailable,
    TickloomError,
    TooManyConnections,
    UnknownMessage,
)

KEY = "s3cret"


async def open_one(client: Client) -> None:
    async with asyncio.timeout(10), client.stream(["A"]) as ticks:
        await anext(ticks)


async def fails_with(kind: type[TickloomError], handler: Any, **options: Any) -> TickloomError:
    async with served(handler, **options) as client:
        with pytest.raises(kind) as caught:
            await open_one(client)
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)
    return caught.value


async def test_no_server_is_an_error_that_says_where(unused_tcp_port: int) -> None:
    async with Client(f"ws://127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(ServerUnavailable, match=r"answers at ws://127.*Connection refused"):
            await open_one(client)


async def test_a_key_goes_as_a_header() -> None:
    async def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.headers["X-API-Key"] == KEY
        await accept(socket, tick(1))
        await socket.wait_closed()

    async with served(handler, api_key=KEY) as client:
        await open_one(client)


async def authenticating(socket: ServerConnection) -> None:
    assert socket.request is not None
    assert "X-API-Key" not in socket.request.headers
    await say(socket, {**WELCOME, "auth_required": True})
    message = json.loads(await socket.recv())
    if message != {"type": "auth", "token": KEY}:
        await say(socket, {"type": "error", "code": 401, "message": "the key is not known"})
        await socket.wait_closed()
        return
    await say(socket, {"type": "authenticated", "user": "alice"})
    await grant(socket, json.loads(await socket.recv()))
    await say(socket, tick(1))
    await socket.wait_closed()


async def test_a_key_goes_as_a_message_where_no_header_can() -> None:
    async with served(authenticating, api_key=KEY, authentication="message") as client:
        await open_one(client)


async def test_a_wrong_key_and_no_key_are_told_apart() -> None:
    wrong = await fails_with(
        NotAuthenticated, authenticating, api_key="x", authentication="message"
    )
    none = await fails_with(NotAuthenticated, authenticating)

    assert "does not know the key" in str(wrong)
    assert "wants a key" in str(none)


async def test_a_server_of_another_kind_is_an_error() -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.send("hello")
        await socket.wait_closed()

    await fails_with(UnknownMessage, handler)


async def test_another_version_is_an_error() -> None:
    async def handler(socket: ServerConnection) -> None:
        await say(socket, {**WELCOME, "version": 2})
        await socket.wait_closed()

    error = await fails_with(UnknownMessage, handler)
    assert "found 2, expected version 1" in str(error)


async def test_a_full_server_is_an_error_at_first_and_tried_again_later() -> None:
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections in (1, 3):
            await say(socket, {"type": "error", "code": 406, "message": "full"})
            await socket.close(4429)
        else:
            await accept(socket, tick(connections))
            if connections == 2:
                await socket.close(1012)
            await socket.wait_closed()

    async with served(handler) as client:
        with pytest.raises(TooManyConnections, match="full"):
            await open_one(client)
        async with client.stream(["A"]) as ticks:
            assert [(await anext(ticks)).sequence for _ in range(2)] == [2, 4]


@pytest.mark.parametrize(
    ("code", "kind"), [(4400, RequestError), (4401, NotAuthenticated), (4403, NotAllowed)]
)
async def test_a_server_that_refuses_is_not_asked_again(
    code: int, kind: type[TickloomError]
) -> None:
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await accept(socket, tick(1))
        await socket.close(code, "no")

    async with served(handler) as client, client.stream(["A"]) as ticks:
        assert (await anext(ticks)).sequence == 1
        for _ in range(2):
            with pytest.raises(kind, match=f"closed with {code} no"):
                await anext(ticks)
    assert connections == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(401, NotAuthenticated), (403, NotAllowed), (404, ServerUnavailable)]
)
async def test_a_handshake_that_is_refused_is_told(status: int, kind: type[TickloomError]) -> None:
    async def refuse(socket: ServerConnection) -> None:
        pytest.fail("the handshake is refused")

    async with serve(
        refuse, "127.0.0.1", 0, process_request=lambda socket, _: socket.respond(status, "no\n")
    ) as server:
        with pytest.raises(kind):
            await open_one(Client(url_of(server)))


async def test_a_server_that_falls_silent_is_asked_and_then_left() -> None:
    clock = FakeClock()
    pings = []
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await accept(socket, tick(connections))
        while True:
            pings.append(json.loads(await socket.recv())["type"])

    async with (
        serve(handler, "127.0.0.1", 0) as server,
        Client(url_of(server), clock=clock, jitter=Random(1)) as client,
        client.stream(["A"]) as ticks,
    ):
        lost: list[Any] = []
        ticks.on_connection = lost.append
        await anext(ticks)
        taking = asyncio.ensure_future(anext(ticks))
        await clock.advance(20)
        await until(lambda: pings == ["ping"])
        await clock.advance(10)
        assert connections == 1
        await clock.advance(10)
        await until(lambda: isinstance(lost[-1], Disconnected))
        await clock.advance(1)
        assert (await taking).sequence == 2

    assert lost[1].reason == "no sign of life for 40 s"


async def test_a_server_that_answers_is_kept() -> None:
    clock = FakeClock()
    pings = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal pings
        await accept(socket, tick(1))
        async for _ in socket:
            pings += 1
            await say(socket, {"type": "pong"})

    async with (
        serve(handler, "127.0.0.1", 0) as server,
        Client(url_of(server), clock=clock) as client,
        client.stream(["A"]) as ticks,
    ):
        await anext(ticks)
        for number in range(1, 6):
            await clock.advance(20)
            await until(lambda number=number: pings == number)
            # The answer has to arrive before the clock goes on.
            await asyncio.sleep(0.05)
        assert ticks.waiting == 0


async def test_whoever_waits_for_the_first_connection_can_be_cancelled() -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with served(handler) as client:
        opening = asyncio.create_task(open_one(client))
        await asyncio.sleep(0.05)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert not [one for one in asyncio.all_tasks() if one.get_name().startswith("tickloom")]


async def test_garbage_in_place_of_a_greeting_is_one_more_failed_attempt() -> None:
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 2:
            await socket.send("<html>")
            await socket.wait_closed()
        await accept(socket, tick(connections))
        if connections == 1:
            await socket.close(1012)
        await socket.wait_closed()

    clock = QuickClock()
    async with served(handler, clock) as client, client.stream(["A"]) as ticks:
        assert [(await anext(ticks)).sequence for _ in range(2)] == [1, 3]
    assert len(clock.pauses) == 2


@given(st.integers(1, 10_000), st.integers())
def test_pauses_stay_between_a_half_and_the_whole_of_a_bound(failures: int, seed: int) -> None:
    pause_s = pause_after(failures, Random(seed))
    assert min(30.0, 0.5 * 2 ** min(failures, 10)) / 2 <= pause_s <= 30.0


@pytest.mark.parametrize(
    ("url", "stream", "rest"),
    [
        ("ws://h:1", "ws://h:1/", "http://h:1/api/v1/market-data"),
        ("ws://h:1/ws", "ws://h:1/ws", "http://h:1/api/v1/market-data"),
        ("wss://h/x/ws?a=b", "wss://h/x/ws?a=b", "https://h/x/api/v1/market-data"),
        ("http://h:1/", "ws://h:1/ws", "http://h:1/api/v1/market-data"),
        ("https://h/api/v1/market-data", "wss://h/ws", "https://h/api/v1/market-data"),
        (
            "ws://h/api/v1/market-data/stream",
            "ws://h/api/v1/market-data/stream",
            "http://h/api/v1/market-data",
        ),
        ("ws://[::1]:8", "ws://[::1]:8/", "http://[::1]:8/api/v1/market-data"),
    ],
)
def test_one_address_gives_both(url: str, stream: str, rest: str) -> None:
    target = find_target(url, None, "header", "json")
    assert (target.stream, target.rest) == (stream, rest)


@pytest.mark.parametrize(
    "url", ["", "h:1", "ftp://h", "ws://", "ws://h:x", f"ws://me:{KEY}@h", "ws://[::1"]
)
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(RequestError, match="not the address of a server") as caught:
        Client(url)
    assert KEY not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(find_target("ws://h", KEY, "header", "json"))


def test_importing_the_client_brings_no_server() -> None:
    code = (
        "import sys, tickloom.client\n"
        "print([name for name in ('litestar', 'uvicorn', 'piccolo', 'pluggy', 'redis', 'asyncpg',"
        " 'tickloom.manager', 'tickloom.settings') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
