"""How fast the parsers and a quote are; ``make bench`` prints a table of all providers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from tickloom.clock import SystemClock
from tickloom.roles import Secret
from tickloom.testing import FaultServer, Reply, Request
from tickloom.testing.bench import Ask, ProviderSpeed, asking, bare_client
from tickloom_alpha_vantage.client import AlphaVantageClient
from tickloom_alpha_vantage.options import AlphaVantageSettings
from tickloom_alpha_vantage.provider import AlphaVantageProvider
from tickloom_alpha_vantage.series import parse_series

NAME = "alpha_vantage"
WIDTH = 20
QUOTE = json.dumps(
    {
        "Global Quote": {
            "01. symbol": "IBM",
            "02. open": "290.1000",
            "03. high": "292.5500",
            "04. low": "289.0400",
            "05. price": "291.2000",
            "06. volume": "3120456",
            "07. latest trading day": "2026-01-02",
            "08. previous close": "289.8800",
            "09. change": "1.3200",
            "10. change percent": "0.4554%",
        }
    }
).encode()
BARS = 1_000
SERIES = json.dumps(
    {
        "Meta Data": {"4. Time Zone": "US/Eastern"},
        "Time Series (Daily)": {
            str((datetime(2026, 1, 2, tzinfo=UTC) - timedelta(days=day)).date()): {
                "1. open": "290.1000",
                "2. high": "292.5500",
                "3. low": "289.0400",
                "4. close": "291.2000",
                "5. volume": "3120456",
            }
            for day in range(BARS)
        },
    }
).encode()


def answer(request: Request) -> Reply:
    return Reply(body=QUOTE)


@asynccontextmanager
async def asking_bare() -> AsyncIterator[Ask]:
    async with FaultServer(answer) as server, bare_client(f"{server.url}/query") as bare:
        yield bare


@asynccontextmanager
async def asking_ours() -> AsyncIterator[Ask]:
    clock = SystemClock()
    async with FaultServer(answer) as server, httpx.AsyncClient(trust_env=False) as http:
        client = AlphaVantageClient(http, server.url, Secret("test"), "", clock)
        async with asking(
            AlphaVantageProvider(client, AlphaVantageSettings(), clock), "IBM"
        ) as ask:
            yield ask


def test_parsing(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.parse(NAME, lambda: parse_series(SERIES, "America/New_York", "USD"), BARS)


def test_the_bare_client(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.bare(NAME, asking_bare())


def test_a_call(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.call(NAME, asking_ours())


def test_calls_at_the_same_time(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.concurrent(NAME, asking_ours(), WIDTH)
