"""The stream over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager
from tickloom.roles import Secret

BULK = {"text": "x" * 20_000}
LISTED = frozenset({"SIM.ACME", "SIM.GLOBEX"})


class Server:
    def __init__(self, **tables: Any) -> None:
        self.provider = ScriptedProvider(
            "sim", namespace="SIM.", symbols=LISTED, **(EVERYTHING | {})
        )
        self.manager: MarketDataManager = manager_of(self.provider, **tables)
        self.address = ""

    async def tick(self, symbol: str = "SIM.ACME", price: str = "10.5") -> None:
        async with asyncio.timeout(5):
            while not self.provider.streams or symbol not in self.provider.streams[-1].symbols:
                await asyncio.sleep(0.01)
        self.provider.streams[-1].push(make_quote(symbol, price))

    def client(self, path: str = "/", **options: Any) -> Any:
        return connect(f"ws://{self.address}{path}", open_timeout=5, **options)


@asynccontextmanager
async def running(**tables: Any) -> AsyncIterator[Server]:
    server = Server(**tables)
    async with serving(server.manager) as address:
        server.address = address
        yield server


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == kind:
                return message


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


@pytest.mark.parametrize("path", ["/", "/ws", "/api/v1/market-data/stream"])
async def test_a_tick_reaches_a_subscriber_at_every_path(path: str) -> None:
    async with running() as server, server.client(path) as socket:
        await say(socket, type="subscribe", symbols=["SIM.ACME"])
        await server.tick(price="189.410000000000000001")
        async with asyncio.timeout(5):
            while '"market_data"' not in (text := await socket.recv(decode=True)):
                pass

    assert '"current_price":189.410000000000000001' in text
    message = json.loads(text)
    assert message["symbol"] == "SIM.ACME"
    assert message["sequence"] == 1
    assert message["data"]["provider"] == "sim"
    assert message["data"]["is_real_time"] is False


async def test_messagepack_carries_the_same_messages() -> None:
    async with running() as server, server.client("/ws?format=msgpack") as socket:
        await socket.send(msgspec.msgpack.encode({"type": "subscribe", "symbols": ["SIM.ACME"]}))
        await server.tick()
        kinds = []
        async with asyncio.timeout(5):
            while "market_data" not in kinds:
                message = msgspec.msgpack.decode(await socket.recv())
                kinds.append(message["type"])

    assert kinds == ["welcome", "subscribed", "market_data"]
    assert message["data"]["current_price"] == 10.5


async def test_an_unknown_format_is_explained_before_the_connection_closes() -> None:
    async with running() as server, server.client("/ws?format=xml") as socket:
        error = await hear(socket, "error")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()

    assert "found 'xml', expected json or msgpack" in error["message"]
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4400


async def test_a_message_over_the_limit_is_told_and_the_connection_lives() -> None:
    async with running() as server, server.client() as socket:
        await socket.send('{"type":"ping","id":"' + "x" * 70_000 + '"}')
        error = await hear(socket, "error")
        await say(socket, type="ping", id=1)
        pong = await hear(socket, "pong")

    assert error["code"] == 413
    assert pong["id"] == 1


async def test_a_message_far_over_the_limit_ends_only_its_own_connection() -> None:
    async with running() as server, server.client() as other, server.client() as socket:
        await say(other, type="subscribe", symbols=["SIM.ACME"])
        with pytest.raises(ConnectionClosed) as caught:
            await socket.send("x" * 400_000)
            while True:
                await asyncio.wait_for(socket.recv(), 5)
        await server.tick()
        heard = await hear(other, "market_data")

    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    assert heard["symbol"] == "SIM.ACME"


async def test_a_client_that_leaves_takes_everything_with_it() -> None:
    async with running() as server:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            async with server.client() as socket:
                await say(socket, type="subscribe", symbols=["SIM.*"])
                await hear(socket, "subscribed")
        for _ in range(20):
            socket = await server.client()
            await say(socket, type="subscribe", symbols=["SIM.ACME"])
            socket.transport.abort()
        async with asyncio.timeout(5):
            while server.manager.stream_manager.hub.connections:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        stats = server.manager.stream_manager.get_streaming_stats()
        after = len(asyncio.all_tasks())

    assert stats["websocket_stats"]["connected_clients"] == 0
    assert stats["websocket_stats"]["subscriptions"] == 0
    assert stats["websocket_stats"]["total_connections"] == 40
    assert server.provider.streams[-1].closed
    assert after <= before


async def test_a_client_that_reads_nothing_is_cut_off_and_the_others_see_everything() -> None:
    limits = {"write_timeout_s": 0.3, "buffer_bytes": 4_194_304}
    async with running(stream=limits) as server, server.client() as good:
        reader, writer = await asyncio.open_connection(*server.address.split(":"))
        request = (
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        writer.write(request.encode())
        await reader.readuntil(b"\r\n\r\n")
        message = b'{"type":"subscribe","symbols":["SIM.ACME"]}'
        writer.write(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)
        writer.transport.pause_reading()
        await say(good, type="subscribe", symbols=["SIM.ACME"])
        hub = server.manager.stream_manager.hub
        async with asyncio.timeout(20):
            while hub.stats()["subscriptions"] < 2:
                await asyncio.sleep(0.01)
            await server.tick()
            sequences = []
            while len(hub.connections) == 2:
                for _ in range(50):
                    server.provider.streams[-1].push(make_quote("SIM.ACME", additional_data=BULK))
                heard = [await hear(good, "market_data") for _ in range(50)]
                sequences.extend(message["sequence"] for message in heard)
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    assert sequences == list(range(1, len(sequences) + 1))


async def test_a_silent_client_is_sent_away_after_its_time_to_authenticate() -> None:
    auth = {"mode": "keys", "keys": {"alice": Secret("s3cret")}}
    async with (
        running(auth=auth, stream={"auth_timeout_s": 0.2}) as server,
        server.client() as socket,
    ):
        error = await hear(socket, "error")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()

    assert error["code"] == 408
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4401


async def test_subscribing_before_authenticating_is_refused_and_works_after_it() -> None:
    auth = {"mode": "keys", "keys": {"alice": Secret("s3cret")}}
    async with running(auth=auth) as server:
        async with server.client() as socket:
            await say(socket, type="subscribe", symbols=["SIM.ACME"])
            error = await hear(socket, "error")
            await say(socket, type="auth", token="s3cret")
            await hear(socket, "authenticated")
            await say(socket, type="subscribe", symbols=["SIM.ACME"])
            answer = await hear(socket, "subscribed")
        async with server.client(additional_headers={"X-API-Key": "s3cret"}) as socket:
            welcome = await hear(socket, "welcome")

    assert error["code"] == 401
    assert answer["symbols"] == ["SIM.ACME"]
    assert welcome["auth_required"] is False


async def test_more_connections_than_allowed_are_told_so() -> None:
    async with running(stream={"max_connections": 1}) as server, server.client() as first:
        await hear(first, "welcome")
        async with server.client() as second:
            error = await hear(second, "error")
            with pytest.raises(ConnectionClosed) as caught:
                await second.recv()

    assert error["code"] == 406
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4429


async def test_a_reader_of_events_is_told_when_there_is_no_room() -> None:
    async with running(stream={"max_connections": 1}) as server, server.client() as first:
        await hear(first, "welcome")
        async with httpx.AsyncClient(base_url=f"http://{server.address}") as http:
            answer = await http.get("/api/v1/market-data/stream/sse?symbols=SIM.ACME")

    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-connections")


async def test_events_carry_the_same_messages() -> None:
    async with (
        running() as server,
        httpx.AsyncClient(base_url=f"http://{server.address}") as http,
        http.stream(
            "GET", "/api/v1/market-data/stream/sse?symbols=SIM.ACME,sim.globex"
        ) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        await server.tick()
        heard = []
        async with asyncio.timeout(5):
            async for line in lines:
                if line.startswith("data: "):
                    heard.append(json.loads(line.removeprefix("data: ")))
                if heard and heard[-1]["type"] == "market_data":
                    break

    assert [message["type"] for message in heard] == ["welcome", "subscribed", "market_data"]
    assert heard[1]["symbols"] == ["SIM.ACME", "SIM.GLOBEX"]


async def test_a_reader_of_events_that_leaves_takes_everything_with_it() -> None:
    async with running() as server:
        url = f"http://{server.address}/api/v1/market-data/stream/sse?symbols=SIM.ACME"
        async with httpx.AsyncClient() as http, http.stream("GET", url) as response:
            await anext(response.aiter_lines())
        await server.manager.stop_streaming()
        async with asyncio.timeout(5):
            while server.manager.stream_manager.hub.connections:
                await asyncio.sleep(0.01)


async def test_stopping_the_server_tells_clients_to_come_back() -> None:
    async with running() as server:
        socket = await server.client()
        await hear(socket, "welcome")
    with pytest.raises(ConnectionClosed) as caught:
        await asyncio.wait_for(socket.recv(), 5)

    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012
