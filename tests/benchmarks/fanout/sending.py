"""Servers whose CPU is measured: ``python sending.py KIND`` prints a line of JSON for each run.

It reads commands from standard input, one JSON object a line: ``messages``, ``burst`` (messages in
one turn of the event loop) and ``pause_s`` between turns.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import uvicorn
import uvloop

from tickloom.app import create_app
from tickloom.manager import MarketDataManager
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings, PluginTables, Settings
from tickloom.stream.frames import TEXT, frame_of
from tickloom.stream.transport import StreamProtocol

SYMBOL = "SIM.BENCH"
PAYLOAD_BYTES = 207


class Sender(Protocol):
    """A server that can send one message to everybody."""

    async def start(self) -> int:
        """Listen and return the port."""
        ...

    def clients(self) -> int: ...
    def send(self) -> None: ...
    def unsent_bytes(self) -> int: ...
    async def stop(self) -> None: ...


class Raw:
    """The limit: a ready frame written to each socket."""

    def __init__(self) -> None:
        self._transports: list[asyncio.Transport] = []
        self._frame = frame_of(TEXT, b"x" * PAYLOAD_BYTES)

    async def start(self) -> int:
        found = self._transports

        class Accepting(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                found.append(transport)

            def connection_lost(self, error: Exception | None) -> None:
                pass

        loop = asyncio.get_running_loop()
        server = await loop.create_server(Accepting, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def clients(self) -> int:
        return len(self._transports)

    def send(self) -> None:
        frame = self._frame
        for transport in self._transports:
            transport.write(frame)

    def unsent_bytes(self) -> int:
        return sum(transport.get_write_buffer_size() for transport in self._transports)

    async def stop(self) -> None:
        for transport in self._transports:
            transport.abort()


class Ours:
    """The whole server, from ``pipeline.accept`` to the sockets."""

    def __init__(self) -> None:
        settings = Settings(
            database=DatabaseSettings(url=""),
            plugins=PluginTables(
                enabled=("simulated",),
                tables={"simulated": {"symbols": ["BENCH"], "ticks_per_s": 0.001}},
            ),
        )
        self._manager = MarketDataManager(settings)
        self._hub = self._manager.stream_manager.hub
        now = datetime(2026, 1, 5, 15, 0, 1, tzinfo=UTC)
        self._quote = Quote(
            symbol=SYMBOL,
            provider="bench",
            timestamp=now,
            received_at=now,
            is_real_time=True,
            current_price=Decimal("189.41"),
        )

    async def start(self) -> int:
        config = uvicorn.Config(
            create_app(self._manager),
            port=0,
            ws=StreamProtocol,
            ws_per_message_deflate=False,
            log_config=None,
            lifespan="on",
            timeout_graceful_shutdown=1,
        )
        server = self._server = uvicorn.Server(config)
        server.capture_signals = _no_signals  # type: ignore[method-assign]
        self._task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port: int = server.servers[0].sockets[0].getsockname()[1]
        return port

    def clients(self) -> int:
        return sum(bool(one.patterns) for one in self._hub.connections)

    def send(self) -> None:
        self._manager.pipeline.accept(self._quote)

    def unsent_bytes(self) -> int:
        return sum(one.outlet.unsent_bytes() for one in self._hub.connections if one.outlet)

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._task


class _no_signals:  # noqa: N801 - stands in for a method that returns a context
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


async def run(sender: Sender, messages: int, burst: int, pause_s: float) -> dict[str, Any]:
    """Send ``messages`` in turns of ``burst`` and return what it cost."""
    started, cpu = time.perf_counter(), time.process_time()
    sent = turns = 0
    while sent < messages:
        for _ in range(burst):
            sender.send()
        sent += burst
        turns += 1
        # Two turns of the loop: one to flush, one to write.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if turns % 10 == 0:
            await asyncio.sleep(pause_s)
    while sender.unsent_bytes():
        await asyncio.sleep(0.01)
    return {
        "clients": sender.clients(),
        "messages": sent,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - started,
    }


async def main(kind: str) -> None:
    sender: Sender = Raw() if kind == "raw" else Ours()
    say({"port": await sender.start()})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        wanted = command.pop("clients")
        while sender.clients() < wanted:
            await asyncio.sleep(0.01)
        say(await run(sender, **command))
    await sender.stop()


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - that is its output


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
