from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scripted import make_quote
from tickloom.stream import Connection, Demand, Hub, WireFormat
from tickloom.stream.protocol import Pong


def make_hub() -> Hub:
    return Hub("e1", Demand())


def publish(hub: Hub, symbol: str, times: int = 1) -> None:
    for _ in range(times):
        hub.publish(hub.number(make_quote(symbol)))
    hub.flush()


async def messages(connection: Connection) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in await connection.take()]


async def test_a_client_that_keeps_up_gets_every_tick_in_order() -> None:
    hub, connection = make_hub(), Connection(WireFormat.JSON, 1_000_000)
    hub.subscribe(connection, "AAPL")
    publish(hub, "AAPL", 5)

    assert [message["sequence"] for message in await messages(connection)] == [1, 2, 3, 4, 5]


async def test_a_slow_client_gets_the_newest_of_each_symbol_and_is_told_what_it_missed() -> None:
    hub, connection = make_hub(), Connection(WireFormat.JSON, 4_096)
    for symbol in ("AAPL", "MSFT"):
        hub.subscribe(connection, symbol)
    publish(hub, "MSFT")
    publish(hub, "AAPL", 200)
    got = await messages(connection)
    gaps = [message for message in got if message["type"] == "gap"]
    ticks = [message for message in got if message["type"] == "market_data"]

    assert [gap["symbol"] for gap in gaps] == ["AAPL"]
    assert ticks[-1]["sequence"] == 200
    assert {"AAPL", "MSFT"} == {tick["symbol"] for tick in ticks}
    first = next(tick for tick in ticks if tick["symbol"] == "AAPL")
    assert gaps[0]["last_sequence"] == first["sequence"] - 1
    assert gaps[0]["dropped"] + sum(tick["symbol"] == "AAPL" for tick in ticks) == 200
    assert connection.dropped == gaps[0]["dropped"]


async def test_a_gap_comes_before_the_tick_that_follows_it() -> None:
    hub, connection = make_hub(), Connection(WireFormat.JSON, 4_096)
    hub.subscribe(connection, "AAPL")
    publish(hub, "AAPL", 100)
    kinds = [message["type"] for message in await messages(connection)]

    assert kinds[0] == "gap"
    assert kinds.count("gap") == 1


@given(
    st.lists(st.sampled_from(["A", "B", "C"]), max_size=300),
    st.integers(min_value=4_096, max_value=20_000),
    st.sets(st.integers(min_value=0, max_value=299), max_size=5),
)
def test_what_is_delivered_and_what_is_told_as_dropped_add_up(
    symbols: list[str], limit: int, taken_at: set[int]
) -> None:
    async def run() -> None:
        hub, connection = make_hub(), Connection(WireFormat.JSON, limit)
        hub.subscribe(connection, "*")
        seen: dict[str, int] = {}

        async def drain() -> None:
            for message in await messages(connection):
                symbol = message["symbol"]
                if message["type"] == "gap":
                    assert message["last_sequence"] == seen.get(symbol, 0) + message["dropped"]
                    seen[symbol] = message["last_sequence"]
                else:
                    assert message["sequence"] == seen.get(symbol, 0) + 1
                    seen[symbol] = message["sequence"]

        for index, symbol in enumerate(symbols):
            publish(hub, symbol)
            hub.flush()
            assert connection.waiting_bytes <= limit
            if index in taken_at:
                await drain()
        if connection.waiting_bytes:
            await drain()
        assert seen == {symbol: symbols.count(symbol) for symbol in set(symbols)}

    asyncio.run(run())


async def test_answers_go_out_before_waiting_ticks() -> None:
    hub, connection = make_hub(), Connection(WireFormat.JSON, 100_000)
    hub.subscribe(connection, "AAPL")
    publish(hub, "AAPL")
    connection.send(Pong())

    assert [message["type"] for message in await messages(connection)] == ["pong", "market_data"]


async def test_a_client_that_does_not_take_its_answers_is_not_read_from() -> None:
    connection = Connection(WireFormat.JSON, 100_000)
    for _ in range(100):
        connection.send(Pong())
    waiting = asyncio.create_task(connection.caught_up())
    await asyncio.sleep(0)

    assert not waiting.done()

    await connection.take()
    await waiting


async def test_a_tick_is_encoded_once_for_all_its_clients() -> None:
    hub = make_hub()
    clients = [Connection(WireFormat.JSON, 100_000) for _ in range(3)]
    for client in clients:
        hub.subscribe(client, "AAPL")
    publish(hub, "AAPL")
    frames = [(await client.take())[0] for client in clients]

    assert frames[0] is frames[1] is frames[2]


async def test_a_client_with_overlapping_patterns_gets_a_tick_once() -> None:
    hub, connection = make_hub(), Connection(WireFormat.JSON, 100_000)
    for pattern in ("SIM.ACME", "SIM.*", "*"):
        hub.subscribe(connection, pattern)
    publish(hub, "SIM.ACME")

    assert len(await messages(connection)) == 1


async def test_unsubscribed_symbols_leave_the_buffer() -> None:
    hub, connection = make_hub(), Connection(WireFormat.JSON, 100_000)
    hub.subscribe(connection, "AAPL")
    hub.subscribe(connection, "MSFT")
    publish(hub, "AAPL")
    publish(hub, "MSFT")
    hub.unsubscribe(connection, "AAPL")
    connection.forget()

    assert [message["symbol"] for message in await messages(connection)] == ["MSFT"]


async def test_a_connection_that_left_holds_nothing() -> None:
    demand = Demand()
    hub, connection = Hub("e1", demand), Connection(WireFormat.JSON, 100_000)
    hub.attach(connection)
    for pattern in ("AAPL", "SIM.*"):
        hub.subscribe(connection, pattern)

    assert demand.streamed == {"AAPL", "SIM.*"}

    hub.detach(connection)
    hub.detach(connection)
    publish(hub, "AAPL")

    assert demand.streamed == set()
    assert hub.stats()["connected_clients"] == 0
    assert hub.stats()["subscriptions"] == 0
    assert connection.waiting_bytes == 0


async def test_patterns_follow_what_clients_want_from_tick_to_tick() -> None:
    hub = make_hub()
    first, second = (Connection(WireFormat.JSON, 100_000) for _ in range(2))
    for client in (first, second):
        hub.attach(client)
    hub.subscribe(first, "SIM.*")
    publish(hub, "SIM.A")
    hub.subscribe(second, "SIM.A")
    publish(hub, "SIM.A")
    hub.unsubscribe(first, "SIM.*")
    hub.subscribe(first, "*B")
    publish(hub, "SIM.A")
    publish(hub, "SIM.B")
    heard_second = await messages(second)
    hub.detach(second)
    publish(hub, "SIM.A")
    heard = [
        [(m["symbol"], m["sequence"]) for m in found]
        for found in (await messages(first), heard_second)
    ]

    assert heard == [
        [("SIM.A", 1), ("SIM.A", 2), ("SIM.B", 1)],
        [("SIM.A", 2), ("SIM.A", 3)],
    ]
