"""Connections that write straight into a socket."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from outlets import FakeOutlet
from scripted import make_quote
from tickloom.clock import FakeClock
from tickloom.stream import Connection, Demand, Hub, Stalled, WireFormat
from tickloom.stream.protocol import Pong
from tickloom.stream.wanted import Wish


class Room:
    """A hub, and clients with sockets."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hub = Hub("e1", Demand())

    def client(
        self, *patterns: str, wish: Wish | None = None, max_bytes: int = 1_000_000, **options: Any
    ) -> tuple[Connection, FakeOutlet]:
        connection = Connection(WireFormat.JSON, max_bytes, clock=self.clock, **options)
        outlet = FakeOutlet()
        connection.use(outlet)
        self.hub.attach(connection)
        for pattern in patterns:
            self.hub.subscribe(connection, pattern, wish or Wish())
        return connection, outlet

    def publish(self, symbol: str = "AAPL", times: int = 1, **fields: Any) -> None:
        for _ in range(times):
            self.hub.publish(self.hub.number(make_quote(symbol, **fields)))


def sequences(messages: list[Any]) -> list[int]:
    return [one["sequence"] for one in messages if one["type"] == "market_data"]


async def test_what_is_published_in_one_turn_goes_out_in_one_write_by_itself() -> None:
    room = Room()
    _, outlet = room.client("AAPL", "MSFT")
    room.publish("AAPL")
    room.publish("MSFT")

    assert outlet.writes == []

    await asyncio.sleep(0)

    assert len(outlet.writes) == 1
    assert [one["symbol"] for one in outlet.messages()] == ["AAPL", "MSFT"]


async def test_clients_for_whom_the_same_waits_share_the_bytes() -> None:
    room = Room()
    outlets = [room.client("AAPL", "MSFT")[1] for _ in range(3)]
    _, other = room.client("MSFT")
    room.publish("AAPL")
    room.publish("MSFT")
    room.hub.flush()

    assert outlets[0].writes[0] is outlets[1].writes[0] is outlets[2].writes[0]
    assert [one["symbol"] for one in other.messages()] == ["MSFT"]


async def test_a_long_turn_is_flushed_before_it_grows_without_bound() -> None:
    room = Room()
    connection, outlet = room.client("AAPL")
    room.publish(times=2_000)

    assert len(connection.pending) < 1_000
    assert outlet.writes


async def test_a_flush_interval_joins_what_comes_within_it() -> None:
    room = Room()
    room.hub = Hub("e1", Demand(), clock=room.clock, flush_interval_s=0.05)
    _, outlet = room.client("AAPL")
    room.publish()
    await room.clock.advance(0.04)
    room.publish()

    assert outlet.writes == []

    await room.clock.advance(0.02)

    assert len(outlet.writes) == 1
    assert sequences(outlet.messages()) == [1, 2]


async def test_a_full_socket_is_not_written_to_and_gets_the_rest_when_it_has_room() -> None:
    room = Room()
    connection, outlet = room.client("AAPL")
    outlet.writable = False
    room.publish(times=3)
    room.hub.flush()
    connection.send(Pong())

    assert outlet.writes == []
    assert connection.waiting_bytes > 0

    outlet.drain()
    messages = outlet.messages()

    assert messages[0]["type"] == "pong"
    assert sequences(messages) == [1, 2, 3]
    assert connection.waiting_bytes == 0


async def test_what_waits_is_written_by_pieces_while_the_socket_takes_them() -> None:
    room = Room()
    _, outlet = room.client("AAPL", max_bytes=10_000_000)
    outlet.writable = False
    room.publish(times=2_000)
    room.hub.flush()
    outlet.drain()

    assert max(map(len, outlet.writes)) < 100_000
    assert sequences(outlet.messages()) == list(range(1, 2_001))


@given(
    st.lists(st.sampled_from(["A", "B", "C", "full", "drain", "flush"]), max_size=200),
    st.integers(min_value=4_096, max_value=20_000),
)
def test_what_a_slow_reader_gets_and_what_it_is_told_add_up(steps: list[str], limit: int) -> None:
    async def run() -> None:
        room = Room()
        connection, outlet = room.client("*", max_bytes=limit)
        seen: dict[str, int] = {}
        for step in [*steps, "flush", "drain"]:
            match step:
                case "full":
                    outlet.writable = False
                case "drain":
                    outlet.drain()
                case "flush":
                    room.hub.flush()
                case symbol:
                    room.publish(symbol, additional_data={"text": "x" * 500})
            assert connection.waiting_bytes <= limit
        for message in outlet.messages():
            symbol = message["symbol"]
            if message["type"] == "gap":
                assert message["last_sequence"] == seen.get(symbol, 0) + message["dropped"]
                seen[symbol] = message["last_sequence"]
            else:
                assert message["sequence"] == seen.get(symbol, 0) + 1
                seen[symbol] = message["sequence"]
        assert seen == {one: steps.count(one) for one in "ABC" if one in steps}

    asyncio.run(run())


async def test_a_client_that_fails_does_not_keep_the_others_from_their_ticks() -> None:
    room = Room()
    _, bad = room.client("AAPL")
    _, good = room.client("AAPL")

    def fail(_: bytes) -> None:
        raise RuntimeError("the handler is closed")

    bad.write = fail  # type: ignore[method-assign]
    room.publish()
    room.hub.flush()
    room.publish()
    room.hub.flush()

    assert sequences(good.messages()) == [1, 2]


async def test_a_batch_is_one_array_and_nothing_is_lost() -> None:
    room = Room()
    _, outlet = room.client("AAPL", batch=True)
    room.publish(times=3)
    room.hub.flush()
    [array] = outlet.messages()

    assert sequences(array) == [1, 2, 3]


async def test_fields_are_the_only_ones_and_only_for_those_who_asked() -> None:
    room = Room()
    _, few = room.client("AAPL", wish=Wish(fields=("current_price", "volume", "bid")))
    _, all_of_them = room.client("AAPL")
    room.publish(volume=7)
    room.hub.flush()

    assert few.messages()[0]["data"] == {"current_price": 189.41, "volume": 7}
    assert "provider" in all_of_them.messages()[0]["data"]


async def test_an_interval_lets_the_newest_through_and_says_how_many_it_skipped() -> None:
    room = Room()
    _, outlet = room.client("AAPL", wish=Wish(interval_s=1.0))
    room.publish(times=5)
    room.hub.flush()

    assert [(one["sequence"], one.get("skipped")) for one in outlet.messages()] == [(1, None)]

    await room.clock.advance(1.0)

    assert [(one["sequence"], one.get("skipped")) for one in outlet.messages()] == [(5, 3)]

    await room.clock.advance(5.0)
    room.publish()
    room.hub.flush()

    assert [(one["sequence"], one.get("skipped")) for one in outlet.messages()] == [(6, None)]


async def test_what_is_held_for_its_interval_is_forgotten_with_its_symbol() -> None:
    room = Room()
    connection, outlet = room.client("AAPL", wish=Wish(interval_s=1.0))
    room.publish(times=2)
    room.hub.flush()
    room.hub.unsubscribe(connection, "AAPL")
    outlet.messages()
    await room.clock.advance(5.0)

    assert outlet.messages() == []


@given(st.lists(st.sampled_from(["A", "B", 0.1, 0.7, 1.0]), max_size=80))
def test_every_tick_of_a_paced_client_is_sent_or_counted_as_skipped(steps: list[Any]) -> None:
    async def run() -> None:
        room = Room()
        _, outlet = room.client("*", wish=Wish(interval_s=1.0))
        for step in steps:
            if isinstance(step, str):
                room.publish(step)
                room.hub.flush()
            else:
                await room.clock.advance(step)
        await room.clock.advance(2.0)
        seen: dict[str, int] = {}
        for message in outlet.messages():
            before = seen.get(message["symbol"], 0)
            assert message["sequence"] == before + message.get("skipped", 0) + 1
            seen[message["symbol"]] = message["sequence"]
        assert seen == {one: steps.count(one) for one in "AB" if one in steps}

    asyncio.run(run())


async def test_a_closed_connection_leaves_no_timer_behind() -> None:
    room = Room()
    connection, outlet = room.client("AAPL", wish=Wish(interval_s=1.0))
    room.publish(times=2)
    room.hub.flush()
    room.hub.detach(connection)
    outlet.messages()
    await room.clock.advance(5.0)

    assert outlet.messages() == []
    assert outlet.on_writable is None


async def test_a_peer_that_takes_nothing_is_cut_off_and_one_that_takes_little_is_not() -> None:
    room = Room()
    (dead_connection, dead), (slow_connection, slow) = room.client("A"), room.client("A")
    stalled = Stalled(room.clock, limit_s=30)
    for outlet in (dead, slow):
        outlet.writable, outlet.unsent = False, 100_000
    for _ in range(40):
        slow.unsent -= 1
        stalled.check([dead_connection, slow_connection])
        await room.clock.advance(1)

    assert (dead.aborted, slow.aborted) == (True, False)
    assert stalled.aborted >= 1
