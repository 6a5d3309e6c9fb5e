from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted import make_quote
from tickloom.clock import FakeClock
from tickloom.errors import InvalidMessage, MessageTooLarge, TickloomError, UnknownSymbol
from tickloom.model import Quote
from tickloom.stream import Connection, Demand, Hub, Ring, Session, SessionRules, WireFormat
from tickloom.stream.protocol import decode_client_message

Talk = Callable[..., list[dict[str, Any]]]


class Client:
    """A client without a socket."""

    def __init__(self, ring_count: int = 100, **rules: Any) -> None:
        self.clock = FakeClock()
        self.hub = Hub("e1", Demand(), Ring(self.clock, ring_count, 1_000_000, 300.0))
        self.newest: dict[str, Quote] = {}
        self.connection = Connection(WireFormat.JSON, 1_000_000, clock=self.clock)
        values: dict[str, Any] = {
            "server": "tickloom test",
            "clock": self.clock,
            "snapshot": self.newest.get,
            "known": lambda: list(self.newest),
            "refuse": lambda symbol: UnknownSymbol("nobody") if symbol == "NOPE" else None,
            "troubles": lambda symbols: [],
            "authenticate": None,
            "max_user_connections": 3,
            "max_symbols": 10,
            "max_message_bytes": 65_536,
            "messages_per_s": 100,
        }
        self.rules = SessionRules(**(values | rules))
        self.session = Session(self.hub, self.connection, self.rules)
        self.session.open()

    def publish(self, symbol: str) -> None:
        quote = self.hub.number(make_quote(symbol))
        self.newest[symbol] = quote
        self.hub.publish(quote)
        self.hub.flush()

    async def got(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in await self.connection.take()]

    async def ask(self, message: Any) -> list[dict[str, Any]]:
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        self.session.handle(text)
        return await self.got()


async def test_the_server_speaks_first() -> None:
    client = Client()

    assert await client.got() == [
        {
            "type": "welcome",
            "version": 1,
            "server": "tickloom test",
            "epoch": "e1",
            "auth_required": False,
        }
    ]


async def test_a_subscription_is_answered_with_the_whole_set_and_its_id() -> None:
    client = Client()
    client.session.handle('{"type":"subscribe","symbols":["msft"]}')
    answer = (await client.ask({"type": "subscribe", "symbols": ["AAPL", "SIM.*"], "id": 7}))[-1]

    assert answer == {"type": "subscribed", "symbols": ["AAPL", "MSFT", "SIM.*"], "id": 7}


async def test_the_newest_value_comes_at_once_and_the_stream_goes_on_from_it() -> None:
    client = Client()
    client.publish("AAPL")
    client.publish("AAPL")
    client.session.handle('{"type":"subscribe","symbols":["AAPL"]}')
    client.publish("AAPL")
    got = await client.got()

    assert [message["sequence"] for message in got if message["type"] == "market_data"] == [2, 3]


async def test_a_pattern_brings_the_newest_value_of_every_symbol_that_it_fits() -> None:
    client = Client()
    for symbol in ("SIM.A", "SIM.B", "AAPL"):
        client.publish(symbol)
    got = await client.ask({"type": "subscribe", "symbols": ["SIM.*", "SIM.A"]})

    assert sorted(m["symbol"] for m in got if m["type"] == "market_data") == ["SIM.A", "SIM.B"]


async def test_a_client_can_do_without_the_snapshot() -> None:
    client = Client()
    client.publish("AAPL")
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "snapshot": False})

    assert [message["type"] for message in got] == ["welcome", "subscribed"]


async def test_a_bad_symbol_is_rejected_and_the_others_are_taken() -> None:
    client = Client()
    bad = ["", "A\u0000B", "x" * 10_000, 5, None, "NOPE"]
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL", *bad]})
    answer = got[-1]

    assert answer["symbols"] == ["AAPL"]
    assert [item["code"] for item in answer["rejected"]] == [400, 400, 400, 400, 400, 404]
    assert all(len(item["symbol"]) <= 80 for item in answer["rejected"])
    assert all("expected" in item["message"] for item in answer["rejected"][:5])


async def test_more_symbols_than_allowed_are_rejected_one_by_one() -> None:
    client = Client()
    symbols = [f"S{number}" for number in range(12)]
    answer = (await client.ask({"type": "subscribe", "symbols": symbols}))[-1]

    assert len(answer["symbols"]) == 10
    assert [item["code"] for item in answer["rejected"]] == [405, 405]


async def test_unsubscribing_without_symbols_leaves_nothing() -> None:
    client = Client()
    await client.ask({"type": "subscribe", "symbols": ["AAPL", "MSFT"]})

    assert (await client.ask({"type": "unsubscribe", "symbols": ["AAPL"]}))[-1]["symbols"] == [
        "MSFT"
    ]
    assert (await client.ask({"type": "unsubscribe"}))[-1]["symbols"] == []


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "found a JSON array"),
        ("null", "found a JSON null"),
        ('"subscribe"', "found a JSON text"),
        ("{}", "unknown message type"),
        ('{"type":"subscribee","symbols":["A"]}', "expected one of auth, subscribe"),
        ('{"type":"subscribe"}', "missing required field `symbols`"),
        ('{"type":"subscribe","symbols":"AAPL"}', "Expected `array`, got `str`"),
        ('{"type":"subscribe","symbols":[]}', "names no symbol"),
        ('{"type":"subscribe","symbols":["A"],"interval_ms":-5}', "found -5, expected 0 to"),
        ('{"type":"subscribe","symbols":["A"],"fields":["prize"]}', "unknown field: found 'prize'"),
        ('{"type":"subscribe","symbols":["A"],"channels":["quoutes"]}', "unknown channel"),
        (b"\xc1", "not MessagePack"),
    ],
)
async def test_a_mistake_is_answered_with_what_was_found_and_expected(
    sent: str | bytes, part: str
) -> None:
    answer = (await Client().ask(sent))[-1]

    assert answer["type"] == "error"
    assert answer["code"] == 400
    assert part in answer["message"]


async def test_an_error_carries_the_id_of_the_message() -> None:
    answer = (await Client().ask('{"type":"nonsense","id":"x1"}'))[-1]

    assert answer["id"] == "x1"


async def test_a_message_over_the_limit_is_refused_by_its_size() -> None:
    answer = (await Client().ask('{"type":"ping","id":"' + "x" * 70_000 + '"}'))[-1]

    assert answer["code"] == 413
    assert "at most 65536 bytes" in answer["message"]


async def test_too_many_messages_are_refused_and_far_too_many_end_the_talk() -> None:
    client = Client(messages_per_s=5)
    results = [client.session.handle('{"type":"ping"}') for _ in range(10)]
    got = [message["type"] for message in await client.got()]

    assert results == [True] * 9 + [False]
    assert got.count("pong") == 5
    assert got.count("error") == 5

    await client.clock.advance(1)

    assert (await client.ask({"type": "ping"}))[-1]["type"] == "pong"


def kinds(messages: list[dict[str, Any]]) -> list[Any]:
    return [
        (one["type"], one["sequence"]) if one["type"] == "market_data" else one["type"]
        for one in messages
    ]


async def test_a_client_that_comes_back_gets_all_that_it_missed_and_then_the_stream() -> None:
    client = Client()
    for _ in range(6):
        client.publish("AAPL")
    resume = {"aapl": {"epoch": "e1", "sequence": 3}}
    await client.got()
    client.session.handle(json.dumps({"type": "subscribe", "symbols": ["AAPL"], "resume": resume}))
    client.publish("AAPL")
    got = await client.got()

    assert kinds(got) == ["subscribed", *(("market_data", number) for number in (4, 5, 6, 7))]
    assert got[0]["recovered"] == {"AAPL": True}


async def test_what_cannot_be_resumed_is_told_and_the_newest_value_comes() -> None:
    client = Client()
    for _ in range(6):
        client.publish("AAPL")
    await client.got()
    resume = {"AAPL": {"epoch": "before", "sequence": 3}}
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "resume": resume})

    assert kinds(got) == ["subscribed", "gap", ("market_data", 6)]
    assert got[0]["recovered"] == {"AAPL": False}
    assert (got[1]["dropped"], got[1]["last_sequence"]) == (5, 5)


async def test_options_of_a_symbol_change_with_the_next_subscription_and_others_stay() -> None:
    client = Client()
    await client.ask({"type": "subscribe", "symbols": ["AAPL", "MSFT"], "fields": ["volume"]})
    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "interval_ms": 500})
    wishes = client.connection.patterns

    assert (wishes["AAPL"].fields, wishes["AAPL"].interval_s) == (("volume",), 0.5)
    assert (wishes["MSFT"].fields, wishes["MSFT"].interval_s) == (("volume",), 0.0)

    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "fields": [], "interval_ms": 0})

    assert wishes["AAPL"].is_plain


async def test_who_wants_states_only_gets_no_quotes() -> None:
    client = Client()
    client.publish("AAPL")
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "channels": ["status"]})
    client.publish("AAPL")
    client.hub.publish_status("first", "down", client.clock.now(), ["AAPL"])
    got += await client.got()

    assert [one["type"] for one in got] == ["welcome", "subscribed", "status"]


async def test_a_batch_is_asked_for_and_given_up_for_the_whole_connection() -> None:
    client = Client()
    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "batch": True})
    client.publish("AAPL")
    [array] = await client.got()

    assert kinds(array) == [("market_data", 1)]  # type: ignore[arg-type]

    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "batch": False, "snapshot": False})
    client.publish("AAPL")

    assert kinds(await client.got()) == [("market_data", 2)]


async def test_a_user_holds_no_more_connections_than_allowed() -> None:
    client = Client(authenticate={"secret": "alice"}.get, max_user_connections=1)
    await client.ask({"type": "auth", "token": "secret"})
    other = Connection(WireFormat.JSON, 1_000_000)
    session = Session(client.hub, other, client.rules)
    session.open()
    session.handle('{"type":"auth","token":"secret"}')
    answer = [json.loads(frame) for frame in await other.take()][-1]

    assert answer["code"] == 406
    assert other.user is None

    client.session.close()
    session.handle('{"type":"auth","token":"secret"}')

    assert other.user == "alice"


async def test_nothing_but_ping_works_before_authentication() -> None:
    client = Client(authenticate={"secret": "alice"}.get)
    welcome = (await client.got())[0]
    refused = (await client.ask({"type": "subscribe", "symbols": ["AAPL"]}))[-1]
    pong = (await client.ask({"type": "ping"}))[-1]

    assert welcome["auth_required"] is True
    assert refused["code"] == 401
    assert '"type":"auth"' in refused["message"]
    assert pong["type"] == "pong"
    assert not client.connection.patterns


async def test_a_known_key_opens_the_stream_and_a_second_one_is_refused() -> None:
    client = Client(authenticate={"secret": "alice"}.get)
    wrong = (await client.ask({"type": "auth", "token": "guess"}))[-1]
    right = (await client.ask({"type": "auth", "token": "secret"}))[-1]
    again = (await client.ask({"type": "auth", "token": "secret"}))[-1]
    answer = (await client.ask({"type": "subscribe", "symbols": ["AAPL"]}))[-1]

    assert wrong["code"] == 401
    assert "guess" not in wrong["message"]
    assert right == {"type": "authenticated", "user": "alice"}
    assert again["code"] == 409
    assert answer["symbols"] == ["AAPL"]


@pytest.mark.parametrize(
    ("epoch", "sequence", "recovered", "sequences", "dropped"),
    [
        ("e1", 5, True, [], None),
        ("e1", 4, True, [5], None),
        ("e1", 3, True, [4, 5], None),
        ("e1", 2, False, [5], 2),
        ("e0", 99, False, [5], 4),
    ],
)
async def test_resuming_recovers_all_or_says_what_is_lost(
    epoch: str, sequence: int, recovered: bool, sequences: list[int], dropped: int | None
) -> None:
    client = Client(ring_count=2)
    for _ in range(5):
        client.publish("AAPL")
    point = {"epoch": epoch, "sequence": sequence}
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "resume": {"AAPL": point}})
    answer = next(message for message in got if message["type"] == "subscribed")
    gaps = [message for message in got if message["type"] == "gap"]

    assert answer["recovered"] == {"AAPL": recovered}
    assert [m["sequence"] for m in got if m["type"] == "market_data"] == sequences
    assert [gap["dropped"] for gap in gaps] == ([] if dropped is None else [dropped])


@given(st.one_of(st.text(), st.binary()))
def test_any_text_or_bytes_are_a_message_or_a_stream_error(data: str | bytes) -> None:
    try:
        decode_client_message(data, 1_000)
    except InvalidMessage:
        pass


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "symbols", "id", "snapshot", "resume", "token", "channels"]),
        st.one_of(
            JSON_VALUES,
            st.sampled_from(["subscribe", "unsubscribe", "ping", "auth"]),
            st.lists(st.one_of(st.text(max_size=40), st.sampled_from(["AAPL", "SIM.*"]))),
        ),
    )
)
def test_whatever_a_client_says_it_gets_an_answer_and_the_session_goes_on(
    message: dict[str, Any],
) -> None:
    client = Client()
    waiting = len(client.connection._controls)
    client.session.handle(msgspec.json.encode(message).decode())

    assert len(client.connection._controls) > waiting
    assert client.session.handle('{"type":"ping"}')
    client.session.close()
    assert client.hub.stats()["subscriptions"] == 0


def test_a_long_message_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MessageTooLarge) as caught:
        decode_client_message("[" * 100_000, 65_536)

    assert isinstance(caught.value, TickloomError)


def test_deep_nesting_is_a_stream_error() -> None:
    with pytest.raises(InvalidMessage):
        decode_client_message("[" * 60_000, 65_536)


async def test_patterns_have_a_small_limit_of_their_own() -> None:
    client = Client(max_symbols=1_000)
    patterns = [f"S{number}*" for number in range(60)]
    answer = (await client.ask({"type": "subscribe", "symbols": [*patterns, "AAPL"]}))[-1]

    assert len(answer["symbols"]) == 51
    assert {item["code"] for item in answer["rejected"]} == {405}
    assert "patterns" in answer["rejected"][0]["message"]


async def test_the_size_of_a_message_is_counted_in_bytes() -> None:
    answer = (await Client().ask('{"type":"ping","id":"' + "€" * 30_000 + '"}'))[-1]

    assert answer["code"] == 413
    assert "found 90023 bytes" in answer["message"]
    assert "id" not in answer


async def test_resuming_finds_a_symbol_in_any_case() -> None:
    client = Client()
    client.publish("AAPL")
    point = {"epoch": "e1", "sequence": 1}
    got = await client.ask({"type": "subscribe", "symbols": ["aapl"], "resume": {"aapl": point}})

    assert got[-1]["recovered"] == {"AAPL": True}


async def test_resuming_finds_a_symbol_by_the_name_that_it_was_subscribed_by() -> None:
    client = Client()
    client.publish("BRK.B")
    point = {"epoch": "e1", "sequence": 1}
    got = await client.ask({"type": "subscribe", "symbols": ["BRK-B"], "resume": {"BRK-B": point}})

    assert got[-1]["recovered"] == {"BRK.B": True}


async def test_the_answer_says_what_a_symbol_is_called_here() -> None:
    client = Client()

    _, answer = await client.ask({"type": "subscribe", "symbols": ["eur/usd", "AAPL"]})

    assert answer["symbols"] == ["AAPL", "EURUSD=X"]
    assert answer["renamed"] == {"eur/usd": "EURUSD=X"}


async def test_a_second_subscription_does_not_let_the_newest_value_overtake_what_waits() -> None:
    client = Client()
    client.session.handle('{"type":"subscribe","symbols":["AAPL"]}')
    for _ in range(3):
        client.publish("AAPL")
    client.publish("AMZN")
    client.session.handle('{"type":"subscribe","symbols":["A*"]}')
    client.session.handle('{"type":"subscribe","symbols":["AAPL"]}')
    got = [one for one in await client.got() if one["type"] == "market_data"]

    assert [one["sequence"] for one in got if one["symbol"] == "AAPL"] == [1, 2, 3]
    assert [one["sequence"] for one in got if one["symbol"] == "AMZN"] == [1]


async def test_a_gap_names_the_epoch_in_which_it_counts() -> None:
    client = Client()
    for _ in range(3):
        client.publish("AAPL")
    resume = {"AAPL": {"epoch": "before", "sequence": 3}}
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "resume": resume})

    assert [one["epoch"] for one in got if one["type"] == "gap"] == ["e1"]
