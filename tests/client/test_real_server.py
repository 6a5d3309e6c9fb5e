"""The client and the server, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from client.servers import QuickClock, until
from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.app import create_app
from tickloom.client import Client, Connected, Failure, Gap, LiveBar, Status, Stream
from tickloom.errors import (
    InvalidDates,
    InvalidSymbol,
    NotAuthenticated,
    NotFound,
    ProviderUnavailable,
    RateLimited,
    RequestError,
    ServerUnavailable,
    TickloomError,
    UnknownSymbol,
)
from tickloom.manager import MarketDataManager
from tickloom.roles import Secret
from tickloom.settings import RingSettings
from tickloom.stream.transport import StreamProtocol

SYMBOLS = [f"SIM.S{number}" for number in range(5)]


def provider_of() -> ScriptedProvider:
    return ScriptedProvider("sim", namespace="SIM.", symbols=frozenset(SYMBOLS), **EVERYTHING)


def publish(manager: MarketDataManager, symbol: str = SYMBOLS[0], **fields: Any) -> None:
    manager.pipeline.accept(make_quote(symbol, provider="sim", **fields))


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[MarketDataManager, Client]]:
    tables = options.pop("tables", {})
    manager = manager_of(provider_of(), **tables)
    async with serving(manager) as address, Client(f"ws://{address}/", **options) as client:
        yield manager, client


async def take(stream: Stream[Any], count: int) -> list[Any]:
    async with asyncio.timeout(10):
        return [await anext(stream) for _ in range(count)]


@asynccontextmanager
async def at_port(port: int, manager: MarketDataManager) -> AsyncIterator[None]:
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        create_app(manager),
        ws=StreamProtocol,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        log_config=None,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 10)
        listener.close()


@pytest.mark.parametrize("wire", ["json", "msgpack"])
async def test_prices_come_typed_and_in_order(wire: Any) -> None:
    async with running(wire=wire) as (manager, client), client.stream(["SIM.*"]) as ticks:
        await asyncio.sleep(0.05)
        for number in range(200):
            publish(manager, SYMBOLS[number % 5], price=f"1.{number}", volume=number)
        found = await take(ticks, 200)

    assert [one.quote.volume for one in found] == list(range(200))
    assert [one.quote.current_price for one in found[:20]] == [
        Decimal(f"1.{number}") for number in range(20)
    ]
    assert ticks.missed == 0


async def test_interval_and_fields_reach_the_server() -> None:
    async with running() as (manager, client):
        fields = ["volume", "market_state"]
        async with client.stream(["SIM.*"], interval_ms=200, fields=fields) as ticks:
            await asyncio.sleep(0.05)
            for number in range(5):
                publish(manager, volume=number)
            first, last = await take(ticks, 2)

    assert (first.quote.volume, last.quote.volume) == (0, 4)
    assert (last.skipped, last.quote.current_price, ticks.missed) == (3, None, 0)


async def test_a_restart_on_the_same_port_is_survived_and_told(unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}"
    gaps: list[Gap] = []
    connections: list[Any] = []
    async with Client(url, clock=QuickClock()) as client:
        first = manager_of(provider_of())
        async with at_port(unused_tcp_port, first):
            ticks = client.stream(["SIM.*"])
            ticks.on_gap, ticks.on_connection = gaps.append, connections.append
            await ticks.__aenter__()
            await asyncio.sleep(0.05)
            publish(first)
            publish(first)
            before = await take(ticks, 2)
        second = manager_of(provider_of())
        async with at_port(unused_tcp_port, second):
            taking = asyncio.ensure_future(take(ticks, 2))
            await until(lambda: isinstance(connections[-1], Connected) and len(connections) > 2)
            await asyncio.sleep(0.05)
            publish(second)
            publish(second)
            after = await taking
            await ticks.aclose()

    assert [one.sequence for one in before + after] == [1, 2, 1, 2]
    assert len({one.epoch for one in before + after}) == 2
    assert [(gap.symbol, gap.cause) for gap in gaps] == [(SYMBOLS[0], "restart")]
    assert connections[1].code == 1012


async def test_a_cut_connection_misses_nothing_that_the_server_still_has() -> None:
    async with (
        running(clock=QuickClock()) as (manager, client),
        client.stream([SYMBOLS[0], "SIM.*"]) as ticks,
    ):
        publish(manager)
        publish(manager, SYMBOLS[1])
        found = await take(ticks, 2)
        for number in range(1, 21):
            [link] = client._links
            assert link._socket is not None
            link._socket.transport.abort()
            for _ in range(number):
                publish(manager)
            publish(manager, SYMBOLS[1])
            found += await take(ticks, number + 1)

    for symbol in SYMBOLS[:2]:
        numbers = [one.sequence for one in found if one.symbol == symbol]
        assert numbers == list(range(1, len(numbers) + 1))
    assert (len(found), ticks.missed) == (232, 0)


async def test_a_user_who_is_behind_is_told_what_the_server_left_out() -> None:
    tables = {"stream": {"buffer_bytes": 4_096}}
    gaps: list[Gap] = []
    last: dict[str, int] = {}
    total, received = 30_000, 0
    async with (
        running(tables=tables) as (manager, client),
        client.stream(["SIM.*"], buffer=10) as ticks,
        asyncio.timeout(20),
    ):
        ticks.on_gap = gaps.append
        await asyncio.sleep(0.05)
        for number in range(total):
            publish(manager, SYMBOLS[number % 5], volume=number)
            if number % 500 == 0:
                await asyncio.sleep(0)
        async for one in ticks:
            assert one.sequence > last.get(one.symbol, 0)
            last[one.symbol] = one.sequence
            received += 1
            if set(last.values()) == {total // 5}:
                break

    assert gaps
    assert {gap.cause for gap in gaps} == {"server"}
    assert received + ticks.missed == total


async def test_a_user_who_reads_nothing_is_cut_off_comes_back_and_is_told() -> None:
    tables = {"stream": {"buffer_bytes": 4_096, "write_timeout_s": 0.4}}
    last: dict[str, int] = {}
    total, received = 40_000, 0
    async with (
        running(tables=tables, clock=QuickClock()) as (manager, client),
        client.stream(["SIM.*"], buffer=10) as ticks,
        asyncio.timeout(30),
    ):
        connections: list[Any] = []
        ticks.on_connection = connections.append
        await asyncio.sleep(0.05)
        for number in range(total):
            publish(manager, SYMBOLS[number % 5], volume=number)
            if number % 500 == 0:
                await asyncio.sleep(0)
        await until(lambda: manager.stream_manager.hub.stats()["connected_clients"] == 0)
        async for one in ticks:
            assert one.sequence > last.get(one.symbol, 0)
            last[one.symbol] = one.sequence
            received += 1
            if set(last.values()) == {total // 5}:
                break

    assert [type(one).__name__ for one in connections] == ["Connected", "Disconnected", "Connected"]
    assert received + ticks.missed == total


async def test_a_second_stream_begins_with_the_newest_price() -> None:
    async with running() as (manager, client), client.stream(["SIM.*"]) as first:
        await asyncio.sleep(0.05)
        publish(manager)
        publish(manager)
        assert [one.sequence for one in await take(first, 2)] == [1, 2]
        async with client.stream([SYMBOLS[0]]) as second:
            publish(manager)
            assert [one.sequence for one in await take(second, 2)] == [2, 3]
        assert [one.sequence for one in await take(first, 1)] == [3]


async def test_what_nobody_wants_any_more_is_given_back() -> None:
    async with running() as (manager, client):
        async with client.stream(SYMBOLS[:2]) as first:
            async with client.stream(SYMBOLS[1:3]):
                await until(lambda: len(manager.stream_manager.hub.stats()) > 0)
                await until(lambda: manager.stream_manager.hub.stats()["subscriptions"] == 3)
            await until(lambda: manager.stream_manager.hub.stats()["subscriptions"] == 2)
            await first.remove(SYMBOLS[0])
            await until(lambda: manager.stream_manager.hub.stats()["subscriptions"] == 1)
        await until(lambda: manager.stream_manager.hub.stats()["connected_clients"] == 0)


async def test_a_refused_symbol_and_a_wrong_field_are_told() -> None:
    async with running() as (_, client):
        async with client.stream([SYMBOLS[0], "NOPE"]) as ticks:
            async for event in ticks.events():
                if isinstance(event, Failure):
                    assert (event.symbol, event.code) == ("NOPE", 404)
                    break
        async with client.stream(["NOPE"]) as ticks:
            with pytest.raises(NotFound, match="no provider serves NOPE"):
                await take(ticks, 1)
        async with client.stream([SYMBOLS[0]], fields=["colour"]) as ticks:
            with pytest.raises(RequestError, match="unknown field"):
                await take(ticks, 1)


async def test_feeds_that_are_down_are_told() -> None:
    told: list[Status] = []
    async with running() as (manager, client), client.stream([SYMBOLS[0]]) as ticks:
        ticks.on_status = told.append
        hub = manager.stream_manager.hub
        await until(lambda: hub.stats()["subscriptions"] == 1)
        hub.publish_status("sim", "stale", manager.clock.now(), SYMBOLS)
        publish(manager)
        await take(ticks, 1)
    assert ("stale", [SYMBOLS[0]]) in [(status.state, status.symbols) for status in told]


async def test_since_brings_what_was_stored_and_goes_on(tmp_path: Path) -> None:
    begin = datetime(2026, 1, 2, 17, tzinfo=UTC)

    def publish_at(second: int) -> None:
        publish(manager, timestamp=begin + timedelta(seconds=second))

    tables = {
        "database": {"url": f"sqlite:///{tmp_path}/quotes.db"},
        "stream": {"ring": RingSettings(count=2)},
    }
    async with running(tables=tables) as (manager, client):
        for second in range(50):
            publish_at(second)
        async with client.stream([SYMBOLS[0]], since=begin) as ticks:
            found = await take(ticks, 50)
            for second in range(50, 60):
                publish_at(second)
            found += await take(ticks, 10)

    assert [one.sequence for one in found] == list(range(1, 61))
    assert (found[0].stored, found[-1].stored, ticks.missed) == (True, False, 0)


async def test_bars_reach_their_callback() -> None:
    bars: list[LiveBar] = []
    async with (
        running() as (manager, client),
        client.stream([SYMBOLS[0]], channels=["quotes", "bars.1m"]) as ticks,
    ):
        ticks.on_bar = bars.append
        await asyncio.sleep(0.05)
        publish(manager, timestamp=manager.clock.now())
        taking = asyncio.ensure_future(take(ticks, 2))
        await until(lambda: bool(bars))
        taking.cancel()

    assert (bars[0].symbol, bars[0].interval, bars[0].close) == (
        SYMBOLS[0],
        "1m",
        Decimal("189.41"),
    )


KEYED: dict[str, Any] = {"auth": {"mode": "keys", "keys": {"alice": Secret("s3cret")}}}


@pytest.mark.parametrize("authentication", ["header", "message"])
async def test_both_ways_of_authentication_are_taken(authentication: Any) -> None:
    options = {"tables": KEYED, "authentication": authentication, "api_key": "s3cret"}
    async with running(**options) as (manager, client):
        async with client.stream([SYMBOLS[0]]) as ticks:
            publish(manager)
            assert (await take(ticks, 1))[0].sequence == 1
        assert (await client.quote(SYMBOLS[0])).symbol == SYMBOLS[0]


async def test_a_key_that_is_not_known_is_refused_everywhere() -> None:
    async with running(tables=KEYED, api_key="other") as (_, client):
        with pytest.raises(NotAuthenticated, match="does not know the key"):
            async with client.stream([SYMBOLS[0]]):
                pass
        with pytest.raises(NotAuthenticated):
            await client.quote(SYMBOLS[0])


async def test_questions_have_typed_answers() -> None:
    async with running() as (_, client):
        quote = await client.quote("sim.s0")
        quotes = await client.quotes([SYMBOLS[1], "NOPE"])
        history = await client.history(SYMBOLS[0], date(2026, 1, 1), date(2026, 1, 2))
        company = await client.company(SYMBOLS[0])
        matches = await client.search("acme", 3)

    assert (quote.symbol, quote.current_price) == (SYMBOLS[0], Decimal("189.41"))
    assert [one.symbol for one in quotes] == [SYMBOLS[1]]
    assert isinstance(quotes.errors["NOPE"], UnknownSymbol)
    assert history.data_points[0].close_price == Decimal("189.41")
    assert company.name == "Scripted Inc"
    assert [match.symbol for match in matches] == ["S0", "S1", "S2"]


async def test_questions_fail_with_the_errors_of_the_server() -> None:
    async with running() as (_, client):
        with pytest.raises(UnknownSymbol, match="no provider serves NOPE"):
            await client.quote("NOPE")
        with pytest.raises(InvalidDates) as caught:
            await client.history(SYMBOLS[0], date(2026, 1, 3), date(2026, 1, 2))
        with pytest.raises(InvalidSymbol):
            await client.quote("a/b")
    assert caught.value.found == "2026-01-03 to 2026-01-02"


async def test_a_question_to_nobody_is_an_error_that_says_where(unused_tcp_port: int) -> None:
    async with Client(f"http://127.0.0.1:{unused_tcp_port}", api_key="s3cret") as client:
        with pytest.raises(ServerUnavailable, match="no tickloom server answers") as caught:
            await client.quote("A")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, '{"code":"rate-limited","detail":"slowly","retry_after_s":7}', RateLimited),
        (503, '{"code":"provider-unavailable","detail":"away"}', ProviderUnavailable),
        (500, '{"code":"internal","detail":"oh"}', ServerUnavailable),
        (502, "<html>", ServerUnavailable),
        (404, "", NotFound),
        (418, '{"code":"new-code","detail":"tea"}', RequestError),
        (200, '{"symbol":1}', ServerUnavailable),
        (200, "not json", ServerUnavailable),
    ],
)
async def test_any_answer_is_a_value_or_an_error_of_ours(
    status: int, body: str, kind: type[TickloomError]
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=body))
    async with httpx.AsyncClient(transport=transport) as http, Client(http=http) as client:
        with pytest.raises(TickloomError) as caught:
            await client.quote("A")
    assert type(caught.value) is kind
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after_s == 7
