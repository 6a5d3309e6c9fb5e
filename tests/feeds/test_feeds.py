"""The feeds follow the demand; time is fake, providers are scripted."""

from __future__ import annotations

import asyncio
import json
import random
from types import SimpleNamespace
from typing import Any

import pytest

from scripted import ScriptedProvider, ScriptedStream, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import ProviderUnavailable, UnknownSymbol
from tickloom.feeds import Feeds, Reader, RequestBudget, Router, Source
from tickloom.model import Quote
from tickloom.roles import Budget
from tickloom.settings import FeedSettings, ProviderSettings
from tickloom.stream import Connection, Demand, Hub, WireFormat


class Room:
    def __init__(self, *providers: ScriptedProvider) -> None:
        self.clock = FakeClock()
        self.demand = Demand()
        self.hub = Hub("e1", self.demand)
        self.quotes: list[Quote] = []
        self.confirmed: list[str] = []
        sources = [
            Source(
                provider, self.clock, 5, RequestBudget("p", Budget(), self.clock), random.Random(1)
            )
            for provider in providers
        ]
        router = Router(sources, ProviderSettings(primary="first"))
        self.feeds = Feeds(
            Reader(router),
            self.demand,
            self.hub,
            SimpleNamespace(accept=self.quotes.append, confirm=self.confirmed.append),
            FeedSettings(),
            self.clock,
            random.Random(1),
        )

    def client(self, *patterns: str) -> Connection:
        connection = Connection(WireFormat.JSON, 100_000)
        self.hub.attach(connection)
        for pattern in patterns:
            self.hub.subscribe(connection, pattern)
        return connection

    async def told(self, connection: Connection) -> list[dict[str, Any]]:
        async with asyncio.timeout(1):
            return [json.loads(frame) for frame in await connection.take()]


def stream_of(provider: ScriptedProvider) -> ScriptedStream:
    return provider.streams[-1]


async def test_nothing_is_read_that_nobody_wants() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider, ScriptedProvider("second"))
    await room.feeds.start()
    await room.clock.advance(100)

    assert provider.calls == []
    await room.feeds.stop()


async def test_one_upstream_stream_serves_any_number_of_clients_and_ends_with_the_last() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    await room.feeds.start()
    clients = [room.client("AAPL") for _ in range(5)]
    await room.clock.advance(0)
    stream = stream_of(provider)

    assert len(provider.streams) == 1
    assert stream.symbols == {"AAPL"}

    clients.append(room.client("MSFT"))
    await room.clock.advance(0)

    assert stream.symbols == {"AAPL", "MSFT"}

    for client in clients:
        room.hub.detach(client)
    await room.clock.advance(0)

    assert stream.closed
    await room.feeds.stop()


async def test_a_pattern_is_read_as_the_listed_symbols_that_it_fits() -> None:
    listed = frozenset({"SIM.ACME", "SIM.GLOBEX"})
    provider = ScriptedProvider("sim", has_stream=True, namespace="SIM.", symbols=listed)
    room = Room(provider)
    await room.feeds.start()
    room.client("SIM.*")
    await room.clock.advance(0)

    assert stream_of(provider).symbols == listed
    await room.feeds.stop()


async def test_a_stream_that_breaks_is_opened_again_and_clients_are_told() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    await room.feeds.start()
    client = room.client("AAPL")
    await room.clock.advance(0)
    stream_of(provider).push(make_quote("AAPL", provider="first"))
    await room.clock.advance(0)
    stream_of(provider).fail(ConnectionResetError("reset"))
    await room.clock.advance(0)
    told = await room.told(client)

    assert [message["state"] for message in told if message["type"] == "status"] == ["down"]
    assert told[-1]["provider"] == "first"
    assert told[-1]["symbols"] == ["AAPL"]

    await room.clock.advance(1)
    stream_of(provider).push(make_quote("AAPL", "190", provider="first"))
    await room.clock.advance(0)
    told = await room.told(client)

    assert len(provider.streams) == 2
    assert [message["state"] for message in told if message["type"] == "status"] == ["live"]
    assert len(room.quotes) == 2
    await room.feeds.stop()


async def test_pauses_between_attempts_grow_and_stay_bounded() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    provider.failure = ProviderUnavailable("no")
    room = Room(provider)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(10)
    early = provider.calls.count(("stream",))
    await room.clock.advance(600)

    assert 3 <= early <= 8
    assert 600 / 45 <= provider.calls.count(("stream",)) - early <= 600 / 15 + 8
    await room.feeds.stop()


async def test_streamed_symbols_are_polled_fast_and_watched_ones_slowly() -> None:
    prices = iter(range(1, 1_000))
    provider = ScriptedProvider("first", lambda symbol: make_quote(symbol, str(next(prices))))
    room = Room(provider)
    await room.feeds.start()
    room.client("AAPL")
    room.demand.acquire("MSFT", watch=True)
    await room.clock.advance(59.5)

    symbols = [symbol for call in provider.calls for symbol in call]

    assert symbols.count("AAPL") == 60
    assert symbols.count("MSFT") == 3
    assert len(room.quotes) == 63
    await room.feeds.stop()


async def test_a_poll_that_finds_nothing_new_is_no_tick() -> None:
    provider = ScriptedProvider("first")
    room = Room(provider)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(10)

    assert len(provider.calls) == 11
    assert len(room.quotes) == 1
    assert room.confirmed == ["AAPL"] * 10
    await room.feeds.stop()


async def test_an_unknown_symbol_is_told_once_and_not_asked_for_again() -> None:
    provider = ScriptedProvider("first", {"AAPL": make_quote("AAPL")})
    room = Room(provider)
    await room.feeds.start()
    client = room.client("AAPL", "NOPE")
    await room.clock.advance(5)
    told = await room.told(client)

    assert [(message["code"], message["symbol"]) for message in told] == [(404, "NOPE")]
    assert provider.calls[-1] == ("AAPL",)
    await room.feeds.stop()


async def test_a_provider_that_is_down_is_told_to_those_who_depend_on_it() -> None:
    provider = ScriptedProvider("first")
    provider.failure = ProviderUnavailable("no network")
    room = Room(provider)
    await room.feeds.start()
    client = room.client("AAPL")
    await room.clock.advance(3)
    told = await room.told(client)

    assert told[0]["state"] == "down"
    assert "no network" in told[0]["reason"]
    assert room.feeds.troubles(["AAPL"])[0].state == "down"

    provider.failure = None
    await room.clock.advance(1)

    assert [message["state"] for message in await room.told(client)] == ["live"]
    assert room.feeds.troubles(["AAPL"]) == []
    await room.feeds.stop()


@pytest.mark.parametrize("has_stream", [True, False])
async def test_stopping_leaves_no_task_and_starting_again_serves_the_old_clients(
    has_stream: bool,
) -> None:
    provider = ScriptedProvider("first", has_stream=has_stream)
    room = Room(provider)
    room.client("AAPL")
    await room.feeds.start()
    await room.clock.advance(1)
    await room.feeds.stop()

    assert asyncio.all_tasks() == {asyncio.current_task()}

    calls = len(provider.calls)
    await room.feeds.start()
    await room.clock.advance(1)

    assert len(provider.calls) > calls
    await room.feeds.stop()


async def test_one_providers_trouble_does_not_reach_anothers_symbols() -> None:
    good = ScriptedProvider("good", has_stream=True, symbols=frozenset({"GOOD"}))
    bad = ScriptedProvider("bad", symbols=frozenset({"BAD"}))
    bad.failure = ValueError("broken plugin")
    room = Room(good, bad)
    await room.feeds.start()
    room.client("GOOD", "BAD")
    await room.clock.advance(1)
    stream_of(good).push(make_quote("GOOD", provider="good"))
    await room.clock.advance(1)

    assert [quote.symbol for quote in room.quotes] == ["GOOD"]
    await room.feeds.stop()


async def test_unknown_to_all_is_an_answer_and_no_failure() -> None:
    provider = ScriptedProvider("first", {"X": UnknownSymbol("no")})
    room = Room(provider)
    await room.feeds.start()
    client = room.client("X")
    await room.clock.advance(1)
    told = await room.told(client)

    assert [message["type"] for message in told] == ["error"]
    await room.feeds.stop()


async def test_a_subscription_that_fails_opens_the_stream_anew_with_all_symbols() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    await room.feeds.start()
    client = room.client("AAPL")
    await room.clock.advance(0)
    old = stream_of(provider)

    async def refuse(_: object) -> None:
        raise ConnectionResetError("reset")

    old.subscribe = refuse  # type: ignore[method-assign]
    room.hub.subscribe(client, "MSFT")
    await room.clock.advance(2)
    told = await room.told(client)

    assert old.closed
    assert stream_of(provider).symbols == {"AAPL", "MSFT"}
    assert told[0]["state"] == "down"
    await room.feeds.stop()


async def test_pushed_values_that_were_not_asked_for_or_are_wrong_go_nowhere() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(0)
    stream_of(provider).push(
        make_quote("SIM.ACME"),
        make_quote("AAPL", "NaN"),
        5,  # type: ignore[arg-type]
        make_quote("AAPL", "190"),
    )
    await room.clock.advance(0)

    assert [(quote.symbol, str(quote.current_price)) for quote in room.quotes] == [("AAPL", "190")]
    assert room.feeds.stats()["first"]["refused"] == 2
    await room.feeds.stop()


async def test_a_polled_provider_that_hangs_does_not_hold_up_another() -> None:
    good = ScriptedProvider("good", symbols=frozenset({"GOOD"}))
    bad = ScriptedProvider("bad", symbols=frozenset({"BAD"}))
    bad.gate = asyncio.Event()
    room = Room(good, bad)
    await room.feeds.start()
    room.client("GOOD", "BAD")
    await room.clock.advance(10)

    assert len(good.calls) == 11
    assert len(bad.calls) == 1
    await room.feeds.stop()


async def test_an_unknown_symbol_is_refused_to_the_next_client_and_asked_for_again_later() -> None:
    provider = ScriptedProvider("first", {"AAPL": make_quote("AAPL")})
    room = Room(provider)
    await room.feeds.start()
    room.client("NOPE")
    await room.clock.advance(5)
    refusal = room.feeds.refusal("NOPE")
    calls = len(provider.calls)
    await room.clock.advance(60)

    assert isinstance(refusal, UnknownSymbol)
    assert room.feeds.refusal("AAPL") is None
    assert ("NOPE",) in provider.calls[calls:]
    await room.feeds.stop()


async def test_stopping_is_told_to_those_who_listen() -> None:
    room = Room(ScriptedProvider("first", has_stream=True))
    await room.feeds.start()
    client = room.client("AAPL")
    await room.clock.advance(0)
    await room.feeds.stop()
    told = await room.told(client)

    assert [(message["state"], message["reason"]) for message in told] == [
        ("down", "streaming was stopped")
    ]
    assert room.feeds.stats()["first"]["symbols"] == 0
