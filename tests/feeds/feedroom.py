"""Feeds of scripted providers, and clients that hear of them."""

from __future__ import annotations

import asyncio
import json
import random
from types import SimpleNamespace
from typing import Any

from scripted import ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.feeds import Feeds, Reader, RequestBudget, Router, Sessions, Source
from tickloom.model import Quote
from tickloom.settings import FeedSettings, ProviderSettings
from tickloom.stream import Connection, Demand, Hub, WireFormat


class Room:
    def __init__(self, *providers: ScriptedProvider, sessions: Sessions | None = None) -> None:
        self.clock = sessions._clock if sessions else FakeClock()  # type: ignore[assignment]
        self.demand = Demand()
        self.hub = Hub("e1", self.demand)
        self.quotes: list[Quote] = []
        self.sources = [
            Source(
                one,
                self.clock,
                5,
                RequestBudget(one.info.name, one.info.budget, self.clock),
                random.Random(1),
            )
            for one in providers
        ]
        names = [one.info.name for one in providers]
        order = ProviderSettings(primary=names[0], fallback=tuple(names[1:]))
        self.feeds = Feeds(
            Reader(Router(self.sources, order)),
            self.demand,
            self.hub,
            SimpleNamespace(accept=self.quotes.append, confirm=lambda symbol: None),
            FeedSettings(),
            self.clock,
            random.Random(1),
            sessions,
        )

    clock: FakeClock

    def client(self, *patterns: str) -> Connection:
        connection = Connection(WireFormat.JSON, 1_000_000)
        self.hub.attach(connection)
        for pattern in patterns:
            self.hub.subscribe(connection, pattern)
        return connection


async def told(connection: Connection) -> list[dict[str, Any]]:
    async with asyncio.timeout(1):
        return [json.loads(frame) for frame in await connection.take()]


def states(messages: list[dict[str, Any]], provider: str) -> list[str]:
    return [
        message["state"]
        for message in messages
        if message["type"] == "status" and message["provider"] == provider
    ]


def moving(name: str, clock: FakeClock) -> Any:
    prices = iter(range(1, 100_000))
    return lambda symbol: make_quote(
        symbol, str(next(prices)), provider=name, timestamp=clock.now(), received_at=clock.now()
    )
