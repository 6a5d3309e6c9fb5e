from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec.structs import replace

from tickloom.clock import FakeClock
from tickloom.errors import (
    CredentialsError,
    NotEntitled,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    Unavailable,
)
from tickloom.model import Quote
from tickloom.roles import QuoteStream, Secret
from tickloom.testing import FAULTS, FaultServer, LoopLag, Reply
from tickloom_iex.client import IexClient
from tickloom_iex.options import IexSettings
from tickloom_iex.provider import IexProvider
from tickloom_iex.stream import SETTLE_S

KEY = "sk_TOPSECRET99"
NOW_MS = round(datetime(2026, 1, 2, 15, 0, tzinfo=UTC).timestamp() * 1000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def event(symbol: str, price: float, at_ms: int = NOW_MS) -> bytes:
    return (
        b"data: "
        + json.dumps([{"symbol": symbol, "price": price, "time": at_ms}]).encode()
        + b"\r\n\r\n"
    )


class Connection:
    """One request as the vendor sees it."""

    def __init__(self, target: str, writer: asyncio.StreamWriter) -> None:
        query = parse_qs(urlsplit(target).query)
        self.path = urlsplit(target).path
        self.symbols = query["symbols"][0].split(",")
        self.token = query.get("token", [""])[0]
        self.is_open = True
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        self._writer.close()


class Vendor:
    """Streams what a test sends, and notes which requests are open."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.url = ""

    @property
    def open(self) -> list[Connection]:
        return [one for one in self.connections if one.is_open]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for one in self.open:
            one.end()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        connection = Connection(head.split(b" ")[1].decode(), writer)
        writer.write(HEAD)
        self.connections.append(connection)
        with suppress(ConnectionError):
            await reader.read()
        connection.is_open = False
        writer.close()


async def until(met: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not met():
            await asyncio.sleep(0.005)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with Vendor() as vendor:
        yield vendor


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=0.5) as client:
        yield client


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def provider(
    vendor: Vendor, http: httpx.AsyncClient, time: FakeClock
) -> AsyncIterator[IexProvider]:
    provider = make(http, vendor.url, time)
    yield provider
    await provider.aclose()
    await until(lambda: not vendor.open)


def make(http: httpx.AsyncClient, url: str, clock: FakeClock, **options: Any) -> IexProvider:
    usual = {"base_url": url, "stream_url": url, "api_key": Secret(KEY), "stream_channel": "last"}
    settings = IexSettings(**(usual | options))
    return IexProvider(IexClient(http, settings, clock), settings, clock)


async def drain(stream: QuoteStream) -> None:
    while True:
        await take(stream)


async def take(stream: QuoteStream) -> Sequence[Quote]:
    async with asyncio.timeout(5):
        return await anext(aiter(stream))


async def test_values_come_out_as_they_are_streamed(provider: IexProvider, vendor: Vendor) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["ACME", "BRK.B", "EURUSD=X"])
    await until(lambda: vendor.open)
    [request] = vendor.open
    data = event("BRK.B", 5.25)
    await request.send(data[:20])
    await request.send(data[20:-2])
    await request.send(data[-2:])
    [quote] = await take(stream)

    assert (request.path, request.symbols, request.token) == ("/v1/last", ["ACME", "BRK.B"], KEY)
    assert (quote.symbol, str(quote.current_price), quote.is_real_time) == ("BRK.B", "5.25", True)


async def test_another_symbol_is_added_without_a_hole(
    provider: IexProvider, vendor: Vendor, time: FakeClock
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["ACME"])
    await until(lambda: vendor.open)
    [old] = vendor.open
    await old.send(event("ACME", 1))
    await take(stream)
    await stream.subscribe(["NEW"])
    await time.advance(SETTLE_S)
    await until(lambda: len(vendor.open) == 2)
    new = vendor.open[-1]
    await old.send(event("ACME", 2))
    [meanwhile] = await take(stream)
    await new.send(event("NEW", 3))
    [first] = await take(stream)
    await until(lambda: not old.is_open)

    assert new.symbols == ["ACME", "NEW"]
    assert (meanwhile.current_price, first.symbol) == (2, "NEW")
    assert new.is_open


async def test_a_snapshot_that_is_older_than_what_was_streamed_is_left_out(
    provider: IexProvider, vendor: Vendor
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["ACME"])
    await until(lambda: vendor.open)
    await vendor.open[0].send(event("ACME", 2))
    await vendor.open[0].send(event("ACME", 1, NOW_MS - 1))
    await vendor.open[0].send(event("ACME", 3))

    assert [(await take(stream))[0].current_price for _ in range(2)] == [2, 3]


async def test_many_changes_at_once_cost_one_request(
    provider: IexProvider, vendor: Vendor, time: FakeClock
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["S0"])
    await until(lambda: vendor.open)
    await vendor.open[0].send(event("S0", 1))
    await take(stream)
    for number in range(1, 40):
        await stream.subscribe([f"S{number}"])
        await asyncio.sleep(0)
    assert len(vendor.connections) == 1
    await time.advance(SETTLE_S)
    await until(lambda: len(vendor.connections) == 2)
    await vendor.connections[1].send(event("S39", 1))
    await until(lambda: len(vendor.open) == 1)

    assert len(vendor.open[0].symbols) == 40


async def test_many_symbols_are_spread_over_requests_of_fifty(
    provider: IexProvider, vendor: Vendor
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe([f"S{number}" for number in range(120)])
    await until(lambda: len(vendor.open) == 3)
    for one in vendor.open:
        await one.send(event(one.symbols[0], 1))
    found = {(await take(stream))[0].symbol for _ in range(3)}

    assert found == {one.symbols[0] for one in vendor.open}
    assert sorted(len(one.symbols) for one in vendor.open) == [20, 50, 50]


async def test_a_symbol_that_was_given_back_falls_silent_and_its_request_is_replaced(
    provider: IexProvider, vendor: Vendor, time: FakeClock
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["ACME", "GONE"])
    await until(lambda: vendor.open)
    [old] = vendor.open
    await old.send(event("GONE", 1))
    await take(stream)
    await old.send(event("GONE", 2) + event("ACME", 3))
    await asyncio.sleep(0.05)
    await stream.unsubscribe(["GONE", "NEVER.THERE"])
    [quote] = await take(stream)
    await time.advance(SETTLE_S)
    await until(lambda: len(vendor.connections) == 2)
    await vendor.connections[1].send(event("ACME", 4))
    await until(lambda: not old.is_open)

    assert quote.symbol == "ACME"
    assert vendor.open[0].symbols == ["ACME"]


async def test_without_symbols_no_request_is_open(
    provider: IexProvider, vendor: Vendor, time: FakeClock
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["ACME"])
    await until(lambda: vendor.open)
    await vendor.open[0].send(event("ACME", 1))
    await take(stream)
    await stream.unsubscribe(["ACME"])
    await time.advance(SETTLE_S)
    await until(lambda: not vendor.open)

    assert len(vendor.connections) == 1


async def test_an_ordinary_end_breaks_the_iteration_so_that_the_host_opens_another(
    provider: IexProvider, vendor: Vendor
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["ACME"])
    await until(lambda: vendor.open)
    await vendor.open[0].send(event("ACME", 1) + b"data: [{")
    vendor.open[0].end()
    [quote] = await take(stream)

    assert quote.current_price == 1
    with pytest.raises(ProviderUnavailable, match="ended its stream"):
        await take(stream)
    assert len(vendor.connections) == 1


async def test_a_consumer_that_does_not_read_holds_the_vendor_back_and_not_memory(
    provider: IexProvider, vendor: Vendor
) -> None:
    stream = await provider.open_stream()
    await stream.subscribe(["ACME"])
    await until(lambda: vendor.open)
    flood = event("ACME", 1) * 1_000
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            for _ in range(1_000):
                await vendor.open[0].send(flood)
    assert stream._batches.qsize() <= 1_000
    await take(stream)


async def test_a_closed_stream_ends_for_who_waits_and_leaves_no_task(
    provider: IexProvider, vendor: Vendor
) -> None:
    before = asyncio.all_tasks()
    stream = await provider.open_stream()
    await stream.subscribe(["ACME"])
    await until(lambda: vendor.open)
    waiting = asyncio.create_task(take(stream))
    await asyncio.sleep(0.01)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting
    await until(lambda: not vendor.open)

    assert {task for task in asyncio.all_tasks() - before if "_serve" not in repr(task)} == set()
    with pytest.raises(StopAsyncIteration):
        await take(stream)


def sse(body: bytes, **fields: Any) -> Reply:
    return Reply(body=body, content_type="text/event-stream", **fields)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (sse(event("ACME", 1), cut_after=20), ProviderUnavailable),
        (sse(b"data: " + b"x" * 60_000, repeat=1_000), ProviderUnavailable),
        (sse(b"data: xx\n" * 6_000, repeat=1_000), ProviderUnavailable),
        (sse(b"data: what?\n\n", repeat=50), ProviderUnavailable),
        (sse(b"", keep_open=True), ProviderUnavailable),
        (sse(event("ACME", 1), hang=True), ProviderUnavailable),
        (Reply(body=b"<html>", content_type="text/html"), ProviderUnavailable),
        (Reply(status=429, headers={"Retry-After": "7"}, body=b"Too many"), RateLimited),
        (Reply(status=403, body=b"The API key provided is not valid."), CredentialsError),
        (Reply(status=451, body=b"The data requires permission to access."), NotEntitled),
        (Reply(status=500, body=b"x" * 100_000), ProviderUnavailable),
        (
            Reply(status=302, headers={"Location": "http://localhost:9/x?token=" + KEY}),
            ProviderUnavailable,
        ),
    ],
    ids=[
        *("cut", "endless line", "endless event", "garbage", "silence", "no answer", "html"),
        *("429", "403", "451", "500", "redirect elsewhere"),
    ],
)
async def test_a_stream_that_breaks_ends_in_an_error_of_ours(
    http: httpx.AsyncClient, time: FakeClock, reply: Reply, kind: type[TickloomError]
) -> None:
    async with FaultServer(lambda _: reply) as server:
        provider = make(http, server.url, time, stream_idle_s=0.2)
        stream = await provider.open_stream()
        await stream.subscribe(["ACME"])
        async with LoopLag() as lag:
            with pytest.raises(kind) as caught:
                await drain(stream)
        await provider.aclose()

    told = "".join(traceback.format_exception(caught.value))
    assert type(caught.value) is kind
    assert KEY not in told
    assert lag.worst_s < 0.1
    assert len(server.requests) == 1
    if isinstance(caught.value, Unavailable) and reply.status == 429:
        assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_every_fault_ends_in_values_or_an_error_of_ours(
    http: httpx.AsyncClient, time: FakeClock, fault: str
) -> None:
    def play(reply: Reply) -> Reply:
        # The data of an event is what the fault is for, not the words around it.
        data = replace(reply, body=reply.body[len(b"data: ") :].rstrip())
        broken = FAULTS[fault](data)
        return replace(broken, body=b"data: " + broken.body + b"\n\n")

    async with FaultServer(lambda _: sse(event("ACME", 1))) as server:
        server.fault = play
        provider = make(http, server.url, time, stream_idle_s=0.3)
        stream = await provider.open_stream()
        await stream.subscribe(["ACME"])
        told = ""
        try:
            async with asyncio.timeout(2):
                while True:
                    assert all(quote.current_price > 0 for quote in await take(stream))
        except (TickloomError, TimeoutError) as error:
            told = "".join(traceback.format_exception(error))
        await provider.aclose()
    assert KEY not in told
