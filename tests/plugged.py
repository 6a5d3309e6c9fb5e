"""Managers and servers with scripted providers in place of installed plugins."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import uvicorn
from msgspec.structs import replace

from scripted import ScriptedProvider
from tickloom.app import create_app
from tickloom.clock import Clock
from tickloom.hookspecs import hookimpl
from tickloom.manager import MarketDataManager
from tickloom.settings import DatabaseSettings, Settings
from tickloom.stream.transport import StreamProtocol, UpgradingProtocol


class Point(EntryPoint):
    """An entry point whose plugin is an object at hand."""

    def __init__(self, name: str, plugin: object) -> None:
        super().__init__(name, "tests", "tickloom")
        vars(self)["plugin"] = plugin

    def load(self) -> object:
        return vars(self)["plugin"]


def point_of(*providers: ScriptedProvider, name: str = "scripted") -> Point:
    @hookimpl
    def tickloom_providers() -> list[ScriptedProvider]:
        return list(providers)

    return Point(name, SimpleNamespace(tickloom_api=(1,), tickloom_providers=tickloom_providers))


def settings_of(**tables: Any) -> Settings:
    """Return settings that store nothing and read no file; tables replace single values."""
    base = Settings(database=DatabaseSettings(url=""))
    changed = {name: replace(getattr(base, name), **table) for name, table in tables.items()}
    return replace(base, **changed)


def manager_of(
    *providers: ScriptedProvider, clock: Clock | None = None, **tables: Any
) -> MarketDataManager:
    return MarketDataManager(
        settings_of(**tables), clock=clock, entry_points=[point_of(*providers)]
    )


@asynccontextmanager
async def serving(
    manager: MarketDataManager,
    protocol: type[asyncio.Protocol] = StreamProtocol,
    http: type[asyncio.Protocol] = UpgradingProtocol,
    *,
    port: int = 0,
) -> AsyncIterator[str]:
    """Serve a manager on a real socket, of a free port unless one is named; gives ``host:port``."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        create_app(manager),
        http=http,
        ws=protocol,
        ws_max_size=4 * manager.settings.stream.max_message_bytes,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        log_config=None,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.01)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 10)
        listener.close()
