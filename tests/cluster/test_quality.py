"""What is released, and what is wrong with the data, over two replicas with one database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from cluster.conftest import URL, until
from databases import Database
from quality.keeping import keeping
from scripted import EVERYTHING, NOON, ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager
from tickloom.quality import page_of
from tickloom.stream import Connection, WireFormat

SYMBOL = "AAPL"


class Pair:
    """Two managers that share a database and a Redis; one of them owns the symbol."""

    def __init__(self, managers: list[MarketDataManager]) -> None:
        self.managers = managers
        self.owner, self.other = sorted(
            managers, key=lambda one: not one.cluster.replicas.owns(SYMBOL)
        )
        self._heard: list[list[Any]] = [[], []]
        self._taking = [
            asyncio.create_task(self._take(client_of(manager), heard))
            for manager, heard in zip((self.owner, self.other), self._heard, strict=True)
        ]

    async def _take(self, client: Connection, heard: list[Any]) -> None:
        while True:
            heard += [json.loads(frame) for frame in await client.take()]

    async def heard(self, kind: str) -> list[list[Any]]:
        """Return what the clients of both have heard, once nothing more is on its way."""

        def found() -> list[list[Any]]:
            return [[one for one in heard if one["type"] == kind] for heard in self._heard]

        await until(lambda: all(found()))
        # A second one would come as fast as the first.
        await asyncio.sleep(0.2)
        taken = found()
        for heard in self._heard:
            heard.clear()
        return taken

    async def aclose(self) -> None:
        for task in self._taking:
            task.cancel()
        await asyncio.gather(*self._taking, return_exceptions=True)


def client_of(manager: MarketDataManager) -> Connection:
    connection = Connection(WireFormat.JSON, 10_000_000, clock=manager.clock)
    hub = manager.stream_manager.hub
    hub.attach(connection)
    hub.subscribe(connection, SYMBOL)
    return connection


@pytest.fixture
async def pair(database: Database, prefix: str) -> AsyncIterator[Pair]:
    managers = [
        keeping(
            database.url,
            ScriptedProvider("scripted", **EVERYTHING),
            redis={"url": URL, "prefix": prefix},
            feeds={"real_time_update_interval_s": 3_600.0},
        )
        for _ in range(2)
    ]
    async with AsyncExitStack() as stack:
        for manager in managers:
            await stack.enter_async_context(manager)

        def joined() -> bool:
            clusters = [one.cluster for one in managers]
            return all(
                len(one.replicas.view.members) == 2 and one.stats()["bus"]["up"] for one in clusters
            )

        await until(joined)
        pair = Pair(managers)
        stack.push_async_callback(pair.aclose)
        yield pair


async def kept_back(manager: MarketDataManager, **fields: Any) -> str:
    assert manager.pipeline.accept(make_quote(SYMBOL, **fields)) is None
    [row] = (await manager.quality.quarantine.held(page_of(10))).rows
    return row.id


async def stored(pair: Pair, database: Database) -> list[dict[str, Any]]:
    for manager in pair.managers:
        await manager.writer.flush()
    return await database.rows()


@pytest.mark.parametrize("releases", ["owner", "other"])
@pytest.mark.parametrize("keeps", ["owner", "other"])
async def test_a_release_on_either_replica_reaches_the_clients_of_both_exactly_once(
    pair: Pair, database: Database, keeps: str, releases: str
) -> None:
    row = await kept_back(getattr(pair, keeps))
    await getattr(pair, releases).quality.quarantine.release(row, "me")
    ours, theirs = await pair.heard("market_data")

    assert [one["sequence"] for one in ours] == [1]
    assert ours == theirs
    assert ours[0]["data"]["quality_codes"] == ["released"]
    assert [one["quality_codes"] for one in await stored(pair, database)] == [["released"]]


async def test_a_row_that_is_released_on_both_at_once_goes_on_once(pair: Pair) -> None:
    row = await kept_back(pair.other)
    await asyncio.gather(*(one.quality.quarantine.release(row, "me") for one in pair.managers))
    heard = await pair.heard("market_data")
    assert [len(one) for one in heard] == [1, 1]
    assert sum(one.quality.quarantine.released for one in pair.managers) == 1


async def test_an_old_quote_released_on_a_replica_that_does_not_know_the_newest_is_only_stored(
    pair: Pair, database: Database
) -> None:
    row = await kept_back(pair.other)
    newer = NOON + timedelta(seconds=1)
    pair.owner.pipeline.accept(make_quote(SYMBOL, "50", timestamp=newer))
    await pair.heard("market_data")
    await pair.other.cache_manager.invalidate(SYMBOL)
    await pair.other.quality.quarantine.release(row, "me")
    pair.owner.pipeline.accept(make_quote(SYMBOL, "51", timestamp=newer + timedelta(seconds=1)))
    ours, theirs = await pair.heard("market_data")

    assert [one["data"]["current_price"] for one in ours] == [51]
    assert ours == theirs

    async def all_stored() -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            while len(rows := await stored(pair, database)) < 3:
                await asyncio.sleep(0.02)
        return rows

    first, *_ = await all_stored()
    assert (first["timestamp"], first["quality_codes"]) == (NOON, ["released"])


@pytest.mark.parametrize("tells", ["owner", "other"])
async def test_a_system_alert_of_either_replica_reaches_the_clients_of_both(
    pair: Pair, tells: str
) -> None:
    alerts = getattr(pair, tells).alerts
    alerts.begin("bad-data scripted", "it is no good", [SYMBOL], "scripted")
    alerts.begin("bad-data scripted", "it is no good", [SYMBOL], "scripted")
    begun = await pair.heard("status")
    alerts.end("bad-data scripted")
    over = await pair.heard("status")

    assert [[one["reason"] for one in heard] for heard in begun] == [["it is no good"]] * 2
    assert [[one["reason"] for one in heard] for heard in over] == [["no more: it is no good"]] * 2


async def test_an_alert_does_not_hide_that_a_feed_of_that_replica_is_down(pair: Pair) -> None:
    relay, heard = pair.owner.cluster.relay, pair.other.cluster.relay
    assert relay is not None
    assert heard is not None
    relay.publish_status("scripted", "down", NOON, [SYMBOL], "it hangs")
    await until(lambda: bool(heard.troubles([SYMBOL])))
    pair.owner.alerts.begin("bad-data scripted", "it is no good", [SYMBOL], "scripted")
    await pair.heard("status")
    assert [one.state for one in heard.troubles([SYMBOL])] == ["down"]
