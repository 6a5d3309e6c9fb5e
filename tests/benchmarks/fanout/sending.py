"""A server whose cost is measured: ``python -m benchmarks.fanout.sending raw`` or ``ours``.

It reads commands from standard input, one JSON object a line, and answers each with a line:
``burst`` sends and tells the CPU, ``pace`` sends stamped messages at random moments, ``fill`` sends
until sockets that nobody reads are full, ``memory`` tells the bytes that are resident, ``cost`` the
CPU and the deliveries so far.

``replica PREFIX`` is one of two replicas over the Redis of this machine, the one with the clients;
``owner PREFIX NAME`` is the other, which owns the symbol and publishes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import uvicorn
import uvloop
from msgspec.structs import replace

from benchmarks.fanout.wire import SYMBOL, say, settle_on
from tickloom.app import create_app
from tickloom.cluster import View
from tickloom.manager import MarketDataManager
from tickloom.model import Quote
from tickloom.server import calm_collector
from tickloom.settings import (
    DatabaseSettings,
    PluginTables,
    RedisSettings,
    Settings,
    StreamSettings,
)
from tickloom.stream import Tick, WireFormat
from tickloom.stream.transport import StreamProtocol, UpgradingProtocol

REDIS = "redis://127.0.0.1:6379/0"
NOW = datetime(2026, 1, 5, 15, 0, 1, tzinfo=UTC)
QUOTE = Quote(
    symbol=SYMBOL,
    provider="bench",
    timestamp=NOW,
    received_at=NOW,
    is_real_time=True,
    current_price=Decimal("189.41"),
)


class Sender(Protocol):
    """A server that can send one message to everybody."""

    async def start(self) -> int:
        """Listen and return the port."""
        ...

    def clients(self) -> int:
        """Return how many would get a message."""
        ...

    def send(self) -> None:
        """Send one message, ready as it is."""
        ...

    def send_stamped(self) -> None:
        """Send one message with the time in it."""
        ...

    def delivered(self) -> int:
        """Return how many messages went to clients."""
        ...

    def unsent(self) -> list[int]:
        """Return the bytes that each client has not taken from this process."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


def frame_of_quote(quote: Quote) -> bytes:
    """Return the frame of a quote, numbered as after a while."""
    return Tick(replace(quote, sequence=10_000), "0" * 16).frame(WireFormat.JSON)


class Raw:
    """The limit: a ready frame written to each socket."""

    def __init__(self) -> None:
        self._transports: list[asyncio.Transport] = []
        self._sent = 0
        # The very frames that ours sends.
        self._frame = frame_of_quote(QUOTE)
        stamp = time.monotonic_ns()
        parts = frame_of_quote(replace(QUOTE, volume=stamp)).partition(str(stamp).encode())
        self._head, _, self._tail = parts

    async def start(self) -> int:
        found = self._transports

        class Accepting(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                found.append(transport)

            def connection_lost(self, error: Exception | None) -> None:
                pass

        loop = asyncio.get_running_loop()
        server = await loop.create_server(Accepting, "127.0.0.1", 0, backlog=2_048)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def clients(self) -> int:
        return len(self._transports)

    def send(self) -> None:
        self._write(self._frame)

    def send_stamped(self) -> None:
        self._write(b"%b%d%b" % (self._head, time.monotonic_ns(), self._tail))

    def _write(self, frame: bytes) -> None:
        for transport in self._transports:
            transport.write(frame)
        self._sent += len(self._transports)

    def delivered(self) -> int:
        return self._sent

    def unsent(self) -> list[int]:
        return [transport.get_write_buffer_size() for transport in self._transports]

    async def stop(self) -> None:
        for transport in self._transports:
            transport.abort()


class Ours:
    """The whole server, from ``pipeline.accept`` to the sockets."""

    def __init__(self, redis: RedisSettings | None = None, other: str = "") -> None:
        settings = Settings(
            database=DatabaseSettings(url=""),
            redis=redis or RedisSettings(),
            # Clients that read nothing are to stay for as long as the others are measured.
            stream=StreamSettings(write_timeout_s=600),
            plugins=PluginTables(
                enabled=("simulated",),
                tables={"simulated": {"symbols": ["BENCH"], "ticks_per_s": 0.001}},
            ),
        )
        self._manager = MarketDataManager(settings)
        while other and not View(self._manager.epoch, [other]).owns(SYMBOL):
            # Names are drawn by lot; with the next one the symbol may be ours.
            self._manager = MarketDataManager(settings)
        self.name = self._manager.epoch
        self._hub = self._manager.stream_manager.hub

    async def start(self) -> int:
        config = uvicorn.Config(
            create_app(self._manager),
            port=0,
            http=UpgradingProtocol,
            ws=StreamProtocol,
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=1,
            # The clients answer no pings.
            ws_ping_timeout=600,
        )
        server = self._server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign]
        self._task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        calm_collector()
        port: int = server.servers[0].sockets[0].getsockname()[1]
        return port

    def clients(self) -> int:
        return sum(bool(one.patterns) for one in self._hub.connections)

    def send(self) -> None:
        self._manager.pipeline.accept(QUOTE)

    def send_stamped(self) -> None:
        self._manager.pipeline.accept(replace(QUOTE, volume=time.monotonic_ns()))

    def delivered(self) -> int:
        return int(self._hub.stats()["messages_delivered"])

    def unsent(self) -> list[int]:
        return [one.outlet.unsent_bytes() for one in self._hub.connections if one.outlet]

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._task


async def burst(sender: Sender, messages: int, burst: int, pause_s: float) -> dict[str, Any]:
    """Send ``messages`` in turns of ``burst`` and return what it cost."""
    cpu = time.process_time()
    before = sender.delivered()
    for turn in range(messages // burst):
        for _ in range(burst):
            sender.send()
        # Two turns of the loop: one to flush, one to write.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # The clients share the machine; what they cannot follow would be left out.
        if turn % 10 == 0:
            await asyncio.sleep(pause_s * burst)
    while any(sender.unsent()):
        await asyncio.sleep(0.01)
    return {"deliveries": sender.delivered() - before, "cpu_s": time.process_time() - cpu}


async def pace(sender: Sender, rate: float, seconds: float) -> dict[str, Any]:
    """Send stamped messages at random moments, ``rate`` a second, and return how many."""
    # The same moments in every run.
    moments = random.Random(4)
    loop = asyncio.get_running_loop()
    due = loop.time()
    until = due + seconds
    sent = 0
    while due < until:
        sender.send_stamped()
        sent += 1
        due += moments.expovariate(rate)
        await asyncio.sleep(max(0.0, due - loop.time()))
    return {"messages": sent}


async def fill(sender: Sender, sockets: int) -> dict[str, Any]:
    """Send until ``sockets`` take no more."""
    while sum(map(bool, sender.unsent())) < sockets:
        await burst_once(sender)
    return {"full": sockets}


async def burst_once(sender: Sender) -> None:
    """Send as much as those who read still take well."""
    for _ in range(100):
        sender.send()
    await asyncio.sleep(0.005)


def memory() -> dict[str, Any]:
    """Return the bytes of this process that are resident."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path to keep
        pages = int(file.read().split()[1])
    return {"resident_bytes": pages * os.sysconf("SC_PAGESIZE")}


def make(kind: str, *options: str) -> Sender:
    """Return the server that is asked for."""
    match kind, *options:
        case ("raw",):
            return Raw()
        case "replica", prefix:
            return Ours(RedisSettings(url=REDIS, prefix=prefix))
        case "owner", prefix, other:
            return Ours(RedisSettings(url=REDIS, prefix=prefix), other)
    return Ours()


async def main(kind: str, *options: str) -> None:
    """Serve, and obey until standard input ends."""
    settle_on(0)
    sender = make(kind, *options)
    say({"port": await sender.start(), "name": getattr(sender, "name", "")})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        what, wanted = command.pop("do"), command.pop("clients")
        async with asyncio.timeout(60):
            while sender.clients() < wanted:
                await asyncio.sleep(0.01)
        if what == "memory":
            say(memory())
        elif what == "cost":
            say({"deliveries": sender.delivered(), "cpu_s": time.process_time()})
        else:
            run = {"burst": burst, "pace": pace, "fill": fill}[what]
            say(await run(sender, **command))
    await sender.stop()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
