"""How often symbols are asked for: within budgets, beside streams, as the vendor wishes."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from feeds.feedroom import Room, moving
from scripted import ScriptedProvider, make_quote
from tickloom.errors import ProviderUnavailable, RateLimited
from tickloom.model import Quote
from tickloom.roles import Budget


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
