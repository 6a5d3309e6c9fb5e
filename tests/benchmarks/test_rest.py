"""What a cached quote costs over REST beside a bare handler of the same framework.

Both are called through their ASGI interface, so that the ratio is not softened by the cost of
sockets, which both would pay alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar, get
from pytest_benchmark.fixture import BenchmarkFixture

from plugged import manager_of
from scripted import ScriptedProvider, make_quote
from tickloom.app import create_app
from tickloom.model import encode_json

CALLS = 500
QUOTE = encode_json(make_quote())


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    uvloop = pytest.importorskip("uvloop")
    loop = uvloop.new_event_loop()
    yield loop
    loop.close()


def asker(app: Litestar, path: str) -> Callable[[], Any]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ask() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        for _ in range(CALLS):
            sent.clear()
            await app({**scope, "state": {}}, receive, send)  # type: ignore[arg-type]
        return sent

    return ask


def measure(
    benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop, app: Litestar, path: str
) -> None:
    ask = asker(app, path)
    sent = loop.run_until_complete(ask())
    assert sent[0]["status"] == 200
    assert b'"current_price":189.41' in sent[1]["body"]
    benchmark.extra_info["calls"] = CALLS
    benchmark.pedantic(lambda: loop.run_until_complete(ask()), rounds=30, warmup_rounds=3)


@pytest.mark.benchmark(group="rest: cached quote (500 requests)")
def test_a_bare_handler_that_returns_bytes(
    benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop
) -> None:
    @get("/quotes", media_type="application/json")
    async def bare() -> bytes:
        return QUOTE

    measure(benchmark, loop, Litestar([bare], logging_config=None, openapi_config=None), "/quotes")


@pytest.mark.benchmark(group="rest: cached quote (500 requests)")
def test_a_cached_quote_over_rest(
    benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop
) -> None:
    async def make() -> Litestar:
        manager = manager_of(ScriptedProvider())
        manager.cache_manager.quotes.put(make_quote())
        return create_app(manager)

    measure(benchmark, loop, loop.run_until_complete(make()), "/api/v1/market-data/quotes/AAPL")
