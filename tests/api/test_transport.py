"""The door for ready frames, beside the ordinary way that every other server has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager
from tickloom.roles import Secret
from tickloom.stream.transport import StreamProtocol

SYMBOLS = [f"SIM.S{number}" for number in range(5)]


@asynccontextmanager
async def running(
    protocol: Any = StreamProtocol, **tables: Any
) -> AsyncIterator[tuple[MarketDataManager, str]]:
    provider = ScriptedProvider("sim", namespace="SIM.", symbols=frozenset(SYMBOLS), **EVERYTHING)
    manager = manager_of(provider, **tables)
    async with serving(manager, protocol) as address:
        yield manager, address


def publish(manager: MarketDataManager, symbol: str = SYMBOLS[0], **fields: Any) -> None:
    manager.pipeline.accept(make_quote(symbol, provider="sim", **fields))


async def hear(socket: ClientConnection, count: int) -> list[Any]:
    async with asyncio.timeout(5):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def subscribe(socket: ClientConnection, *symbols: str, **options: Any) -> None:
    message = {"type": "subscribe", "symbols": symbols or SYMBOLS, **options}
    await socket.send(json.dumps(message))
    await hear(socket, 2)


async def messages_over(protocol: Any, query: str) -> list[Any]:
    async with (
        running(protocol) as (manager, address),
        connect(f"ws://{address}/ws{query}", compression=None) as plain,
        connect(f"ws://{address}/ws{query}", compression=None) as special,
    ):
        await subscribe(plain)
        await subscribe(special, fields=["current_price"], batch=True)
        for number in range(30):
            publish(manager, SYMBOLS[number % 5], volume=number)
            if number % 7 == 0:
                await asyncio.sleep(0.01)
        await plain.send('{"type":"ping","id":1}')
        await special.send('{"type":"ping","id":1}')
        heard = []
        for socket in (plain, special):
            while True:
                [message] = await hear(socket, 1)
                parts = message if isinstance(message, list) else [message]
                heard += [{**part, "epoch": ""} for part in parts if part["type"] != "pong"]
                if parts[-1]["type"] == "pong":
                    break
    return heard


async def test_both_ways_give_the_same_messages() -> None:
    ready = await messages_over(StreamProtocol, "")
    ordinary = await messages_over(WebSocketsSansIOProtocol, "")

    assert len(ready) == 60
    assert ready == ordinary


async def test_a_client_that_asks_for_compression_gets_it_and_the_same_messages() -> None:
    deflate = [ClientPerMessageDeflateFactory()]
    async with running() as (manager, address):
        url = f"ws://{address}/ws"
        async with (
            connect(f"{url}?compress=1", extensions=deflate) as small,
            connect(url, extensions=deflate) as plain,
        ):
            assert small.protocol.extensions
            assert not plain.protocol.extensions

            for socket in (small, plain):
                await subscribe(socket)
            publish(manager)

            assert await hear(small, 1) == await hear(plain, 1)


async def test_a_restart_sends_what_was_published_and_then_says_that_it_restarts() -> None:
    async with running() as (manager, address):
        socket = await connect(f"ws://{address}/ws")
        await subscribe(socket)
        publish(manager)
    messages = await hear(socket, 1)
    with pytest.raises(ConnectionClosed) as caught:
        await socket.recv()

    assert messages[0]["sequence"] == 1
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012


async def test_ticks_to_a_client_that_is_leaving_disturb_nobody() -> None:
    async with running() as (manager, address):
        async with connect(f"ws://{address}/ws") as good:
            await subscribe(good)
            for number in range(40):
                socket = await connect(f"ws://{address}/ws")
                await subscribe(socket)
                publish(manager)
                if number % 2:
                    socket.transport.abort()
                else:
                    closing = asyncio.create_task(socket.close())
                    for _ in range(20):
                        publish(manager)
                        await asyncio.sleep(0)
                    await closing
            publish(manager, volume=1)
            sequences: list[int] = []
            while not sequences or sequences[-1] < manager.stream_manager.hub.published:
                [message] = await hear(good, 1)
                sequences.append(message["sequence"])

        assert sequences == list(range(1, len(sequences) + 1))


async def test_an_address_holds_no_more_connections_than_allowed() -> None:
    limits = {"max_connections_per_address": 2}
    async with running(stream=limits) as (_, address):
        url = f"ws://{address}/ws"
        async with connect(url), connect(url), connect(url) as third:
            [error] = await hear(third, 1)
            with pytest.raises(ConnectionClosed) as caught:
                await third.recv()
        async with connect(url) as later:
            [welcome] = await hear(later, 1)

    assert (error["type"], error["code"]) == ("error", 406)
    assert "max_connections_per_address" in error["message"]
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4429
    assert welcome["type"] == "welcome"


class Events:
    """Server-Sent Events as a browser reads them."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def next(self) -> Any:
        data = ""
        async with asyncio.timeout(5):
            async for line in self._lines:
                if line.startswith("id: "):
                    self.last_id = line[4:]
                elif line.startswith("data: "):
                    data = line[6:]
                elif not line and data:
                    return json.loads(data)
        raise AssertionError("the events ended")

    async def ticks(self, count: int) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        while len(found) < count:
            message = await self.next()
            if message["type"] == "market_data":
                found.append((message["symbol"], message["sequence"]))
        return found


@asynccontextmanager
async def events(address: str, last_id: str = "") -> AsyncIterator[Events]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    url = f"http://{address}/api/v1/market-data/stream/sse?symbols=SIM.*"
    async with httpx.AsyncClient() as http, http.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        yield Events(response)


async def test_a_reader_of_events_comes_back_with_its_last_id_and_misses_nothing() -> None:
    async with running() as (manager, address):
        async with events(address) as stream:
            assert (await stream.next())["type"] == "welcome"
            assert (await stream.next())["type"] == "subscribed"
            for symbol in SYMBOLS[:3]:
                publish(manager, symbol)
            assert await stream.ticks(3) == [(symbol, 1) for symbol in SYMBOLS[:3]]
        for symbol in (SYMBOLS[2], SYMBOLS[0], SYMBOLS[2], SYMBOLS[4]):
            publish(manager, symbol)
        async with events(address, stream.last_id) as again:
            missed = await again.ticks(4)
            publish(manager, SYMBOLS[1])
            after = await again.ticks(1)

    assert missed == [(SYMBOLS[2], 2), (SYMBOLS[0], 2), (SYMBOLS[2], 3), (SYMBOLS[4], 1)]
    assert after == [(SYMBOLS[1], 2)]


@pytest.mark.parametrize("last_id", ["deadbeef-3", "deadbeef-999999"])
async def test_an_id_of_another_process_is_told_as_a_gap(last_id: str) -> None:
    async with running() as (manager, address):
        for _ in range(3):
            publish(manager)
        async with events(address, last_id) as stream:
            kinds = [await stream.next() for _ in range(4)]

    assert [one["type"] for one in kinds] == ["welcome", "subscribed", "gap", "market_data"]
    assert kinds[2]["last_sequence"] == 2


@pytest.mark.parametrize("last_id", ["nonsense", "-5", "e1-", "e1-9999999999999999999999"])
async def test_an_id_that_is_none_of_ours_is_as_good_as_none(last_id: str) -> None:
    async with running() as (manager, address):
        publish(manager)
        async with events(address, last_id) as stream:
            assert await stream.ticks(1) == [(SYMBOLS[0], 1)]


async def test_readers_of_events_count_as_connections_of_their_own_user() -> None:
    keys = {"bob": Secret("b" * 32), "eve": Secret("e" * 32)}
    auth = {"mode": "keys", "keys": keys}
    async with (
        running(auth=auth, stream={"max_connections_per_user": 1}) as (_, address),
        httpx.AsyncClient() as http,
        AsyncExitStack() as streams,
    ):
        url = f"http://{address}/api/v1/market-data/stream/sse?symbols=SIM.*"
        statuses = []
        for user in ("b", "b", "e"):
            asking = http.stream("GET", url, headers={"X-API-Key": user * 32})
            statuses.append((await streams.enter_async_context(asking)).status_code)

    assert statuses == [200, 429, 200]
