"""Redis restarted, paused and cut off: the stream goes on, and no hole is silent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.conftest import SYMBOLS, Fleet, Replica, until
from cluster.servers import RedisServer, Wire
from tickloom.stream import Connection

SYMBOL = SYMBOLS[0]


class Reader:
    """Follows one symbol and holds the stream to its word."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._task = asyncio.create_task(self._run())
        self.epochs: list[str] = []
        self.last = 0
        self.seen = 0
        self.gaps = 0
        self.silent_holes = 0

    async def _run(self) -> None:
        while True:
            for frame in await self._connection.take():
                self._take(json.loads(frame))

    def _take(self, message: Any) -> None:
        if message["type"] == "gap":
            self.gaps += 1
            self.last = message["last_sequence"]
        elif message["type"] == "market_data":
            if not self.epochs or self.epochs[-1] != message["epoch"]:
                self.epochs.append(message["epoch"])
                # Only the first of an epoch comes without a gap before it.
                self.silent_holes += message["sequence"] not in {1, self.last + 1}
            else:
                self.silent_holes += message["sequence"] != self.last + 1
            self.last = message["sequence"]
            self.seen += 1

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Ticking:
    """Publishes a symbol at a steady rate, whoever owns it at the moment."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        number = 0
        while True:
            number += 1
            for replica in self._fleet.replicas:
                if replica.owns(SYMBOL):
                    replica.publish(SYMBOL, volume=number)
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path)
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def wire(redis: RedisServer) -> AsyncIterator[Wire]:
    async with Wire(redis.port) as wire:
        yield wire


@pytest.fixture
async def fleet(wire: Wire) -> AsyncIterator[Fleet]:
    fleet = Fleet(f"redis://127.0.0.1:{wire.port}/0", f"t{secrets.token_hex(4)}", lease_s=1.0)
    for _ in range(2):
        await fleet.add()
    yield fleet
    for replica in fleet.replicas:
        await replica.manager.close()


@contextlib.asynccontextmanager
async def following(fleet: Fleet) -> AsyncIterator[list[Reader]]:
    """Give a reader at each replica, of a symbol that ticks a hundred times a second."""
    readers = [Reader(replica.client(SYMBOL)) for replica in fleet.replicas]
    ticking = Ticking(fleet)
    try:
        await until(lambda: all(reader.seen > 5 for reader in readers))
        yield readers
    finally:
        await ticking.close()
        for reader in readers:
            await reader.close()


async def goes_on(fleet: Fleet, readers: list[Reader]) -> None:
    """Wait until the replicas know each other and every reader follows the one owner."""
    await fleet.settled()
    owner = fleet.owner_of(SYMBOL)
    seen = [reader.seen for reader in readers]

    def followed() -> bool:
        newest = owner.hub.newest(SYMBOL)
        return newest is not None and all(
            reader.seen > before + 20 and reader.epochs[-1] == newest.epoch
            for reader, before in zip(readers, seen, strict=True)
        )

    await until(followed)


async def test_a_restarted_redis_leaves_no_silent_hole(fleet: Fleet, redis: RedisServer) -> None:
    async with following(fleet) as readers:
        await redis.kill()
        await asyncio.sleep(0.5)
        await redis.start()
        await goes_on(fleet, readers)

        assert [reader.silent_holes for reader in readers] == [0, 0]


async def test_while_redis_is_away_each_replica_serves_its_own_clients_and_says_so(
    fleet: Fleet, redis: RedisServer
) -> None:
    async with following(fleet) as readers:
        await redis.kill()
        await until(lambda: all(one.manager.cluster.replicas.is_alone for one in fleet.replicas))
        before = [reader.seen for reader in readers]
        await until(lambda: all(r.seen > b + 20 for r, b in zip(readers, before, strict=True)))
        health = await fleet.replicas[0].manager.health_check()
        await redis.start()
        await goes_on(fleet, readers)

        assert health["components"]["cluster"]["status"] == "degraded"
        assert "works alone" in health["components"]["cluster"]["reason"]
        assert [reader.silent_holes for reader in readers] == [0, 0]


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_a_redis_that_hangs_for_ten_seconds_leaves_no_silent_hole(
    fleet: Fleet, redis: RedisServer
) -> None:
    async with following(fleet) as readers:
        redis.pause()
        await asyncio.sleep(10)
        redis.resume()
        await goes_on(fleet, readers)

        assert [reader.silent_holes for reader in readers] == [0, 0]


async def test_cut_connections_are_made_anew_and_leave_no_silent_hole(
    fleet: Fleet, wire: Wire
) -> None:
    async with following(fleet) as readers:
        for _ in range(5):
            await wire.cut()
            await asyncio.sleep(0.2)
        await goes_on(fleet, readers)

        assert [reader.silent_holes for reader in readers] == [0, 0]
        assert all(one.manager.cluster.stats()["bus"]["reconnects"] for one in fleet.replicas)


async def test_a_wire_that_holds_everything_back_is_noticed_by_its_silence(
    fleet: Fleet, wire: Wire
) -> None:
    async with following(fleet) as readers:
        wire.hold()
        await until(
            lambda: not any(one.manager.cluster.stats()["bus"]["up"] for one in fleet.replicas)
        )
        wire.release()
        await goes_on(fleet, readers)

        assert [reader.silent_holes for reader in readers] == [0, 0]


async def test_faults_leave_no_task_behind(fleet: Fleet, wire: Wire, redis: RedisServer) -> None:
    def named() -> list[str]:
        return sorted(
            task.get_name()
            for task in asyncio.all_tasks()
            if task.get_name().startswith(("cluster", "relay"))
        )

    before = named()
    for _ in range(3):
        await wire.cut()
        await asyncio.sleep(0.1)
    await redis.kill()
    await asyncio.sleep(0.3)
    await redis.start()
    await fleet.settled()
    await until(lambda: named() == before)


async def test_a_replica_that_starts_without_redis_joins_when_it_comes(
    tmp_path: Path, redis: RedisServer
) -> None:
    await redis.kill()
    replica = Replica("late", redis.url, lease_s=1.0)
    await replica.start()
    client = replica.client(SYMBOL)
    replica.publish(SYMBOL)

    assert json.loads((await client.take())[-1])["sequence"] == 1

    await redis.start()
    await until(lambda: not replica.manager.cluster.replicas.is_alone)
    replica.publish(SYMBOL)
    sequence = json.loads((await client.take())[-1])["sequence"]
    await replica.manager.close()

    assert sequence == 2
