"""How fast it is; ``python -m pytest --benchmark-enable --benchmark-only`` prints a table."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx

from tickloom.clock import SystemClock
from tickloom.model import PriceAdjustment
from tickloom.roles import Secret
from tickloom.testing import FaultServer, Reply, Request
from tickloom.testing.bench import Ask, ProviderSpeed, bare_client
from tickloom_iex.client import IexClient
from tickloom_iex.options import IexSettings
from tickloom_iex.parse_chart import parse_days, parse_minutes
from tickloom_iex.parse_quote import parse_batch
from tickloom_iex.parse_stream import parse_event
from tickloom_iex.provider import IexProvider
from tickloom_iex.sse import EventSplitter

Cassette = Callable[[str], tuple[int, bytes]]
NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
AT_MS = round(NOW.timestamp() * 1000)
# As many fields as the vendor sent, though not its values.
QUOTE: dict[str, Any] = {
    "avgTotalVolume": 28593541, "calculationPrice": "tops", "change": -0.77,
    "changePercent": -0.01687, "close": 45.65, "closeSource": "official",
    "closeTime": AT_MS - 64_000_000, "companyName": "Acme Incorporated", "currency": "USD",
    "delayedPrice": 44.915, "delayedPriceTime": AT_MS - 900_000, "extendedChange": -0.08,
    "extendedChangePercent": -0.00042, "extendedPrice": 44.64,
    "extendedPriceTime": AT_MS - 4_000_000,
    "high": 45.9, "highSource": "15 minute delayed price", "highTime": AT_MS - 900_000,
    "iexAskPrice": 44.91, "iexAskSize": 100, "iexBidPrice": 44.88, "iexBidSize": 300,
    "iexClose": 44.88, "iexCloseTime": AT_MS - 1_000, "iexLastUpdated": AT_MS - 1_000,
    "iexMarketPercent": 0.01284, "iexOpen": 45.5, "iexOpenTime": AT_MS - 1_800_000,
    "iexRealtimePrice": 44.88, "iexRealtimeSize": 100, "iexVolume": 544646, "isUSMarketOpen": True,
    "latestPrice": 44.88, "latestSource": "IEX real time price", "latestTime": "9:59:59 AM",
    "latestUpdate": AT_MS - 1_000, "latestVolume": 42417913, "low": 44.7, "lowSource": "IEX",
    "lowTime": AT_MS - 900_000, "marketCap": 210038400000, "oddLotDelayedPrice": 44.9,
    "oddLotDelayedPriceTime": AT_MS - 900_000, "open": 45.56, "openSource": "official",
    "openTime": AT_MS - 1_800_000, "peRatio": 14.11, "previousClose": 45.65,
    "previousVolume": 30000000, "primaryExchange": "NASDAQ", "volume": 42417913,
    "week52High": 47.3, "week52Low": 33.23, "ytdChange": 0.24726775956284144,
}  # fmt: skip
DAY = {
    "date": "2026-01-02", "open": 45.5, "close": 44.88, "high": 45.9, "low": 44.7,
    "volume": 42417913, "uOpen": 45.5, "uClose": 44.88, "uHigh": 45.9, "uLow": 44.7,
    "uVolume": 42417913, "fOpen": 45.5, "fClose": 44.88, "fHigh": 45.9, "fLow": 44.7,
    "fVolume": 42417913, "change": -0.77, "changePercent": -1.687, "label": "Jan 2",
    "changeOverTime": 0.1,
}  # fmt: skip
NAMES = {f"S{number}": f"S{number}" for number in range(100)}
BATCH = json.dumps({name: {"quote": QUOTE | {"symbol": name}} for name in NAMES}).encode()
EVENTS = b"".join(
    b"data: " + json.dumps([QUOTE | {"symbol": name}]).encode() + b"\r\n\r\n" for name in NAMES
)
YEARS = json.dumps(
    [
        DAY | {"date": f"{1990 + n // 336}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}"}
        for n in range(3_800)
    ]
).encode()
WIDTH = 20


def test_a_batch(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.parse(
        "iex", lambda: parse_batch(BATCH, NAMES, NOW, scrambled=False), items=len(NAMES)
    )


def test_events_of_the_stream(tickloom_speed: ProviderSpeed) -> None:
    def read() -> None:
        for data in EventSplitter("iex").feed(EVENTS):
            parse_event(data, "stocksUS", NAMES, NOW, scrambled=False)

    tickloom_speed.parse("iex, stream", read, items=len(NAMES))


def test_fifteen_years_of_days(tickloom_speed: ProviderSpeed) -> None:
    assert len(parse_days(YEARS, PriceAdjustment.NONE).bars) == 3_800
    tickloom_speed.parse("iex, days", lambda: parse_days(YEARS, PriceAdjustment.NONE), items=3_800)


def test_a_recorded_day_of_minutes(tickloom_speed: ProviderSpeed, cassette: Cassette) -> None:
    _, body = cassette("chart/1d")
    tickloom_speed.parse(
        "iex, recorded minutes", lambda: parse_minutes(body, market=False), items=390
    )


def answer(request: Request) -> Reply:
    return Reply(body=json.dumps(QUOTE | {"symbol": "ACME"}).encode())


@asynccontextmanager
async def asking() -> AsyncIterator[Ask]:
    clock = SystemClock()
    async with FaultServer(answer) as server, httpx.AsyncClient(trust_env=False) as http:
        options = IexSettings(base_url=server.url, api_key=Secret("test"), calls_per_second=None)
        provider = IexProvider(IexClient(http, options, clock), options, clock)
        yield lambda: provider.get_quotes(["ACME"])
        await provider.aclose()


@asynccontextmanager
async def asking_bare() -> AsyncIterator[Ask]:
    async with FaultServer(answer) as server, bare_client(f"{server.url}/quote") as bare:
        yield bare


def test_the_bare_client(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.bare("iex", asking_bare())


def test_a_call(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.call("iex", asking())


def test_calls_at_the_same_time(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.concurrent("iex", asking(), WIDTH)
