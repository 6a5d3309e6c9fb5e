"""Servers that do what a test tells them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

from tickloom.client import Client
from tickloom.clock import SystemClock

WELCOME = {"type": "welcome", "version": 1, "server": "x", "epoch": "e1", "auth_required": False}
Handler = Callable[[ServerConnection], Awaitable[None]]


class QuickClock(SystemClock):
    """Counts time as it is, and never waits between attempts."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


def tick(sequence: int, symbol: str = "A", epoch: str = "e1", **more: Any) -> dict[str, Any]:
    data = {
        "symbol": symbol,
        "provider": "p",
        "timestamp": "2026-01-02T15:00:00Z",
        "received_at": "2026-01-02T15:00:00Z",
        "is_real_time": False,
        "current_price": 1.10,
    }
    message = {"type": "market_data", "symbol": symbol, "epoch": epoch, "sequence": sequence}
    return {**message, "data": data, **more}


async def say(socket: ServerConnection, *messages: dict[str, Any]) -> None:
    for message in messages:
        await socket.send(json.dumps(message))


async def accept(
    socket: ServerConnection, *messages: dict[str, Any], **welcome: Any
) -> dict[str, Any]:
    """Greet, take a subscription, accept it, and send ``messages``."""
    await say(socket, {**WELCOME, **welcome})
    request: dict[str, Any] = json.loads(await socket.recv())
    await grant(socket, request)
    await say(socket, *messages)
    return request


async def grant(socket: ServerConnection, request: dict[str, Any], **more: Any) -> None:
    await say(
        socket,
        {"type": "subscribed", "symbols": request["symbols"], "id": request["id"], **more},
    )


def url_of(server: Server) -> str:
    return f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


@asynccontextmanager
async def served(
    handler: Handler, clock: SystemClock | None = None, **options: Any
) -> AsyncIterator[Client]:
    """Serve, and yield a client of it that does not wait between attempts."""
    async with serve(handler, "127.0.0.1", 0) as server:
        clock = clock or QuickClock()
        async with Client(url_of(server), clock=clock, jitter=Random(1), **options) as client:
            yield client


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0.005)
