"""A thousand clients for a minute, three hundred of them bad, against a server in a process."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.publishing import FAT, SYMBOLS, raise_file_limit

TESTS = Path(__file__).resolve().parents[1]
GOOD, BAD_OF_A_KIND = 700, 100
RUN_S, WARM_UP_S = 60.0, 25.0
MIB = 1_048_576
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TICK = re.compile(rb'"market_data","symbol":"([^"]+)","epoch":"[^"]+","sequence":(\d+)')
PING, PONG, CLOSE = 0x9, 0x8A, 0x88


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a short payload as a client's frame; a mask of zeros leaves it readable."""
    size = len(payload)
    head = bytes((opcode, 0x80 | size)) if size < 126 else bytes((opcode, 0xFE)) + size.to_bytes(2)
    return head + bytes(4) + payload


def subscribe(*symbols: str) -> bytes:
    message = {"type": "subscribe", "symbols": symbols, "snapshot": False}
    return frame(0x81, json.dumps(message).encode())


class Client(asyncio.Protocol):
    """Reads frames, answers pings and remembers the sequences."""

    def __init__(self, everybody: set[Client]) -> None:
        self._everybody = everybody
        self.sequences: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
        self.lost = asyncio.Event()
        self.answered = asyncio.Event()
        self._data = b""
        self._is_open = False
        self.is_reset = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._everybody.add(self)

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        if not self._is_open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._data = head
                return
            self._is_open = True
            self.answered.set()
        begin = 0
        while (found := whole_frame(data, begin)) is not None:
            opcode, payload, begin = found
            if opcode == PING:
                self.transport.write(frame(PONG, payload))
            for symbol, sequence in TICK.findall(payload):
                self.sequences.setdefault(symbol.decode(), []).append(int(sequence))
        self._data = data[begin:]

    def connection_lost(self, error: Exception | None) -> None:
        self._everybody.discard(self)
        self.is_reset = isinstance(error, ConnectionResetError)
        self.lost.set()


def whole_frame(data: bytes, begin: int) -> tuple[int, bytes, int] | None:
    """Return opcode, payload and end of the frame at ``begin``, ``None`` until it is all there."""
    if len(data) < begin + 4:
        return None
    size, body = data[begin + 1], begin + 2
    if size == 126:
        size, body = int.from_bytes(data[body : body + 2]), body + 2
    elif size == 127:
        size, body = int.from_bytes(data[body : body + 8]), body + 8
    end = body + size
    return (data[begin] & 0x0F, data[body:end], end) if len(data) >= end else None


class Server:
    """The server's process."""

    def __init__(self, process: Process, address: str) -> None:
        self._process = process
        self._open: set[Client] = set()
        host, _, port = address.partition(":")
        self._address = (host, int(port))

    async def held(self, *, quiet: bool = False) -> dict[str, Any]:
        """Return what it holds now."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"quiet\n" if quiet else b"look\n")
        return await said(self._process)

    async def dial(self, *symbols: str, small_window: bool = False) -> Client:
        """Connect and subscribe."""
        loop = asyncio.get_running_loop()
        plain = socket.socket()
        if small_window:
            # Otherwise the system would read megabytes for the client.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        plain.setblocking(False)
        try:
            async with asyncio.timeout(30):
                await loop.sock_connect(plain, self._address)
                _, client = await loop.create_connection(lambda: Client(self._open), sock=plain)
        except BaseException:
            plain.close()
            raise
        client.transport.write(HANDSHAKE)
        async with asyncio.timeout(30):
            await client.answered.wait()
        if symbols:
            client.transport.write(subscribe(*symbols))
        return client

    async def hang_up(self) -> None:
        """Abort all connections."""
        for client in list(self._open):
            client.transport.abort()
        while self._open:
            await asyncio.sleep(0.01)


async def said(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        answer: dict[str, Any] = json.loads(await process.stdout.readline())
    return answer


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    path = os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "e2e.publishing", stdin=PIPE, stdout=PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    server = Server(process, (await said(process))["address"])
    try:
        yield server
    finally:
        await server.hang_up()
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def never_reads(server: Server, cut_off: list[bool]) -> None:
    """Subscribe to much and read nothing of it."""
    while True:
        client = await server.dial(FAT, small_window=True)
        client.transport.pause_reading()
        # The system itself takes megabytes for a client, and then the server waits 4 s.
        await asyncio.sleep(14)
        client.transport.resume_reading()
        try:
            async with asyncio.timeout(5):
                await client.lost.wait()
            cut_off.append(client.is_reset)
        except TimeoutError:
            cut_off.append(False)
            client.transport.abort()


async def aborts_in_mid_frame(server: Server, moments: random.Random) -> None:
    """Promise more bytes than come."""
    while True:
        client = await server.dial(*SYMBOLS, "SIM.?")
        await asyncio.sleep(moments.uniform(0.2, 1.5))
        client.transport.write(subscribe(*SYMBOLS)[: moments.randint(1, 40)])
        if moments.random() < 0.5:
            await asyncio.sleep(0.05)
        client.transport.abort()


async def comes_and_leaves(server: Server, moments: random.Random) -> None:
    """Say goodbye, or not, with a subscription or without."""
    while True:
        client = await server.dial(*moments.choice(((), SYMBOLS, (FAT,), ("SIM.?",))))
        await asyncio.sleep(moments.uniform(0.0, 1.5))
        if moments.random() < 0.5:
            client.transport.write(frame(CLOSE, b"\x03\xe8"))
        else:
            client.transport.close()
        async with asyncio.timeout(15):
            await client.lost.wait()


async def dial_all(server: Server) -> list[Client]:
    clients: list[Client] = []
    while len(clients) < GOOD:
        clients += await asyncio.gather(*(server.dial(*SYMBOLS) for _ in range(50)))
    return clients


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_a_minute_with_bad_clients_leaves_nothing_behind_and_costs_the_others_nothing() -> (
    None
):
    if not raise_file_limit(4_096):
        pytest.skip("this machine lets a process open too few files for 1,000 clients")
    moments = random.Random(4)
    cut_off: list[bool] = []
    async with running() as server:
        at_first = await server.held()
        good = await dial_all(server)
        begun = await server.held()
        bad = [
            asyncio.create_task(one)
            for _ in range(BAD_OF_A_KIND)
            for one in (
                never_reads(server, cut_off),
                aborts_in_mid_frame(server, moments),
                comes_and_leaves(server, moments),
            )
        ]
        await asyncio.sleep(WARM_UP_S)
        warm = await server.held()
        await asyncio.sleep(RUN_S - WARM_UP_S)
        late = await server.held()
        broken = [task for task in bad if task.done()]
        for task in bad:
            task.cancel()
        ended = await asyncio.gather(*bad, return_exceptions=True)
        quiet = await server.held(quiet=True)
        await asyncio.sleep(1)

        assert broken == [], ended
        assert not any(client.lost.is_set() for client in good)
        assert cut_off.count(True) >= BAD_OF_A_KIND
        assert cut_off.count(False) == 0
        for client in good:
            for symbol in SYMBOLS:
                seen = client.sequences[symbol]
                assert seen == list(range(seen[0], quiet["sequences"][symbol] + 1))
                assert seen[0] <= begun["sequences"][symbol] + 1

        await server.hang_up()
        at_last = await server.held()
        for _ in range(100):
            # Fewer, since one of the first published.
            if not at_last["connections"] and at_last["tasks"] < at_first["tasks"]:
                break
            await asyncio.sleep(0.1)
            at_last = await server.held()

        assert at_last["total"] > 5_000
        assert (at_last["connections"], at_last["subscriptions"]) == (0, 0)
        assert at_last["streamed"] == at_first["streamed"]
        assert at_last["tasks"] < at_first["tasks"]
        grown = late["resident_bytes"] - warm["resident_bytes"]
        assert grown < 10 * MIB, (warm, late)
