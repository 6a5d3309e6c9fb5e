"""What happens when a provider goes away, falls silent, or allows little; time is fake."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from scripted import ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import ProviderUnavailable, RateLimited
from tickloom.feeds import Feeds, Reader, RequestBudget, Router, Sessions, Source
from tickloom.feeds.sessions import Hours
from tickloom.model import Quote
from tickloom.roles import Budget
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


async def test_symbols_move_to_the_next_provider_and_back_and_clients_are_told() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")
    room = Room(first, second)
    first.answers, second.answers = moving("first", room.clock), moving("second", room.clock)
    await room.feeds.start()
    client = room.client("AAPL", "MSFT")
    await room.clock.advance(5)
    assert {quote.provider for quote in room.quotes} == {"first"}

    first.failure = ProviderUnavailable("killed")
    room.quotes.clear()
    await room.clock.advance(3)
    assert {quote.symbol for quote in room.quotes} == {"AAPL", "MSFT"}
    assert all(quote.provider == "second" for quote in room.quotes)
    assert all(quote.fallback_from == "first" for quote in room.quotes)
    assert all("killed" in (quote.fallback_reason or "") for quote in room.quotes)
    assert states(await told(client), "first") == ["down"]

    first.failure = None
    await room.clock.advance(10)
    room.quotes.clear()
    await room.clock.advance(2)
    assert {quote.provider for quote in room.quotes} == {"first"}
    assert all(quote.fallback_from is None for quote in room.quotes)
    assert states(await told(client), "first") == ["live"]
    await room.feeds.stop()


async def test_the_stream_of_the_next_provider_stands_in_and_says_for_whom() -> None:
    first = ScriptedProvider("first", has_stream=True)
    second = ScriptedProvider("second", has_stream=True)
    room = Room(first, second)
    first.answers, second.answers = moving("first", room.clock), moving("second", room.clock)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(1)
    assert second.streams == []

    first.failure = ProviderUnavailable("killed")
    first.streams[-1].fail(ConnectionResetError("reset"))
    await room.clock.advance(8)
    assert second.streams[-1].symbols == {"AAPL"}

    room.quotes.clear()
    second.streams[-1].push(
        make_quote("AAPL", "7.5", provider="second", timestamp=room.clock.now())
    )
    await room.clock.advance(0)
    [quote] = room.quotes
    assert (quote.provider, quote.fallback_from) == ("second", "first")
    assert "killed" in (quote.fallback_reason or "")
    # What the stream brings is asked for only to learn whether the first is back.
    calls = len(second.calls)
    await room.clock.advance(25)
    assert len(second.calls) <= calls + 6

    first.failure = None
    await room.clock.advance(130)
    assert second.streams[-1].closed
    room.quotes.clear()
    first.streams[-1].push(make_quote("AAPL", provider="first", timestamp=room.clock.now()))
    await room.clock.advance(0)
    assert [(one.provider, one.fallback_from) for one in room.quotes] == [("first", None)]
    await room.feeds.stop()


async def test_a_dead_provider_is_left_in_peace_but_for_single_probes() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")
    room = Room(first, second)
    first.failure = ProviderUnavailable("killed")
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(600)

    assert len(first.calls) < 60
    assert len(second.calls) > 590
    await room.feeds.stop()


async def test_polls_take_over_from_a_broken_stream_and_give_back() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    provider.answers = moving("first", room.clock)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(0)
    provider.streams[-1].push(make_quote("AAPL", provider="first"))
    await room.clock.advance(5)
    assert ("AAPL",) not in provider.calls

    broken = provider.open_stream
    provider.open_stream = lambda: _raise(ProviderUnavailable("no stream"))  # type: ignore[method-assign]
    provider.streams[-1].fail(ConnectionResetError("reset"))
    await room.clock.advance(5)
    assert 3 <= provider.calls.count(("AAPL",)) <= 6

    provider.open_stream = broken  # type: ignore[method-assign]
    await room.clock.advance(30)
    provider.streams[-1].push(make_quote("AAPL", provider="first", timestamp=room.clock.now()))
    await room.clock.advance(1)
    polls = provider.calls.count(("AAPL",))
    await room.clock.advance(5)
    assert provider.calls.count(("AAPL",)) == polls
    await room.feeds.stop()


async def _raise(error: Exception) -> Any:
    raise error


async def test_a_quiet_symbol_of_a_stream_is_asked_for_soon_and_then_seldom() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    await room.feeds.start()
    room.client("AAPL", "MSFT")
    await room.clock.advance(5)
    assert [quote.symbol for quote in room.quotes] == ["AAPL", "MSFT"]

    for _ in range(50):
        provider.streams[-1].push(make_quote("AAPL", provider="first"))
        await room.clock.advance(1)
    assert sum("MSFT" in call for call in provider.calls) == 2
    assert sum("AAPL" in call for call in provider.calls) == 1
    await room.feeds.stop()


async def test_a_silent_stream_is_stale_opened_anew_and_polled_meanwhile() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    provider.answers = moving("first", room.clock)
    await room.feeds.start()
    client = room.client("AAPL")
    await room.clock.advance(0)
    provider.streams[-1].push(make_quote("AAPL", provider="first"))
    await room.clock.advance(70)

    assert len(provider.streams) == 2
    assert provider.streams[0].closed
    assert states(await told(client), "first")[0] == "stale"
    assert provider.calls.count(("AAPL",)) >= 5
    await room.feeds.stop()


async def test_a_polled_value_older_than_the_streams_is_not_published_after_it() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    early, late = room.clock.now() - timedelta(seconds=5), room.clock.now()
    provider.answers = lambda symbol: make_quote(symbol, "1", provider="first", timestamp=early)
    await room.feeds.start()
    room.client("AAPL", "MSFT")
    await room.clock.advance(0)
    provider.streams[-1].push(make_quote("AAPL", "2", provider="first", timestamp=late))
    await room.clock.advance(59)

    assert any("AAPL" in call for call in provider.calls)
    assert [quote.current_price for quote in room.quotes if quote.symbol == "AAPL"] == [2]
    await room.feeds.stop()


async def test_a_streamed_value_of_the_future_does_not_hold_back_later_polls() -> None:
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider)
    provider.answers = moving("first", room.clock)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(0)
    ahead = room.clock.now() + timedelta(days=900)
    provider.streams[-1].push(make_quote("AAPL", "7", provider="first", timestamp=ahead))
    await room.clock.advance(1)
    provider.streams[-1].fail(ProviderUnavailable("reset"))
    room.quotes.clear()
    await room.clock.advance(10)

    assert room.quotes
    await room.feeds.stop()


async def test_500_symbols_on_five_calls_a_minute_keep_the_budget_and_starve_nobody() -> None:
    provider = ScriptedProvider("first", max_batch=1, budget=Budget(per_minute=5))
    room = Room(provider)
    times: list[float] = []
    answer = moving("first", room.clock)

    def answers(symbol: str) -> Quote:
        times.append(room.clock.monotonic())
        quote: Quote = answer(symbol)
        return quote

    provider.answers = answers
    await room.feeds.start()
    for number in range(500):
        room.demand.acquire(f"S{number}", watch=True)
    await room.clock.advance(101 * 60)
    first_pass = Counter(quote.symbol for quote in room.quotes)
    assert len(first_pass) == 500

    await room.clock.advance(2.2 * 101 * 60)
    counts = Counter(quote.symbol for quote in room.quotes)
    assert min(counts.values()) >= 2
    assert max(counts.values()) - min(counts.values()) <= 1
    for number in range(len(times) - 5):
        assert times[number + 5] - times[number] >= 60 - 0.001
    await room.feeds.stop()


async def test_polls_leave_room_in_a_budget_for_somebody_who_asks() -> None:
    provider = ScriptedProvider("first", budget=Budget(per_minute=10))
    room = Room(provider)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(300)

    assert 35 <= len(provider.calls) <= 42
    asked = asyncio.create_task(room.sources[0].quotes(["MSFT"]))
    await room.clock.advance(4)
    assert isinstance((await asked)["MSFT"], Quote)
    await room.feeds.stop()


async def test_a_vendors_wish_to_be_left_alone_is_obeyed() -> None:
    provider = ScriptedProvider("first")
    room = Room(provider)
    provider.failure = RateLimited("slow down", retry_after_s=50)
    await room.feeds.start()
    room.client("AAPL")
    await room.clock.advance(49)
    assert len(provider.calls) == 1

    provider.failure = None
    await room.clock.advance(5)
    assert len(provider.calls) >= 3
    await room.feeds.stop()


def closed_from(close: datetime, before_s: float = 300) -> Sessions:
    clock = FakeClock(close - timedelta(seconds=before_s))
    opens = [(close - timedelta(hours=6)).timestamp(), (close + timedelta(hours=18)).timestamp()]
    closes = [close.timestamp(), (close + timedelta(hours=24)).timestamp()]
    return Sessions(clock, lambda mic, now: Hours(opens, closes, now + timedelta(days=30)))


async def test_a_closed_venue_is_asked_once_more_and_then_left_alone_until_it_opens() -> None:
    sessions = closed_from(datetime(2026, 1, 15, 21, tzinfo=UTC))
    provider = ScriptedProvider("first")
    room = Room(provider, sessions=sessions)
    provider.answers = moving("first", room.clock)
    await room.feeds.start()
    client = room.client("AAPL")
    await room.clock.advance(5 * 60 + 5)
    while_open = len(provider.calls)
    assert while_open >= 290
    assert states(await told(client), "first") == ["closed"]

    await room.clock.advance(3600)
    assert len(provider.calls) == while_open + 1
    await room.clock.advance(17.5 * 3600)
    assert len(provider.calls) > while_open + 100
    assert states(await told(client), "first") == ["live"]
    await room.feeds.stop()


async def test_a_stream_of_a_closed_venue_is_not_called_stale() -> None:
    sessions = closed_from(datetime(2026, 1, 15, 21, tzinfo=UTC), before_s=30)
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider, sessions=sessions)
    await room.feeds.start()
    client = room.client("AAPL")
    await room.clock.advance(1)
    provider.streams[-1].push(make_quote("AAPL", provider="first"))
    await room.clock.advance(3600)

    assert len(provider.streams) == 1
    assert states(await told(client), "first") == ["closed"]
    await room.feeds.stop()


async def test_a_new_symbol_of_a_closed_venue_is_asked_for_once() -> None:
    sessions = closed_from(datetime(2026, 1, 15, 21, tzinfo=UTC))
    provider = ScriptedProvider("first")
    room = Room(provider, sessions=sessions)
    await room.clock.advance(2 * 3600)
    await room.feeds.start()
    await room.clock.advance(1)
    room.client("AAPL")
    await room.clock.advance(600)

    assert provider.calls.count(("AAPL",)) <= 2
    assert len(room.quotes) == 1
    await room.feeds.stop()


async def test_symbols_that_only_the_next_provider_knows_do_not_cost_the_first_ones_calls() -> None:
    first = ScriptedProvider("first", answers={"AAPL": make_quote("AAPL", provider="first")})
    second = ScriptedProvider("second")
    room = Room(first, second)
    await room.feeds.start()
    room.client("MSFT")
    await room.clock.advance(50)

    assert len(first.calls) == 1
    assert len(second.calls) == 51
    assert room.quotes[0].fallback_from == "first"
    await room.feeds.stop()


async def test_no_task_is_left_after_faults() -> None:
    before = asyncio.all_tasks()
    provider = ScriptedProvider("first", has_stream=True)
    room = Room(provider, ScriptedProvider("second"))
    await room.feeds.start()
    client = room.client("AAPL", "MSFT")
    await room.clock.advance(1)
    provider.failure = ProviderUnavailable("killed")
    provider.streams[-1].fail(ConnectionResetError("reset"))
    await room.clock.advance(60)
    room.hub.detach(client)
    await room.clock.advance(5)
    await room.feeds.stop()

    assert asyncio.all_tasks() == before
    assert room.feeds.stats()["first"]["symbols"] == 0
