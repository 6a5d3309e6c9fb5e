"""Replicas in one process, over a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from plugged import manager_of
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager
from tickloom.model import Quote
from tickloom.stream import Connection, WireFormat

URL = "redis://127.0.0.1:6379/0"
SYMBOLS = [f"SIM.S{number}" for number in range(12)]


class Replica:
    """A manager with a scripted provider, and a client of it."""

    def __init__(self, prefix: str, url: str, lease_s: float) -> None:
        self.provider = ScriptedProvider(
            "sim", namespace="SIM.", symbols=frozenset(SYMBOLS), **EVERYTHING
        )
        self.manager: MarketDataManager = manager_of(
            self.provider,
            redis={"url": url, "prefix": prefix, "timeout_s": 0.5},
            cluster={"lease_s": lease_s},
        )
        self.hub = self.manager.stream_manager.hub
        self.name = self.hub.epoch

    @property
    def members(self) -> tuple[str, ...]:
        return self.manager.cluster.replicas.view.members

    def owns(self, symbol: str) -> bool:
        return self.manager.cluster.replicas.owns(symbol)

    async def start(self) -> None:
        await self.manager.initialize()
        await self.manager.start_streaming()

    def client(self, *patterns: str) -> Connection:
        connection = Connection(WireFormat.JSON, 10_000_000, clock=self.manager.clock)
        self.hub.attach(connection)
        for pattern in patterns:
            self.hub.subscribe(connection, pattern)
        return connection

    def publish(self, symbol: str, price: str = "10", **fields: Any) -> Quote | None:
        """Accept a quote as a feed of this replica would."""
        quote = make_quote(symbol, price, provider="sim", **fields)
        return self.manager.pipeline.accept(quote)

    async def die(self) -> None:
        """End without a word to the others, like a killed process."""
        cluster = self.manager.cluster
        cluster.replicas.is_alone = True
        await self.manager.close()


class Fleet:
    """Several replicas of one deployment."""

    def __init__(self, url: str, prefix: str, lease_s: float) -> None:
        self.url = url
        self.prefix = prefix
        self.lease_s = lease_s
        self.replicas: list[Replica] = []

    async def add(self) -> Replica:
        replica = Replica(self.prefix, self.url, self.lease_s)
        self.replicas.append(replica)
        await replica.start()
        await self.settled()
        return replica

    async def settled(self) -> None:
        """Wait until all know each other and the bus is up."""

        def known() -> bool:
            names = tuple(sorted(one.name for one in self.replicas))
            return all(
                one.members == names and one.manager.cluster.stats()["bus"]["up"]
                for one in self.replicas
            )

        await until(known)

    def owner_of(self, symbol: str) -> Replica:
        [owner] = [one for one in self.replicas if one.owns(symbol)]
        return owner

    def other_than(self, owner: Replica) -> Replica:
        return next(one for one in self.replicas if one is not owner)

    async def remove(self, replica: Replica, leave: Callable[[], Awaitable[None]]) -> None:
        self.replicas.remove(replica)
        await leave()


async def until(true: Callable[[], bool], limit_s: float = 10.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
async def prefix() -> AsyncIterator[str]:
    client: Redis = Redis.from_url(URL)
    try:
        await client.ping()
    except (RedisError, OSError):
        await client.aclose()
        pytest.skip("no Redis on 127.0.0.1:6379")
    name = f"test-{secrets.token_hex(6)}"
    yield name
    for key in [key async for key in client.scan_iter(f"{name}*")]:
        await client.delete(key)
    await client.aclose()


@pytest.fixture
async def fleet(prefix: str) -> AsyncIterator[Fleet]:
    fleet = Fleet(URL, prefix, lease_s=1.0)
    yield fleet
    for replica in fleet.replicas:
        with contextlib.suppress(RedisError, OSError):
            await replica.manager.close()
