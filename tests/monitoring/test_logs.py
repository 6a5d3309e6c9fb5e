"""Log lines of libraries show no key and nothing that helps nobody, wherever they go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
import pytest
import stamina

from plugged import settings_of
from tickloom.errors import ProviderUnavailable
from tickloom.fetch import fetch
from tickloom.manager import MarketDataManager
from tickloom.monitoring.logs import guard_library_logs
from tickloom.testing import FaultServer, Reply

if TYPE_CHECKING:
    from databases import Postgres

KEY = "TOPSECRET99"


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    where = {"Location": f"/query?apikey={KEY}&again=1"}
    async with FaultServer(lambda _: Reply(status=404, headers=where)) as server:
        yield server


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
async def test_a_program_that_uses_the_python_api_logs_no_query(
    server: FaultServer, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    caplog.set_level(level)
    async with MarketDataManager(settings_of(), entry_points=()) as manager:
        await fetch(manager._rooms.http, "acme", f"{server.url}/query", {"apikey": KEY})

    assert server.requests[0].query == {"apikey": KEY}
    assert f"GET {server.url}/query?… " in caplog.text
    assert KEY not in caplog.text


async def test_a_line_without_a_query_stays_as_it_is(
    server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    guard_library_logs()
    async with httpx.AsyncClient() as http:
        await http.get(f"{server.url}/path")

    assert f'HTTP Request: GET {server.url}/path "HTTP/1.1 404 Not Found"' in caplog.text


async def test_a_retry_of_ours_is_not_warned_of_and_others_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def ask(error: Exception) -> None:
        async for attempt in stamina.retry_context(on=type(error), attempts=2):
            with attempt:
                raise error

    guard_library_logs()
    for error in (ProviderUnavailable("provider acme is away"), ValueError("of others")):
        with pytest.raises(type(error)):
            await ask(error)

    assert [getattr(record, "stamina.caused_by") for record in caplog.records] == [
        "ValueError('of others')"
    ]


async def test_a_pool_that_cannot_connect_again_says_so_in_one_line(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    guard_library_logs()
    async with postgres() as database:
        pool = await asyncpg.create_pool(database.url, min_size=1, max_size=1)
        async with database.away():
            while not caplog.records:
                await asyncio.sleep(0.005)
        pool.terminate()

    assert "Failed to restore the pool connection floor" in caplog.text
    assert "ConnectionRefusedError" in caplog.text
    assert "Traceback" not in caplog.text


def test_guarding_twice_adds_one_filter() -> None:
    guard_library_logs()
    before = list(logging.getLogger("httpx").filters)
    guard_library_logs()
    assert logging.getLogger("httpx").filters == before
