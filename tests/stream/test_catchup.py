"""The past and the stream in one subscription, without a hole or a double at the seam."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from outlets import FakeOutlet
from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import StoreUnavailable
from tickloom.model import Quote
from tickloom.settings import RingSettings
from tickloom.stream import (
    Connection,
    Demand,
    Hub,
    LiveBar,
    Ring,
    Session,
    SessionRules,
    WireFormat,
)
from tickloom.stream.bar import BarItem
from tickloom.stream.wanted import Wish

PRICE = Decimal(1)
BEGIN = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)


def at(second: float) -> datetime:
    return BEGIN + timedelta(seconds=second)


class Room:
    """A hub, a store that answers when it is told to, and a client."""

    def __init__(self, ring_count: int = 3) -> None:
        self.clock = FakeClock()
        self.hub = Hub("e1", Demand(), Ring(self.clock, ring_count, 10_000_000, 1e9))
        self.rows: list[tuple[Quote, str]] = []
        self.answers = asyncio.Event()
        self.failure: Exception | None = None
        self.asked = 0
        self.connection = Connection(WireFormat.JSON, 10_000_000, clock=self.clock)
        rules = SessionRules(
            server="test",
            clock=self.clock,
            snapshot=lambda symbol: None,
            known=list,
            refuse=lambda symbol: None,
            troubles=lambda symbols: [],
            authenticate=None,
            max_user_connections=10,
            max_symbols=1_000,
            max_message_bytes=65_536,
            messages_per_s=1_000,
            read_past=self._read,
        )
        self.session = Session(self.hub, self.connection, rules)
        self.session.open()

    async def _read(self, symbol: str, since: datetime, most: int) -> Sequence[tuple[Quote, str]]:
        self.asked += 1
        await self.answers.wait()
        if self.failure is not None:
            raise self.failure
        found = [row for row in self.rows if row[0].symbol == symbol and row[0].timestamp >= since]
        return found[-most:]

    def publish(self, second: float, symbol: str = "AAPL", **fields: Any) -> None:
        quote = self.hub.number(make_quote(symbol, timestamp=at(second), **fields))
        tick = self.hub.publish(quote)
        self.rows.append((quote, tick.epoch))

    def subscribe(self, since: float, *symbols: str, **options: Any) -> None:
        message = {"type": "subscribe", "symbols": symbols or ["AAPL"], **options}
        self.session.handle(json.dumps(message | {"since": at(since).isoformat()}))

    async def heard(self) -> list[Any]:
        """Return what came, once nothing more comes."""
        found: list[Any] = []
        for _ in range(50):
            self.hub.flush()
            await asyncio.sleep(0)
            if self.connection._backlog or self.connection._controls:
                found += [json.loads(frame) for frame in await self.connection.take()]
        return found


def ticks(messages: list[Any]) -> list[int]:
    return [one["sequence"] for one in messages if one["type"] == "market_data"]


async def test_what_memory_has_comes_at_once_and_the_store_is_not_asked() -> None:
    room = Room(ring_count=10)
    for second in range(6):
        room.publish(second)
    room.subscribe(3)
    room.publish(6)
    messages = await room.heard()

    assert ticks(messages) == [4, 5, 6, 7]
    assert not any(one.get("stored") for one in messages)
    assert room.asked == 0


async def test_older_quotes_come_from_the_store_and_say_so() -> None:
    room = Room()
    for second in range(8):
        room.publish(second)
    room.subscribe(2)
    room.answers.set()
    messages = await room.heard()

    assert ticks(messages) == [3, 4, 5, 6, 7, 8]
    assert [one.get("stored", False) for one in messages if one["type"] == "market_data"] == [
        *[True] * 3,
        *[False] * 3,
    ]


async def test_what_comes_while_the_store_is_read_follows_what_is_read() -> None:
    room = Room()
    for second in range(5):
        room.publish(second)
    room.subscribe(0)
    for second in (5, 6):
        room.publish(second)
    room.publish(1, "MSFT")
    before = await room.heard()
    room.publish(7)
    room.answers.set()
    after = await room.heard()

    assert ticks(before) == []
    assert ticks(after) == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_quotes_of_an_earlier_run_of_the_server_come_first() -> None:
    room = Room()
    room.rows = [(make_quote("AAPL", timestamp=at(n), sequence=n + 90), "e0") for n in range(3)]
    room.publish(10)
    room.subscribe(0)
    room.answers.set()
    messages = await room.heard()

    found = [one for one in messages if one["type"] == "market_data"]

    assert [(one["epoch"], one["sequence"]) for one in found] == [
        ("e0", 90),
        ("e0", 91),
        ("e0", 92),
        ("e1", 1),
    ]


async def test_a_store_that_is_away_is_told_and_the_stream_goes_on() -> None:
    room = Room()
    room.publish(0)
    room.failure = StoreUnavailable("the database is away")
    room.answers.set()
    room.subscribe(-5)
    room.publish(1)
    messages = await room.heard()

    assert [one["code"] for one in messages if one["type"] == "error"] == [500]
    assert ticks(messages) == [1, 2]


async def test_more_than_may_come_is_refused_and_only_memory_comes() -> None:
    room = Room()
    room.rows = [(make_quote("AAPL", timestamp=at(0)), "e0")] * 10_001
    room.publish(10)
    room.answers.set()
    room.subscribe(-5)
    messages = await room.heard()
    [error] = [one for one in messages if one["type"] == "error"]

    assert (error["code"], error["symbol"]) == (400, "AAPL")
    assert ticks(messages) == [1]


async def test_a_client_that_leaves_or_unsubscribes_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    for leave in (Session.close, lambda session: session.handle('{"type":"unsubscribe"}')):
        room = Room()
        room.publish(0)
        room.subscribe(-5)
        await asyncio.sleep(0)
        leave(room.session)
        room.answers.set()
        room.publish(1)

        assert ticks(await room.heard()) == []

    assert asyncio.all_tasks() == before


async def test_a_time_without_a_zone_and_too_many_symbols_are_refused() -> None:
    room = Room()
    room.session.handle('{"type":"subscribe","symbols":["A"],"since":"2026-01-05T15:00:00"}')
    room.subscribe(0, *(f"S{number}" for number in range(101)))
    errors = [one for one in await room.heard() if one["type"] == "error"]

    assert [one["code"] for one in errors] == [400, 405]
    assert "since" in errors[0]["message"]


@given(
    st.lists(st.sampled_from(["tick", "turn", "subscribe", "answer"]), max_size=60),
    st.integers(min_value=1, max_value=12),
    st.integers(min_value=0, max_value=30),
)
def test_from_the_first_to_the_last_every_tick_comes_once_and_in_order(
    steps: list[str], ring_count: int, since: int
) -> None:
    async def run() -> None:
        room = Room(ring_count)
        number = 0
        subscribed, then = False, 0
        messages: list[Any] = []
        for step in [*steps, "subscribe", "answer", "tick", "turn"]:
            if step == "tick":
                room.publish(number)
                number += 1
            elif step == "subscribe" and not subscribed:
                subscribed, then = True, number
                room.subscribe(since)
            elif step == "answer" and subscribed:
                room.answers.set()
            else:
                messages += await room.heard()
        messages += await room.heard()
        room.session.close()
        past = [one + 1 for one in range(then) if one >= since]
        assert ticks(messages) == [*past, *range(then + 1, number + 1)]

    asyncio.run(run())


async def test_the_server_brings_what_it_stored_and_goes_on(tmp_path: Path) -> None:
    provider = ScriptedProvider("sim", namespace="SIM.", symbols=frozenset({"SIM.A"}), **EVERYTHING)
    database = {"url": f"sqlite:///{tmp_path}/quotes.db"}
    manager = manager_of(provider, database=database, stream={"ring": RingSettings(count=2)})

    def publish(second: int) -> None:
        manager.pipeline.accept(make_quote("SIM.A", provider="sim", timestamp=at(second)))

    async with serving(manager) as address, connect(f"ws://{address}/ws") as socket:
        for second in range(50):
            publish(second)
        message = {"type": "subscribe", "symbols": ["SIM.A"], "since": at(0).isoformat()}
        await socket.send(json.dumps(message))
        heard: list[int] = []
        async with asyncio.timeout(10):
            while len(heard) < 60:
                message = json.loads(await socket.recv())
                if message["type"] == "subscribed":
                    for second in range(50, 60):
                        publish(second)
                heard += ticks([message])

    assert heard == list(range(1, 61))


async def test_since_asked_for_again_while_the_store_is_read_brings_everything_once() -> None:
    room = Room(ring_count=2)
    room.rows = [(make_quote("AAPL", timestamp=at(-5), sequence=9), "e0")]
    for second in range(4):
        room.publish(second)
    room.subscribe(-10)
    await asyncio.sleep(0)
    for second in range(4, 9):
        room.publish(second)
    room.hub.flush()
    room.subscribe(-10)
    room.publish(9)
    room.answers.set()

    assert ticks(await room.heard()) == [9, *range(1, 11)]


async def test_what_waits_for_its_interval_is_not_sent_again_behind_the_past() -> None:
    room = Room(ring_count=10)
    room.session.handle('{"type":"subscribe","symbols":["AAPL"],"interval_ms":1000}')
    for second in range(4):
        room.publish(second)
    room.hub.flush()
    room.subscribe(0.5)
    found = ticks(await room.heard())
    await room.clock.advance(2)

    assert found + ticks(await room.heard()) == [2, 3, 4]


async def test_the_past_of_a_symbol_forgets_none_of_its_bars() -> None:
    room = Room(ring_count=10)
    room.publish(0)
    bars = frozenset({"bars.1m"})
    room.hub.subscribe(room.connection, "AAPL", Wish(channels=bars))
    bar = LiveBar(
        symbol="AAPL", interval="1m", timestamp=BEGIN, state="closed", ticks=1, epoch="e1",
        sequence=1, open=PRICE, high=PRICE, low=PRICE, close=PRICE,
    )  # fmt: skip
    room.hub.publish_item(BarItem(bar, "bars.1m"), "bars.1m")
    room.subscribe(-1, channels=["quotes", "bars.1m"])
    room.answers.set()

    assert [one["sequence"] for one in await room.heard() if one["type"] == "bar"] == [1]


async def test_a_client_that_reads_nothing_costs_the_past_of_one_symbol() -> None:
    room = Room()
    names = [f"S{number}" for number in range(20)]
    room.rows = [
        (make_quote(name, timestamp=at(n), sequence=n + 1), "e0")
        for name in names
        for n in range(5)
    ]
    outlet = FakeOutlet()
    outlet.writable = False
    room.connection.use(outlet)
    room.answers.set()
    room.subscribe(-5, *names)
    for _ in range(50):
        await asyncio.sleep(0)
    asked = room.asked
    while room.asked < len(names):
        outlet.drain()
        await asyncio.sleep(0)
    outlet.drain()

    assert asked == 1
    assert len(ticks(outlet.messages())) == 100


async def test_a_time_that_does_not_exist_in_utc_is_refused() -> None:
    room = Room()
    room.session.handle(
        '{"type":"subscribe","symbols":["A"],"since":"0001-01-01T00:00:00+14:00","id":1}'
    )

    assert [one["code"] for one in await room.heard() if one["type"] == "error"] == [400]
    assert not room.connection.patterns


async def test_since_is_not_asked_for_without_end_while_the_store_is_read() -> None:
    room = Room()
    for _ in range(3):
        room.subscribe(0, *(f"S{number}" for number in range(40)))
    errors = [one for one in await room.heard() if one["type"] == "error"]

    assert [one["code"] for one in errors] == [405]
    room.session.close()


async def test_a_late_quote_among_those_of_memory_is_not_left_out() -> None:
    room = Room(ring_count=10)
    for second in (0, 1, 5, 2, 6):
        room.publish(second)
    room.subscribe(4)

    assert ticks(await room.heard()) == [3, 4, 5]


async def test_who_wants_bars_alone_gets_no_quotes_of_the_past() -> None:
    room = Room(ring_count=10)
    room.publish(0)
    room.publish(1)
    room.subscribe(-1, channels=["bars.1m"])
    room.answers.set()

    assert ticks(await room.heard()) == []
