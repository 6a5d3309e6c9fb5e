"""Messages of every kind and in every wrapping, garbage among them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from client.listening import events_until, numbers_of
from client.servers import WELCOME, accept, grant, say, served, tick
from tickloom.client import Failure, Gap, PartialQuote, Tick, Unknown
from tickloom.client.messages import Reader
from tickloom.model import Quote, encode_msgpack

pytestmark = pytest.mark.usefixtures("no_task_is_left")


async def test_a_price_keeps_every_digit() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        text = json.dumps(tick(1)).replace("1.1}", "123456789012.123456789}")
        await socket.send(text)
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["a"]) as ticks:
        one = await anext(ticks)

    assert (one.symbol, one.epoch, one.sequence) == ("A", "e1", 1)
    assert one.quote.current_price == Decimal("123456789012.123456789")


async def test_garbage_is_told_and_the_rest_still_comes() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, tick(1))
        for frame in ("", "nonsense", b"\xff\x00", "[" * 5_000, "null", "[1,{}]", '{"type":7}'):
            await socket.send(frame)
        await say(socket, {"type": "market_data", "symbol": "A"}, tick(2))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        errors: list[Failure] = []
        ticks.on_error = errors.append
        assert await numbers_of(ticks, 2) == [1, 2]

    assert len(errors) == 9
    assert {error.code for error in errors} == {500}


async def test_a_message_of_an_unknown_type_is_an_event() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, {"type": "moon", "symbol": "A", "phase": 3}, tick(1))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        *_, unknown, _ = await events_until(ticks, Tick)

    assert isinstance(unknown, Unknown)
    assert (unknown.type, json.loads(unknown.data)["phase"]) == ("moon", 3)


async def test_arrays_of_messages_are_taken_apart() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        await socket.send(json.dumps([tick(1), tick(2), {"type": "pong"}, tick(3)]))
        await socket.wait_closed()

    async with served(handler) as client, client.stream(["A"]) as ticks:
        assert await numbers_of(ticks, 3) == [1, 2, 3]


async def test_only_some_fields_are_typed_and_the_others_are_none() -> None:
    async def handler(socket: ServerConnection) -> None:
        request = await accept(socket, {**tick(1), "data": {"current_price": 1.25}})
        assert request["fields"] == ["current_price"]
        await socket.wait_closed()

    async with (
        served(handler) as client,
        client.stream(["A"], fields=["current_price"]) as ticks,
    ):
        one = await anext(ticks)

    assert one.quote == PartialQuote(current_price=Decimal("1.25"))


async def test_states_are_told_to_those_who_depend_on_them() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket)
        request = json.loads(await socket.recv())
        await grant(socket, request)
        status = {
            "type": "status",
            "provider": "p",
            "state": "stale",
            "since": "2026-01-02T15:00:00Z",
            "symbols": ["A", "B"],
        }
        await say(socket, status, tick(1), tick(1, "B"))
        await socket.wait_closed()

    async with (
        served(handler) as client,
        client.stream(["A"]) as first,
        client.stream(["B"]) as second,
    ):
        told: list[Any] = []
        first.on_status = second.on_status = told.append
        await anext(first)
        await anext(second)

    assert [status.symbols for status in told] == [["A"], ["B"]]


async def test_messages_are_handed_on_as_they_came() -> None:
    async def handler(socket: ServerConnection) -> None:
        await accept(socket, {"type": "moon"}, tick(1), tick(1), tick(3))
        await socket.wait_closed()

    async with served(handler) as client, client.messages(["A"]) as messages:
        gaps: list[Gap] = []
        messages.on_gap = gaps.append
        found = [json.loads((await anext(messages)).data) for _ in range(5)]

    kinds = [message["type"] for message in found]
    assert kinds == ["welcome", "subscribed", "moon", "market_data", "market_data"]
    assert found[-1] == tick(3)
    assert [gap.dropped for gap in gaps] == [1]


async def test_messagepack_gives_the_same_prices() -> None:
    async def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == "/?format=msgpack"
        await socket.send(msgspec.msgpack.encode(WELCOME))
        request = json.loads(await socket.recv())
        answer = {"type": "subscribed", "symbols": ["A"], "id": request["id"]}
        await socket.send(msgspec.msgpack.encode(answer))
        await socket.send(msgspec.msgpack.encode([tick(number) for number in range(1, 41)]))
        await socket.wait_closed()

    async with served(handler, wire="msgpack") as client, client.stream(["A"]) as ticks:
        one = await anext(ticks)
        assert one.quote.current_price == Decimal("1.1")
        assert await numbers_of(ticks, 39) == list(range(2, 41))


def test_a_partial_quote_has_the_fields_of_a_quote() -> None:
    assert PartialQuote.__struct_fields__ == Quote.__struct_fields__


@pytest.mark.parametrize("frame", [b"", b"\x90", b"\xdc\x00", b"\xdd", b"\xc1", b"\x81"])
def test_broken_messagepack_never_fails(frame: bytes) -> None:
    for message in Reader("msgpack", partial=False).read(frame):
        assert isinstance(message.body, Failure)


def test_an_array_of_messagepack_is_read() -> None:
    frame = encode_msgpack([tick(1), tick(2)])
    found = [one.body for one in Reader("msgpack", partial=False).read(frame)]

    assert [one.sequence for one in found if isinstance(one, Tick)] == [1, 2]
