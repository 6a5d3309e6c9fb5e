"""What happens when a provider goes away, falls silent, or allows little; time is fake."""

from __future__ import annotations

import asyncio
from typing import Any

from feeds.feedroom import Room, moving, states, told
from scripted import ScriptedProvider, make_quote
from tickloom.errors import ProviderUnavailable


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
