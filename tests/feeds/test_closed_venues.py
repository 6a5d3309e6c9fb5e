"""A venue that is closed is left alone until it opens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from feeds.feedroom import Room, moving, states, told
from scripted import ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.feeds import Sessions
from tickloom.feeds.sessions import Hours


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
