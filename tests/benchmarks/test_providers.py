"""How fast the installed providers are; a table of them stands at the end of `make bench`."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tickloom.clock import SystemClock
from tickloom.roles import PluginSettings, Provider, Secret
from tickloom.testing import FaultServer, Reply, Request
from tickloom.testing.bench import Ask, ProviderSpeed, bare_client

NOW = datetime(2026, 1, 2, 15, 0, 1, tzinfo=UTC)
DATA = Path(__file__).resolve().parents[2] / "examples" / "data"
SYMBOLS = {"simulated": "SIM.ACME", "replay": "DEMO.AURORA", "alpha_vantage": "IBM"}
OPTIONS: dict[str, dict[str, Any]] = {
    "simulated": {},
    "replay": {"path": DATA, "namespace": "DEMO."},
}
GLOBAL_QUOTE = json.dumps(
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
WIDTH = 20


def answer(request: Request) -> Reply:
    return Reply(body=GLOBAL_QUOTE)


@asynccontextmanager
async def asking(name: str) -> AsyncIterator[Ask]:
    """Give what asks a provider for one quote, from a server on this machine where it has one."""
    plugin = importlib.import_module(f"tickloom_{name}")
    async with FaultServer(answer) as server, httpx.AsyncClient(trust_env=False) as http:
        at_server = {"base_url": server.url, "api_key": Secret("test")}
        options = OPTIONS.get(name, at_server)
        settings = PluginSettings(name, SystemClock(), lambda kind: kind(**options))
        provider = provider_of(plugin, settings, http)
        try:
            yield lambda: ask(provider, SYMBOLS[name])
        finally:
            await provider.aclose()


def provider_of(plugin: Any, settings: PluginSettings, http: httpx.AsyncClient) -> Provider:
    arguments = {"settings": settings, "http": http}
    wanted = plugin.tickloom_providers.__code__.co_varnames[
        : plugin.tickloom_providers.__code__.co_argcount
    ]
    [provider] = plugin.tickloom_providers(**{name: arguments[name] for name in wanted})
    return provider


async def ask(provider: Provider, symbol: str) -> None:
    found = (await provider.get_quotes([symbol]))[symbol]
    if isinstance(found, Exception):
        raise found


@pytest.fixture(params=sorted(SYMBOLS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@asynccontextmanager
async def asking_bare() -> AsyncIterator[Ask]:
    async with FaultServer(answer) as server, bare_client(f"{server.url}/query") as bare:
        yield bare


def test_parsing(tickloom_speed: ProviderSpeed) -> None:
    quote = importlib.import_module("tickloom_alpha_vantage.quote")
    tickloom_speed.parse(
        "alpha_vantage", lambda: quote.parse_global_quote(GLOBAL_QUOTE, "IBM", NOW), items=1
    )


def test_the_bare_client(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.bare("alpha_vantage", asking_bare())


def test_a_call(tickloom_speed: ProviderSpeed, name: str) -> None:
    tickloom_speed.call(name, asking(name))


def test_calls_at_the_same_time(tickloom_speed: ProviderSpeed, name: str) -> None:
    tickloom_speed.concurrent(name, asking(name), WIDTH)
