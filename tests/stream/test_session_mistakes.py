"""Whatever a client sends, it gets an answer and the session goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clients import Client
from tickloom.errors import InvalidMessage, MessageTooLarge, TickloomError
from tickloom.stream.protocol import decode_client_message


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


async def test_the_size_of_a_message_is_counted_in_bytes() -> None:
    answer = (await Client().ask('{"type":"ping","id":"' + "€" * 30_000 + '"}'))[-1]

    assert answer["code"] == 413
    assert "found 90023 bytes" in answer["message"]
    assert "id" not in answer
