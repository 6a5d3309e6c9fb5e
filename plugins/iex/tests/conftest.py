"""Recorded answers where they are beside this checkout, and a vendor of our own making."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tickloom.clock import FakeClock
from tickloom.roles import Secret
from tickloom.testing import FaultServer, Reply, Request
from tickloom_iex.client import IexClient
from tickloom_iex.options import IexSettings
from tickloom_iex.provider import IexProvider

# Machines that run tests are busy with other things; the time of an example says nothing.
settings.register_profile("tickloom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tickloom")

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "recorded"
KEY = "sk_TOPSECRET99"
NOW_MS = round(datetime(2026, 1, 2, 15, 0, tzinfo=UTC).timestamp() * 1000)
QUOTE = {
    "symbol": "MSFT",
    "latestPrice": 101.25,
    "latestSource": "IEX real time price",
    "latestUpdate": NOW_MS - 1000,
    "changePercent": 0.01,
}
BAR = {"date": "2025-12-30", "open": 1, "high": 3, "low": 1, "close": 2, "volume": 10} | {
    f"{mark}{name}": 2 for mark in "uf" for name in ("Open", "High", "Low", "Close")
}
COMPANY = {"symbol": "MSFT", "companyName": "Microsoft", "issueType": "cs"}
SPLIT = {"exDate": "2025-12-30", "toFactor": 4, "fromFactor": 1}
DIVIDEND = {"exDate": "2025-12-30", "amount": 0.5, "currency": "USD"}
RATE = {"symbol": "EURUSD", "rate": 1.0875, "timestamp": NOW_MS}


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("the folder of recorded vendor answers is not beside this checkout")
    return RECORDED / "iex_cloud"


@pytest.fixture
def cassette(recorded: Path) -> Callable[[str], tuple[int, bytes]]:
    """Gives status and body of a recording by its name."""

    def read(name: str) -> tuple[int, bytes]:
        import yaml

        tape: Any = yaml.safe_load((recorded / "vcr" / f"{name}.yml").read_text(encoding="utf-8"))
        response = tape["http_interactions"][0]["response"]
        body = response["body"]["string"]
        return response["status"]["code"], body if isinstance(body, bytes) else body.encode()

    return read


def answer_as_the_vendor(request: Request) -> Reply:
    path = request.path
    if path.endswith("/batch"):
        found: Any = {"MSFT": {"quote": QUOTE}}
    elif path.startswith("/crypto"):
        found = QUOTE | {"symbol": "BTCUSD", "primaryExchange": "crypto"}
    else:
        found = next(value for part, value in ANSWERS.items() if part in path)
    return Reply(body=json.dumps(found).encode(), headers={"iexcloud-messages-used": "3"})


ANSWERS: dict[str, Any] = {
    "/quote": QUOTE,
    "/company": COMPANY,
    "/dividends": [DIVIDEND],
    "/splits": [SPLIT],
    "/chart/1mm": [BAR | {"minute": "10:00"}],
    "/chart/date/20251230": [BAR | {"minute": "10:00"}],
    "/chart": [BAR],
    "/search": [{"symbol": "MSFT", "securityName": "Microsoft"}],
    "/fx/latest": [RATE],
}


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer(answer_as_the_vendor) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=0.5) as client:
        yield client


@pytest.fixture
def make() -> Callable[..., IexProvider]:
    """Makes a provider that asks a server, with options."""

    def make(http: httpx.AsyncClient, server: FaultServer, **options: Any) -> IexProvider:
        clock = FakeClock()
        settings = IexSettings(**({"base_url": server.url, "api_key": Secret(KEY)} | options))
        return IexProvider(IexClient(http, settings, clock), settings, clock)

    return make


@pytest.fixture
def answer() -> Callable[[Request], Reply]:
    return answer_as_the_vendor


@pytest.fixture
def bar() -> dict[str, Any]:
    """A bar of the vendor's answers."""
    return BAR


@pytest.fixture
def key() -> str:
    """The one that the providers send."""
    return KEY
