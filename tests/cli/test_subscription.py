"""The client of the stream against servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tickloom.cli.subscription import Subscription, Target
from tickloom.clock import SystemClock
from tickloom.errors import RequestError, ServerUnavailable, UnknownMessage

WELCOME = {"type": "welcome", "version": 1, "server": "x", "epoch": "e1", "auth_required": False}


class QuickClock(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def tick(sequence: int, symbol: str = "A") -> dict[str, Any]:
    data = {
        "symbol": symbol,
        "provider": "p",
        "timestamp": "2026-01-02T15:00:00Z",
        "received_at": "2026-01-02T15:00:00Z",
        "is_real_time": False,
        "current_price": 1.10,
    }
    return {
        "type": "market_data",
        "symbol": symbol,
        "epoch": "e1",
        "sequence": sequence,
        "data": data,
    }


async def answer(socket: ServerConnection, *messages: dict[str, Any]) -> dict[str, Any]:
    """Greet, take a subscription, accept it, and send ``messages``."""
    await socket.send(json.dumps(WELCOME))
    request: dict[str, Any] = json.loads(await socket.recv())
    accepted = {"type": "subscribed", "symbols": request["symbols"], "id": request["id"]}
    for message in (accepted, *messages):
        await socket.send(json.dumps(message))
    return request


@asynccontextmanager
async def subscribed(
    handler: Callable[[ServerConnection], Any], *symbols: str
) -> AsyncIterator[tuple[Subscription, list[str]]]:
    told: list[str] = []
    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        target = Target(f"ws://127.0.0.1:{port}/")
        clock = QuickClock()
        async with Subscription(
            target, symbols or ["A"], clock, random.Random(1), told.append
        ) as subscription:
            yield subscription, told


async def take_until(subscription: Subscription, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += [json.loads(message.data) for message in await subscription.take()]
    return found


async def test_after_a_disconnect_it_resumes_behind_the_last_price() -> None:
    requests: list[dict[str, Any]] = []

    async def handler(socket: ServerConnection) -> None:
        requests.append(await answer(socket, tick(len(requests) + 7)))
        if len(requests) == 1:
            await socket.close(1012)
        await socket.wait_closed()

    async with subscribed(handler) as (subscription, told):
        found = await take_until(subscription, 6)
    assert [message["sequence"] for message in found if "sequence" in message] == [7, 8]
    assert requests[0]["resume"] == {}
    assert requests[1]["resume"] == {"A": {"epoch": "e1", "sequence": 7}}
    assert told[0].startswith("no connection: closed with 1012; trying again in 0.")
    assert told[1].startswith("connected again to ws://")


async def test_delays_grow_and_are_scattered_while_nobody_answers() -> None:
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await answer(socket)

    async with subscribed(handler) as (subscription, told):
        taking = asyncio.create_task(take_until(subscription, 99))
        async with asyncio.timeout(10):
            while len(told) < 9:
                await asyncio.sleep(0.01)
        taking.cancel()
    delays = [float(line.rpartition(" in ")[2].removesuffix(" s")) for line in told[:9]]
    assert 0.5 <= delays[0] <= 1.0
    for number, delay in enumerate(delays, 1):
        longest = min(30.0, 0.5 * 2**number)
        assert longest / 2 - 0.1 <= delay <= longest + 0.1
    assert len(set(delays)) == len(delays)


async def test_a_message_of_an_unknown_kind_is_handed_on_as_it_came() -> None:
    async def handler(socket: ServerConnection) -> None:
        await answer(socket, {"type": "bar", "state": "closed"}, tick(1))
        await socket.wait_closed()

    async with subscribed(handler) as (subscription, _):
        found = await take_until(subscription, 4)
    assert [message["type"] for message in found[2:]] == ["bar", "market_data"]


async def test_a_server_of_another_kind_is_an_error() -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.send("hello")
        await socket.wait_closed()

    async with subscribed(handler) as (subscription, _):
        with pytest.raises(UnknownMessage, match="speaks another protocol"):
            await take_until(subscription, 1)


async def test_a_server_that_refuses_is_not_asked_again() -> None:
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await answer(socket)
        await socket.close(4403, "not allowed")

    async with subscribed(handler) as (subscription, _):
        with pytest.raises(RequestError, match="closed with 4403 not allowed"):
            await take_until(subscription, 99)
    assert connections == 1


async def test_many_symbols_go_in_several_messages_and_one_good_one_is_enough() -> None:
    names = [f"S{number:019}" for number in range(2_500)]
    sizes = []

    async def handler(socket: ServerConnection) -> None:
        await socket.send(json.dumps(WELCOME))
        while sum(sizes) < len(names):
            request = json.loads(await socket.recv())
            sizes.append(len(request["symbols"]))
            refused = [
                {"symbol": name, "code": 404, "message": "no"}
                for name in request["symbols"]
                if name != names[2]
            ]
            reply = {"type": "subscribed", "symbols": names[2:3], "id": request["id"]}
            await socket.send(json.dumps({**reply, "rejected": refused}))
        await socket.send(json.dumps(tick(1, names[2])))
        await socket.wait_closed()

    async with subscribed(handler, *names) as (subscription, _):
        found = await take_until(subscription, 4)
    assert found[-1]["symbol"] == names[2]
    assert len(sizes) == 2


async def test_no_accepted_symbol_is_an_error_that_says_why() -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.send(json.dumps(WELCOME))
        request = json.loads(await socket.recv())
        failure = {"type": "error", "code": 400, "message": "no way", "id": request["id"]}
        await socket.send(json.dumps(failure))
        await socket.wait_closed()

    async with subscribed(handler) as (subscription, _):
        with pytest.raises(RequestError, match="none of the symbols: no way"):
            await take_until(subscription, 9)


async def test_a_web_server_without_a_stream_is_told_by_its_status() -> None:
    async def refuse(socket: ServerConnection) -> None:
        pytest.fail("the handshake is refused")

    async with serve(
        refuse, "127.0.0.1", 0, process_request=lambda socket, _: socket.respond(404, "nothing\n")
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        target = Target(f"ws://127.0.0.1:{port}/")
        async with Subscription(target, ["A"], QuickClock(), random.Random(1), print) as found:
            with pytest.raises(ServerUnavailable, match="HTTP status 404"):
                await found.take()


async def test_what_nobody_takes_holds_the_server_back() -> None:
    sent = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal sent
        await answer(socket)
        while True:
            await socket.send(json.dumps(tick(sent + 1)))
            sent += 1

    async with subscribed(handler) as (subscription, _):
        async with asyncio.timeout(30):
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.3)
        first = await subscription.take()
        assert 9_990 <= len(first) <= 10_000
        await take_until(subscription, 5_000)


async def test_ending_wakes_whoever_waits() -> None:
    async def handler(socket: ServerConnection) -> None:
        await answer(socket)
        await socket.wait_closed()

    async with subscribed(handler) as (subscription, _):
        await take_until(subscription, 2)
        waiting = asyncio.create_task(subscription.take())
        await asyncio.sleep(0)
        subscription.end()
        assert await asyncio.wait_for(waiting, 5) == []
