"""The stream over real sockets that break in every way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.sync.server import serve as serve_in_thread

from tickloom.clock import FakeClock, SystemClock
from tickloom.errors import ConfigError, ProviderUnavailable
from tickloom.model import Quote
from tickloom.testing import FaultServer, LoopLag, Reply
from tickloom_yahoo.stream import YahooStream

Serve = Callable[..., Any]
Frames = Callable[..., str]
LONG_S = 5.0


def decode(content: bytes) -> Any:
    from yfinance.pricing_pb2 import PricingData

    return PricingData.FromString(content)


@asynccontextmanager
async def streaming(
    play: Callable[[ServerConnection], Awaitable[None]], **options: Any
) -> AsyncIterator[YahooStream]:
    """Give an open stream from a server that plays what it is told once something is asked for."""

    async def after_first_message(connection: ServerConnection) -> None:
        await connection.recv()
        await play(connection)

    usual = {"timeout_s": 2.0, "extended": False, "clock": SystemClock()}
    async with serve(after_first_message, "127.0.0.1", 0, close_timeout=0.2) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stream = await YahooStream.open(f"ws://127.0.0.1:{port}", decode, **(usual | options))
        try:
            yield stream
        finally:
            await stream.aclose()


async def first(stream: YahooStream) -> Quote:
    async with asyncio.timeout(LONG_S):
        async for batch in stream:
            return batch[0]
    raise AssertionError("the stream ended")


async def drain(stream: YahooStream) -> list[Sequence[Quote]]:
    async with asyncio.timeout(LONG_S):
        return [batch async for batch in stream]


def tasks_of_ours() -> set[str]:
    return {one.get_name() for one in asyncio.all_tasks() if one.get_name().startswith("yahoo")}


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "not base64 at all!",
        "AAAA",
        "//////8=",
        b"\x00\xff\xfe" * 50,
        "{",
        "{}",
        "[]",
        "null",
        '{"type": "pricing", "message": 7}',
        '{"type": "pricing", "message": "////"}',
        '{"type": "pricing", "message": {"id": "ACME"}}',
        "x" * 100_000,
        '{"a":' * 5_000,
    ],
)
async def test_a_frame_that_cannot_be_read_costs_nobody_else_anything(
    frame_of: Frames, garbage: str | bytes
) -> None:
    async def play(connection: ServerConnection) -> None:
        await connection.send(garbage)
        await connection.send(frame_of(id="OTHER"))
        await connection.send(frame_of(price=7.25))
        await connection.wait_closed()

    async with streaming(play) as stream:
        await stream.subscribe(["ACME"])
        assert str((await first(stream)).current_price) == "7.25"
        assert stream.bad <= 1


async def test_protobuf_garbage_is_counted(frame_of: Frames) -> None:
    async def play(connection: ServerConnection) -> None:
        for _ in range(3):
            await connection.send('{"type": "pricing", "message": "/////w=="}')
        await connection.send(frame_of())
        await connection.wait_closed()

    async with streaming(play) as stream:
        await stream.subscribe(["ACME"])
        await first(stream)
        assert stream.bad == 3


async def close(connection: ServerConnection) -> None:
    await connection.close()


async def abort(connection: ServerConnection) -> None:
    connection.transport.abort()


async def flood(connection: ServerConnection) -> None:
    await connection.send("x" * 3_000_000)


@pytest.mark.parametrize("ending", [close, abort, flood])
async def test_a_stream_that_breaks_gives_what_it_had_and_then_an_error_of_ours(
    frame_of: Frames, ending: Callable[[ServerConnection], Awaitable[None]]
) -> None:
    async def play(connection: ServerConnection) -> None:
        await connection.send(frame_of())
        await asyncio.sleep(0.05)
        await ending(connection)

    async with streaming(play) as stream:
        await stream.subscribe(["ACME"])
        batches = aiter(stream)
        assert [quote.symbol for quote in await anext(batches)] == ["ACME"]
        with pytest.raises(ProviderUnavailable):
            async with asyncio.timeout(LONG_S):
                await anext(batches)
        # Whoever asks again learns the same.
        with pytest.raises(ProviderUnavailable):
            await drain(stream)
        with pytest.raises(ProviderUnavailable):
            await stream.subscribe(["TSCO.L"])
    assert tasks_of_ours() == set()


async def test_a_peer_that_answers_no_ping_is_dead(frame_of: Frames) -> None:
    async def play(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await hung_up.wait()

    hung_up = asyncio.Event()
    async with streaming(play, ping_s=0.1) as stream:
        await stream.subscribe(["ACME"])
        with pytest.raises(ProviderUnavailable):
            await drain(stream)
        hung_up.set()


async def test_after_an_abort_a_new_stream_of_the_same_provider_gives_values(
    serve: Serve, vendor: Any
) -> None:
    async with serve() as (server, provider):
        server.websocket = abort
        for _ in range(3):
            broken = await provider.open_stream()
            with pytest.raises(ProviderUnavailable):
                await drain(broken)
            await broken.aclose()
        server.websocket = vendor.stream
        stream = await provider.open_stream()
        await stream.subscribe(["ACME", "BRK.B"])
        await first(stream)
    assert vendor.subscribed == [("subscribe", ["ACME", "BRK-B"])]
    assert tasks_of_ours() == set()


async def test_what_is_subscribed_is_asked_for_again_every_fifteen_seconds() -> None:
    got: list[Any] = []

    async def play(connection: ServerConnection) -> None:
        async for text in connection:
            got.append(json.loads(text))  # noqa: PERF401 - each as it comes

    clock = FakeClock()
    async with streaming(play, clock=clock) as stream:
        await stream.subscribe(["TSCO.L"])
        await stream.subscribe(["ACME", "TSCO.L"])
        await stream.unsubscribe(["TSCO.L", "NEVER"])
        for _ in range(2):
            await clock.advance(15.0)
        async with asyncio.timeout(LONG_S):
            while len(got) < 4:
                await asyncio.sleep(0.01)
    assert got == [
        {"subscribe": ["ACME"]},
        {"unsubscribe": ["TSCO.L"]},
        {"subscribe": ["ACME"]},
        {"subscribe": ["ACME"]},
    ]


async def test_many_symbols_are_subscribed_in_pieces() -> None:
    sizes: list[int] = []

    async def play(connection: ServerConnection) -> None:
        async for text in connection:
            sizes.append(len(json.loads(text)["subscribe"]))  # noqa: PERF401 - each as it comes

    async with streaming(play) as stream:
        await stream.subscribe(["ZZZ"])
        await stream.subscribe([f"A{number}" for number in range(250)])
        async with asyncio.timeout(LONG_S):
            while len(sizes) < 3:
                await asyncio.sleep(0.01)
    assert sizes == [100, 100, 50]


@pytest.mark.parametrize(("extended", "expected"), [(False, ["2"]), (True, ["1", "2"])])
async def test_prices_outside_of_the_session_come_only_where_they_are_wanted(
    frame_of: Frames, extended: bool, expected: list[str]
) -> None:
    async def play(connection: ServerConnection) -> None:
        await connection.send(frame_of(price=1.0, market_hours=2))
        await asyncio.sleep(0.05)
        await connection.send(frame_of(price=2.0, market_hours=1))
        await connection.wait_closed()

    async with streaming(play, extended=extended) as stream:
        await stream.subscribe(["ACME"])
        batches = aiter(stream)
        async with asyncio.timeout(LONG_S):
            got = [str((await anext(batches))[0].current_price) for _ in expected]
    assert got == expected
    assert stream.outside == (0 if extended else 1)


@asynccontextmanager
async def flooded(send: Callable[[Any], None]) -> AsyncIterator[YahooStream]:
    """Give a stream whose server has a thread of its own, so that it can be fast."""
    with serve_in_thread(send, "127.0.0.1", 0, compression=None, close_timeout=0.5) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stream = await open_at(f"ws://127.0.0.1:{server.socket.getsockname()[1]}")
        try:
            yield stream
        finally:
            await stream.aclose()
            server.shutdown()
            await asyncio.to_thread(thread.join)


async def test_of_a_burst_that_nobody_reads_the_newest_of_each_symbol_stays(
    frame_of: Frames,
) -> None:
    frames = [frame_of(id=f"A{number % 2}", price=float(number)) for number in range(1, 10_001)]

    def send(connection: Any) -> None:
        connection.recv()
        for frame in frames:
            connection.send(frame)
        connection.recv()

    lags = []
    # What else this machine does meanwhile is not the stream's doing: three attempts.
    for _ in range(3):
        async with flooded(send) as stream, LoopLag() as lag:
            await stream.subscribe(["A0", "A1"])
            async with asyncio.timeout(LONG_S):
                while stream.dropped < len(frames) - 2:
                    await asyncio.sleep(0.01)
            batch = await anext(aiter(stream))
        newest = {quote.symbol: int(quote.current_price) for quote in batch}
        assert newest == {"A0": 10_000, "A1": 9_999}
        lags.append(lag.worst_s)
        if lag.worst_s < 0.05:
            return
    pytest.fail(f"the loop was held up for {min(lags):.3f} s")


async def test_closing_while_frames_come_ends_the_iteration_and_all_tasks(
    frame_of: Frames,
) -> None:
    frame = frame_of()

    def send(connection: Any) -> None:
        connection.recv()
        with contextlib.suppress(ConnectionClosed):
            while True:
                connection.send(frame)

    async with flooded(send) as stream:
        await stream.subscribe(["ACME"])
        reader = asyncio.create_task(drain(stream))
        await asyncio.sleep(0.05)
        await stream.aclose()
        assert await reader
        await stream.aclose()
    assert tasks_of_ours() == set()


@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_a_refused_handshake_is_the_providers_trouble(status: int) -> None:
    def refuse(connection: ServerConnection, _: object) -> Response:
        return connection.respond(HTTPStatus(status), "no")

    async def never(_: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(ProviderUnavailable):
            await open_at(f"ws://127.0.0.1:{port}")


async def open_at(url: str, timeout_s: float = 1.0) -> YahooStream:
    return await YahooStream.open(url, decode, SystemClock(), timeout_s=timeout_s, extended=False)


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    async with serve() as (elsewhere, _):
        target = {"Location": elsewhere.ws_url}
        async with FaultServer(lambda _: Reply(status=302, headers=target)) as server:
            with pytest.raises(ProviderUnavailable):
                await open_at(server.url.replace("http", "ws"))
            assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [Reply(body=b"<html>"), Reply(hang=True), Reply(body=b"x" * 100, drip_s=0.1)],
    ids=["a page", "silence", "a drip"],
)
async def test_what_is_no_socket_is_refused_in_time(reply: Reply) -> None:
    async with FaultServer(lambda _: reply) as server:
        began_s = time.perf_counter()
        with pytest.raises(ProviderUnavailable):
            await open_at(server.url.replace("http", "ws"), 0.3)
    assert time.perf_counter() - began_s < 2


async def test_an_untrusted_certificate_and_a_closed_port_are_refused() -> None:
    async with FaultServer(lambda _: Reply(), tls=True) as server:
        with pytest.raises(ProviderUnavailable):
            await open_at(server.url.replace("http", "ws"))
    with pytest.raises(ProviderUnavailable):
        await open_at("ws://127.0.0.1:9")


@pytest.mark.parametrize("url", ["http://127.0.0.1", "nonsense", "", "ws://[", "ws://h:99999"])
async def test_a_url_that_cannot_be_one_is_the_settings_fault(url: str) -> None:
    with pytest.raises(ConfigError, match="stream_url"):
        await open_at(url)


async def test_a_cancelled_opening_leaves_nothing_behind() -> None:
    async with FaultServer(lambda _: Reply(hang=True)) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await open_at(server.url.replace("http", "ws"), 5.0)
    assert tasks_of_ours() == set()
