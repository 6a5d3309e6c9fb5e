"""Bars over real sockets, and in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.errors import InvalidInterval, UnknownSymbol
from tickloom.manager import MarketDataManager
from tickloom.model import Timeliness
from tickloom.stream.transport import StreamProtocol

ACME = "SIM.ACME"


def manager_with(**info: Any) -> MarketDataManager:
    provider = ScriptedProvider(
        "sim", namespace="SIM.", symbols=frozenset({ACME}), **(EVERYTHING | info)
    )
    return manager_of(provider)


@asynccontextmanager
async def running(
    protocol: Any = StreamProtocol, query: str = ""
) -> AsyncIterator[tuple[MarketDataManager, ClientConnection]]:
    manager = manager_with()
    async with (
        serving(manager, protocol) as address,
        connect(f"ws://{address}/ws{query}", compression=None) as socket,
    ):
        yield manager, socket


def minute() -> datetime:
    """Return the begin of the minute before this one."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)


def publish(manager: MarketDataManager, moment: datetime, price: str, volume: int) -> None:
    now = datetime.now(UTC)
    quote = make_quote(
        ACME, price, provider="sim", timestamp=moment, received_at=now, volume=volume
    )
    manager.pipeline.accept(quote)


async def ask(socket: ClientConnection, **options: Any) -> None:
    await socket.send(json.dumps({"type": "subscribe", "symbols": [ACME], **options}))


async def hear(socket: ClientConnection, count: int, kind: str = "bar") -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            data = await socket.recv()
            message = json.loads(data) if isinstance(data, str) else msgspec.msgpack.decode(data)
            if message["type"] == kind:
                found.append(message)
    return found


@pytest.mark.parametrize("protocol", [StreamProtocol, WebSocketsSansIOProtocol])
async def test_bars_form_close_and_are_corrected_over_a_socket(protocol: Any) -> None:
    async with running(protocol) as (manager, socket):
        await ask(socket, channels=["bars.1m"])
        await hear(socket, 1, "subscribed")
        begin = minute()
        publish(manager, begin + timedelta(seconds=1), "10.10", 100)
        publish(manager, begin + timedelta(seconds=30), "10.30", 110)
        publish(manager, begin + timedelta(seconds=60), "10.20", 130)
        publish(manager, begin + timedelta(seconds=40), "9.90", 120)
        bars = await hear(socket, 4)

    first = {"type": "bar", "symbol": ACME, "interval": "1m", "open": 10.1, "partial": True}
    assert [one["state"] for one in bars] == ["forming", "closed", "forming", "corrected"]
    assert [one["sequence"] for one in bars] == [1, 2, 3, 4]
    assert bars[1] == {
        **first,
        "timestamp": begin.isoformat().replace("+00:00", "Z"),
        "state": "closed",
        "high": 10.3,
        "low": 10.1,
        "close": 10.3,
        "ticks": 2,
        "epoch": manager.epoch,
        "sequence": 2,
        "volume": 10,
    }
    assert (bars[3]["low"], bars[3]["close"], bars[3]["volume"]) == (9.9, 9.9, 20)
    assert "partial" not in bars[2]


async def test_a_client_that_wants_bars_alone_gets_no_quotes() -> None:
    async with running() as (manager, socket):
        await ask(socket, channels=["bars.1s"])
        await hear(socket, 1, "subscribed")
        publish(manager, minute(), "10", 1)
        await socket.send('{"type":"ping"}')
        kinds = [json.loads(await socket.recv())["type"] for _ in range(2)]

    assert sorted(kinds) == ["bar", "pong"]


async def test_the_forming_bar_comes_with_the_subscription_unless_it_is_not_wanted() -> None:
    async with running() as (manager, socket):
        await ask(socket)
        await hear(socket, 1, "subscribed")
        begin = minute()
        publish(manager, begin, "10", 1)
        publish(manager, begin + timedelta(seconds=60), "11", 5)
        await hear(socket, 2, "market_data")
        await ask(socket, channels=["bars.5m", "bars.1m"], snapshot=False)
        await socket.send('{"type":"ping"}')
        await hear(socket, 1, "pong")
        await ask(socket, channels=["bars.1m"])
        [bar] = await hear(socket, 1)

    assert (bar["interval"], bar["state"], bar["open"]) == ("1m", "forming", 11)
    assert "partial" not in bar


async def test_bars_come_as_messagepack_too() -> None:
    async with running(query="?format=msgpack") as (manager, socket):
        await ask(socket, channels=["bars.1m"])
        await hear(socket, 1, "subscribed")
        publish(manager, minute(), "10.5", 1)
        [bar] = await hear(socket, 1)

    assert (bar["close"], bar["ticks"]) == (10.5, 1)


async def test_a_channel_that_does_not_exist_is_refused_with_those_that_do() -> None:
    async with running() as (_, socket):
        await ask(socket, channels=["bars.2m"])
        [error] = await hear(socket, 1, "error")

    assert error["code"] == 400
    assert "bars.1m" in error["message"]


async def test_a_client_that_leaves_takes_its_bars_with_it() -> None:
    manager = manager_with()
    async with serving(manager) as address:
        async with connect(f"ws://{address}/ws") as socket:
            await ask(socket, channels=["bars.1m", "bars.1d"])
            await hear(socket, 1, "subscribed")
            publish(manager, minute(), "10", 1)
            during = manager.get_system_stats()["streaming"]["bars"]
        async with asyncio.timeout(5):
            while manager.stream_manager.hub.connections:
                await asyncio.sleep(0.01)
        after = manager.get_system_stats()["streaming"]["bars"]

    assert (during["symbols"], during["series"]) == (1, 2)
    assert (after["symbols"], after["series"], after["bars_held"]) == (0, 0, 0)


async def test_the_python_api_gives_bars() -> None:
    async with manager_with() as manager, manager.bars(["SIM.*"], "1m") as bars:
        begin = minute()
        publish(manager, begin, "10", 1)
        publish(manager, begin + timedelta(seconds=60), "11", 2)
        async with asyncio.timeout(5):
            found = [await anext(bars) for _ in range(3)]

    assert [one.state for one in found] == ["forming", "closed", "forming"]
    assert str(found[1].close) == "10"


async def test_the_python_api_refuses_what_is_not_built() -> None:
    async with manager_with() as manager:
        with pytest.raises(InvalidInterval, match="1s, 1m, 5m, 1h, 1d"):
            async with manager.bars([ACME], "2m"):
                pass
        with pytest.raises(UnknownSymbol):
            async with manager.bars(["AAPL"], "1m"):
                pass


async def test_end_of_day_values_make_days_and_nothing_shorter() -> None:
    manager = manager_with(timeliness=Timeliness.END_OF_DAY)
    async with (
        manager,
        manager.bars([ACME], "1d") as days,
        manager.bars([ACME], "1m") as minutes,
    ):
        publish(manager, minute(), "10", 1)
        async with asyncio.timeout(5):
            bar = await anext(days)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(minutes), 0.1)

    assert (bar.state, bar.interval) == ("closed", "1d")
