"""What clients of one replica see of the others."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from cluster.conftest import SYMBOLS, Fleet, until
from plugged import serving
from scripted import make_quote
from tickloom.stream import Connection


async def heard(connection: Connection, count: int, kind: str = "market_data") -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            messages = [json.loads(frame) for frame in await connection.take()]
            found += [one for one in messages if one["type"] == kind]
    return found


def ticks(messages: list[Any]) -> list[tuple[str, int]]:
    return [(one["epoch"], one["sequence"]) for one in messages]


async def test_a_client_gets_the_ticks_of_a_symbol_that_another_replica_owns(fleet: Fleet) -> None:
    for _ in range(3):
        await fleet.add()
    owner = fleet.owner_of(SYMBOLS[0])
    clients = [one.client(SYMBOLS[0]) for one in fleet.replicas]
    for number in range(20):
        owner.publish(SYMBOLS[0], volume=number)
    everybody = [ticks(await heard(client, 20)) for client in clients]

    assert everybody[0] == everybody[1] == everybody[2]
    assert everybody[0] == [(owner.name, number) for number in range(1, 21)]


async def test_only_the_owner_reads_a_symbol_whoever_wants_it(fleet: Fleet) -> None:
    for _ in range(3):
        await fleet.add()
    fleet.replicas[0].client(*SYMBOLS)

    def read_by() -> list[set[str]]:
        return [
            one.provider.streams[-1].symbols if one.provider.streams else set()
            for one in fleet.replicas
        ]

    await until(lambda: set().union(*read_by()) == set(SYMBOLS))

    assert sum(map(len, read_by())) == len(SYMBOLS)
    for symbol in SYMBOLS:
        assert symbol in fleet.owner_of(symbol).provider.streams[-1].symbols

    for connection in list(fleet.replicas[0].hub.connections):
        fleet.replicas[0].hub.detach(connection)
    await until(
        lambda: all(
            one.provider.streams[-1].closed for one in fleet.replicas if one.provider.streams
        )
    )


async def test_a_newcomer_gets_the_newest_value_that_the_owner_has(fleet: Fleet) -> None:
    first = await fleet.add()
    first.publish(SYMBOLS[0], "7")
    await fleet.add()
    owner = fleet.owner_of(SYMBOLS[0])
    other = fleet.other_than(owner)
    owner.publish(SYMBOLS[1] if owner.owns(SYMBOLS[1]) else SYMBOLS[0], "8")
    client = other.client(*SYMBOLS[:2])
    messages = await heard(client, 1)

    assert messages[0]["type"] == "market_data"


async def test_a_killed_owner_is_replaced_within_its_lease_under_a_new_epoch(fleet: Fleet) -> None:
    for _ in range(3):
        await fleet.add()
    owner = fleet.owner_of(SYMBOLS[0])
    watcher = fleet.other_than(owner)
    client = watcher.client(SYMBOLS[0])
    owner.publish(SYMBOLS[0])
    before = ticks(await heard(client, 1))
    killed = time.monotonic()
    await fleet.remove(owner, owner.die)
    await until(lambda: sum(one.owns(SYMBOLS[0]) for one in fleet.replicas) == 1)
    heir = fleet.owner_of(SYMBOLS[0])
    await until(lambda: owner.name not in heir.members)
    took_s = time.monotonic() - killed
    await fleet.settled()
    heir.publish(SYMBOLS[0])
    after = ticks(await heard(client, 1))

    assert took_s < 2 * fleet.lease_s
    assert before == [(owner.name, 1)]
    assert after == [(heir.hub.epoch_of(SYMBOLS[0]), 1)]
    assert after[0][0] != before[0][0]


async def test_a_replica_that_leaves_is_replaced_at_once(fleet: Fleet) -> None:
    for _ in range(2):
        await fleet.add()
    leaving, staying = fleet.replicas
    await fleet.remove(leaving, leaving.manager.close)
    await until(lambda: staying.members == (staying.name,), limit_s=0.9)

    assert all(staying.owns(symbol) for symbol in SYMBOLS)


async def test_a_symbol_that_comes_back_to_its_first_owner_counts_anew(fleet: Fleet) -> None:
    first = await fleet.add()
    client = first.client(*SYMBOLS)
    for symbol in SYMBOLS:
        first.publish(symbol)
    await heard(client, len(SYMBOLS))
    second = await fleet.add()
    symbol = next(one for one in SYMBOLS if second.owns(one))
    await until(lambda: bool(second.provider.streams))
    second.publish(symbol)
    second.publish(symbol)
    middle = await heard(client, 2)
    await fleet.remove(second, second.manager.close)
    await until(lambda: first.members == (first.name,))
    first.publish(symbol)
    last = await heard(client, 1)
    epochs = [one["epoch"] for one in (*middle, *last)]

    assert epochs[0] == epochs[1] == second.name
    assert epochs[2] not in {first.name, second.name}
    assert [one["sequence"] for one in (*middle, *last)] == [1, 2, 1]


async def test_an_owner_that_comes_back_after_its_lease_counts_anew(fleet: Fleet) -> None:
    for _ in range(3):
        await fleet.add()
    owner = fleet.owner_of(SYMBOLS[0])
    watcher = fleet.other_than(owner)
    theirs, ours = watcher.client(SYMBOLS[0]), owner.client(SYMBOLS[0])
    owner.publish(SYMBOLS[0])
    owner.publish(SYMBOLS[0])
    await heard(theirs, 2)
    # As if its process had been stopped: it does not beat, and notices nothing.
    task = owner.manager.cluster.replicas._task
    assert task is not None
    task.cancel()
    await until(lambda: owner.name not in watcher.members)
    await until(lambda: sum(one.owns(SYMBOLS[0]) for one in fleet.replicas) == 2)
    heir = next(one for one in fleet.replicas if one is not owner and one.owns(SYMBOLS[0]))
    heir.publish(SYMBOLS[0])
    meanwhile = heir.hub.epoch_of(SYMBOLS[0])
    owner.publish(SYMBOLS[0])
    owner.manager.cluster.replicas.start()
    await fleet.settled()
    await asyncio.sleep(0.2)
    owner.publish(SYMBOLS[0])
    again = owner.hub.epoch_of(SYMBOLS[0])

    assert again != owner.name
    assert ticks(await heard(theirs, 2)) == [(meanwhile, 1), (again, 1)]
    assert ticks(await heard(ours, 4)) == [*((owner.name, n) for n in (1, 2, 3)), (again, 1)]


async def test_the_begin_of_an_epoch_that_was_not_heard_is_filled(fleet: Fleet) -> None:
    for _ in range(2):
        await fleet.add()
    owner = fleet.owner_of(SYMBOLS[0])
    watcher = fleet.other_than(owner)
    client = watcher.client(SYMBOLS[0])
    watcher.hub.relay(make_quote(SYMBOLS[0], sequence=7), "older")
    bus, relay = watcher.manager.cluster._bus, watcher.manager.cluster.relay
    assert bus is not None
    assert relay is not None
    # A hole shows by the number that was heard before it.
    await until(lambda: owner.name in relay._numbers)
    with patch.object(bus, "_receive"):
        for _ in range(3):
            owner.publish(SYMBOLS[0])
        await asyncio.sleep(0.2)

    expected = [("older", 7), *((owner.name, number) for number in (1, 2, 3))]
    assert ticks(await heard(client, 4)) == expected


async def test_a_quote_that_is_asked_for_elsewhere_goes_through_its_owner(fleet: Fleet) -> None:
    for _ in range(2):
        await fleet.add()
    owner = fleet.owner_of(SYMBOLS[0])
    asker = fleet.other_than(owner)
    client = owner.client(SYMBOLS[0])
    await owner.provider.streams[-1].aclose() if owner.provider.streams else None
    quote = await asker.manager.get_quote(SYMBOLS[0])
    [tick] = await heard(client, 1)
    await until(lambda: asker.hub.newest(SYMBOLS[0]) is not None)

    assert quote.symbol == SYMBOLS[0]
    assert tick["epoch"] == owner.name
    assert asker.manager.pipeline.accepted == 0


async def test_the_state_of_a_feed_reaches_the_clients_of_all_replicas(fleet: Fleet) -> None:
    for _ in range(2):
        await fleet.add()
    owner = fleet.owner_of(SYMBOLS[0])
    other = fleet.other_than(owner)
    client = other.client(SYMBOLS[0])
    await until(lambda: bool(owner.provider.streams))
    owner.provider.streams[-1].push()
    await asyncio.sleep(0.05)
    owner.provider.failure = ConnectionResetError("reset")
    owner.provider.streams[-1].fail(ConnectionResetError("reset"))
    [status] = (await heard(client, 1, "status"))[:1]

    assert (status["provider"], status["state"]) == ("sim", "down")
    assert status["symbols"] == [SYMBOLS[0]]
    assert other.manager.stream_manager.troubles([SYMBOLS[0]])[0].state == "down"


async def test_health_and_statistics_name_the_replicas(fleet: Fleet) -> None:
    for _ in range(2):
        await fleet.add()
    health = await fleet.replicas[0].manager.health_check()
    stats = fleet.replicas[0].manager.get_system_stats()["streaming"]["cluster"]

    assert health["components"]["cluster"] == {"status": "healthy", "replicas": 2}
    assert stats["members"] == sorted(one.name for one in fleet.replicas)


async def test_closing_leaves_no_task_and_no_key(fleet: Fleet, prefix: str) -> None:
    before = asyncio.all_tasks()
    for _ in range(2):
        await fleet.add()
    fleet.replicas[0].client(*SYMBOLS)
    for replica in fleet.replicas:
        await replica.manager.close()
    fleet.replicas.clear()
    await asyncio.sleep(0.05)

    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("count", [1, 2])
async def test_a_pattern_is_read_by_the_owners_of_what_it_fits(fleet: Fleet, count: int) -> None:
    for _ in range(count):
        await fleet.add()
    fleet.replicas[0].client("SIM.S*")
    await until(
        lambda: (
            sum(
                len(one.provider.streams[-1].symbols)
                for one in fleet.replicas
                if one.provider.streams
            )
            == len(SYMBOLS)
        )
    )


async def test_the_statistics_of_the_stream_name_the_replicas_over_rest(fleet: Fleet) -> None:
    for _ in range(2):
        await fleet.add()
    first = fleet.replicas[0]
    async with serving(first.manager) as address, httpx.AsyncClient() as http:
        answer = await http.get(f"http://{address}/api/v1/market-data/streaming/stats")
    fleet.replicas.remove(first)

    assert answer.json()["cluster"]["replica"] == first.name
    assert len(answer.json()["cluster"]["members"]) == 2
