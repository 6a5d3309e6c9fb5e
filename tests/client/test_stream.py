"""A stream and who reads it: slow, failing, closing, and coming again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from client.listening import numbers_of
from client.servers import accept, say, served, tick, until
from tickloom.client import Gap
from tickloom.errors import RequestError

pytestmark = pytest.mark.usefixtures("no_task_is_left")


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
