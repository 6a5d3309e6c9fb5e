"""Peers that take nothing, over sockets that are not read, and a restart beside them."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from plugged import manager_of, serving
from scripted import ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager
from tickloom.settings import RingSettings
from tickloom.stream.transport import StreamProtocol, UpgradingProtocol, patient

LIMIT_S = 0.4
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
EVENTS = b"GET /api/v1/market-data/stream/sse?symbols=SIM.FAT HTTP/1.1\r\nHost: x\r\n\r\n"
# It must not compress well.
NOISE = random.Random(4).randbytes(75_000).hex()


def frame(payload: bytes, opcode: int = 0x81) -> bytes:
    """Return a short frame of a client, under the mask of zeros."""
    return bytes((opcode, 0x80 | len(payload))) + bytes(4) + payload


def websocket(path: str) -> bytes:
    wish = b'{"type":"subscribe","symbols":["SIM.*"]}'
    return HANDSHAKE.format(path=path).encode() + frame(wish)


GOODBYE = frame((1000).to_bytes(2), 0x88)


class Hasty(StreamProtocol):
    """Waits for nobody's goodbye."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = LIMIT_S


@asynccontextmanager
async def running() -> AsyncIterator[tuple[MarketDataManager, str]]:
    provider = ScriptedProvider("sim", namespace="SIM.", symbols=frozenset({"SIM.FAT"}))
    manager = manager_of(provider, stream={"ring": RingSettings(count=3)})
    ws, http = patient(Hasty, LIMIT_S), patient(UpgradingProtocol, LIMIT_S)
    async with serving(manager, ws, http) as address:
        yield manager, address


async def connected(address: str, request: bytes) -> socket.socket:
    """Return a socket of a client that says something and then reads nothing."""
    host, port = address.split(":")
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    peer.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, (host, int(port)))
    await loop.sock_sendall(peer, request)
    return peer


async def flood(manager: MarketDataManager, times: int = 60) -> None:
    """Publish more than sockets hold."""
    hub = manager.stream_manager.hub
    while not hub.stats()["subscriptions"]:
        await asyncio.sleep(0.01)
    for number in range(times):
        fat = {"text": NOISE, "number": number}
        manager.pipeline.accept(make_quote("SIM.FAT", provider="sim", additional_data=fat))
        await asyncio.sleep(0.005)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.02)


def is_reset(peer: socket.socket) -> bool:
    """Return whether the server cut the connection off; reads nothing."""
    return peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


@pytest.mark.parametrize("request_", [EVENTS, websocket("/ws?compress=1"), websocket("/ws")])
async def test_a_peer_that_reads_nothing_is_cut_off_whatever_it_asked_for(request_: bytes) -> None:
    async with running() as (manager, address):
        peer = await connected(address, request_)
        await flood(manager)

        await until(lambda: is_reset(peer))
        await until(lambda: not manager.stream_manager.hub.connections)
        peer.close()


async def test_a_peer_that_says_goodbye_and_reads_nothing_is_cut_off() -> None:
    async with running() as (manager, address):
        peer = await connected(address, websocket("/ws"))
        await flood(manager)
        peer.send(GOODBYE)

        await until(lambda: is_reset(peer))
        peer.close()


async def test_a_restart_waits_for_no_peer_that_left_without_reading() -> None:
    provider = ScriptedProvider("sim", namespace="SIM.", symbols=frozenset({"SIM.FAT"}))
    manager = manager_of(provider, stream={"ring": RingSettings(count=3)})
    closed = False
    close = manager.close

    async def note() -> None:
        nonlocal closed
        await close()
        closed = True

    manager.close = note  # type: ignore[method-assign]
    async with serving(manager) as address:
        peer = await connected(address, websocket("/ws"))
        await flood(manager)
        peer.send(GOODBYE)
        await until(lambda: not manager.stream_manager.hub.connections)
    peer.close()

    assert closed
