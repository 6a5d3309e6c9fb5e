"""Wishes that change while something waits, and clients that come from another replica."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlets import FakeOutlet
from scripted import make_quote
from stream.test_session import Client
from tickloom.stream import WireFormat
from tickloom.stream.wanted import Wanted, Wish


def heard(outlet: FakeOutlet) -> list[tuple[int, int]]:
    """Return the sequences of prices with what each says was skipped."""
    found = [one for one in outlet.messages() if one["type"] == "market_data"]
    return [(one["sequence"], one.get("skipped", 0)) for one in found]


class Paced(Client):
    """A client with an interval, of whose three prices the last waits."""

    def __init__(self) -> None:
        super().__init__()
        self.outlet = FakeOutlet()
        self.connection.use(self.outlet)
        self.say("subscribe", interval_ms=1_000)
        for _ in range(3):
            self.publish("A")

    def say(self, kind: str, **options: Any) -> None:
        self.session.handle(json.dumps({"type": kind, "symbols": ["A"], **options}))


async def test_what_waits_goes_out_first_where_the_interval_ends() -> None:
    client = Paced()
    client.say("subscribe", interval_ms=0)
    client.publish("A")
    await client.clock.advance(2)

    assert heard(client.outlet) == [(1, 0), (3, 1), (4, 0)]


async def test_what_waited_before_the_client_left_a_symbol_is_not_sent_again() -> None:
    client = Paced()
    client.say("unsubscribe")
    client.say("subscribe", interval_ms=1_000)
    await client.clock.advance(2)

    assert heard(client.outlet) == [(1, 0), (3, 0)]


async def test_a_late_timer_lets_nothing_be_overtaken() -> None:
    client = Paced()
    with patch.object(client.clock, "monotonic", return_value=client.clock.monotonic() + 5):
        client.publish("A")
    await client.clock.advance(6)

    assert heard(client.outlet) == [(1, 0), (4, 2)]


async def test_who_resumes_a_symbol_that_it_follows_gets_nothing_twice_of_what_waits() -> None:
    client = Client()
    client.session.handle('{"type":"subscribe","symbols":["A"],"interval_ms":1000}')
    for _ in range(5):
        client.publish("A")
    point = {"epoch": "e1", "sequence": 1}
    got = await client.ask({"type": "subscribe", "symbols": ["A"], "resume": {"A": point}})
    await client.clock.advance(2)
    client.publish("A")
    got += await client.got()

    assert [one["sequence"] for one in got if one["type"] == "market_data"] == [2, 3, 4, 5, 6]


async def test_the_newest_bar_comes_with_the_first_subscription_alone() -> None:
    brought: list[tuple[str, str]] = []
    client = Client(bring_bar=lambda _, symbol, channel: brought.append((symbol, channel)))
    for options in ({"channels": ["bars.1m"]}, {"channels": ["bars.1m", "bars.1s"]}, {}):
        await client.ask({"type": "subscribe", "symbols": ["A"], **options})

    assert brought == [("A", "bars.1m"), ("A", "bars.1s")]


def relay(client: Client, sequence: int, epoch: str = "other") -> None:
    quote = make_quote("A", sequence=sequence)
    if client.hub.is_news(quote, epoch):
        client.newest["A"] = quote
        client.hub.relay(quote, epoch)
        client.hub.flush()


@pytest.mark.parametrize(
    ("epoch", "sequence", "expected"),
    [
        ("other", 40, [("gap", 10), ("market_data", 51)]),
        ("other", 50, [("market_data", 51)]),
        ("older", 40, [("gap", 50), ("market_data", 51)]),
    ],
)
async def test_who_resumes_where_nothing_is_known_yet_is_told_the_hole_with_the_first_price(
    epoch: str, sequence: int, expected: list[tuple[str, int]]
) -> None:
    client = Client()
    point = {"epoch": epoch, "sequence": sequence}
    await client.ask({"type": "subscribe", "symbols": ["A"], "resume": {"A": point}})
    relay(client, 51)
    found = [(one["type"], one.get("dropped", one.get("sequence"))) for one in await client.got()]

    assert found == expected


async def test_a_price_that_a_client_of_another_replica_has_seen_does_not_come_again() -> None:
    client = Client()
    point = {"epoch": "other", "sequence": 50}
    await client.ask({"type": "subscribe", "symbols": ["A"], "resume": {"A": point}})
    relay(client, 50)
    relay(client, 51)

    assert [one["sequence"] for one in await client.got()] == [51]


async def test_a_reader_of_events_is_told_what_never_came_here() -> None:
    client = Client()
    relay(client, 3)
    position = client.hub.newest("A")
    relay(client, 7)
    assert position is not None
    client.session.subscribe_after(["A"], "e1", position.position)
    found = [(one["type"], one.get("dropped")) for one in await client.got()]

    assert found[-2:] == [("gap", 3), ("market_data", None)]


@pytest.mark.parametrize("form", list(WireFormat))
async def test_an_id_that_cannot_be_given_back_is_refused(form: WireFormat) -> None:
    client = Client()
    client.connection.form = form
    client.session.handle('{"type":"ping","id":99999999999999999999999}')
    client.session.handle('{"type":"nothing","id":99999999999999999999999}')
    [_, first, second] = await client.connection.take()

    assert b"error" in first
    assert b"error" in second


async def test_a_message_that_is_nested_too_deep_is_refused_at_every_depth() -> None:
    client = Client(messages_per_s=10_000)
    for depth in range(850, 1_050):
        symbols = "[" * depth + "]" * depth
        assert client.session.handle(f'{{"type":"subscribe","symbols":[{symbols}]}}')


async def test_long_answers_that_are_not_read_keep_the_client_from_asking_more() -> None:
    client = Client(messages_per_s=1_000)
    outlet = FakeOutlet()
    client.connection.use(outlet)
    outlet.writable = False
    asked = 0
    while asked < 50:
        client.session.handle(json.dumps({"type": "subscribe", "symbols": ["!"] * 5_000}))
        asked += 1
        waiting = client.connection.caught_up()
        try:
            waiting.send(None)
        except StopIteration:
            continue
        break
    waiting.close()

    assert asked == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.sampled_from([None, Wish(), Wish(interval_s=1.0)]))
    )
)
def test_a_client_is_plain_as_long_as_none_of_its_wishes_is_special(
    changes: list[tuple[str, Wish | None]],
) -> None:
    wanted = Wanted()
    for pattern, wish in changes:
        if wish is not None:
            wanted.put(pattern, wish)
        elif pattern in wanted:
            wanted.drop(pattern)

        assert wanted.is_plain == all(one.is_plain for one in wanted.values())
