"""The contract that every provider keeps, over a server with answers of our own making."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from tickloom.clock import SystemClock
from tickloom.roles import Provider, Secret
from tickloom.testing import FaultServer, ProviderContract, Reply, Request
from tickloom_iex.client import IexClient
from tickloom_iex.options import IexSettings
from tickloom_iex.provider import IexProvider

KEY = "sk_TOPSECRET99"
KNOWN = {"ACME": 219.3, "BRK.B": 431.25}
TODAY = datetime.now(UTC).date()
FIRST, LAST = TODAY - timedelta(days=10), TODAY - timedelta(days=3)
UNKNOWN = Reply(status=404, body=b"Unknown symbol", content_type="text/html")


def answer(request: Request) -> Reply:
    if request.query.get("token") != KEY:
        body = b"The API key provided is not valid."
        return Reply(status=403, body=body, content_type="text/html")
    kind, *rest = request.path.strip("/").split("/")
    match kind, rest:
        case "sse", [_]:
            return events(request.query["symbols"].split(","))
        case "search", [text]:
            return reply([{"symbol": one, "securityName": one} for one in KNOWN if text in one])
        case "stock", ["market", "batch"]:
            asked = request.query["symbols"].split(",")
            return reply({one: {"quote": quote(one)} for one in asked if one in KNOWN})
        case "stock", [symbol, *question] if symbol in KNOWN:
            return stock(symbol, question)
    return UNKNOWN


def stock(symbol: str, question: list[str]) -> Reply:
    match question:
        case ["quote"]:
            return reply(quote(symbol))
        case ["company"]:
            return reply({"symbol": symbol, "companyName": "Acme", "issueType": "cs"})
        case ["chart", "1mm"]:
            return reply([minute(symbol, day) for day in sessions()])
        case ["chart", "date", text] if text != f"{LAST:%Y%m%d}":
            return reply([minute(symbol, date.fromisoformat(text))])
        case ["chart", *_]:
            return reply([bar(symbol, day) for day in sessions()])
    return reply([])


def quote(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "latestPrice": KNOWN[symbol],
        "latestSource": "IEX real time price",
        "latestUpdate": int(time.time() * 1000),
        "isUSMarketOpen": True,
    }


def sessions() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]


def bar(symbol: str, day: date) -> dict[str, Any]:
    names = ("open", "high", "low", "close")
    prices = dict.fromkeys(names, KNOWN[symbol])
    marked = {f"{mark}{name.title()}": KNOWN[symbol] for mark in "uf" for name in names}
    return {"date": str(day), "volume": 100, "uVolume": 100} | prices | marked


def minute(symbol: str, day: date) -> dict[str, Any]:
    return bar(symbol, day) | {"minute": "10:30"}


def events(symbols: list[str]) -> Reply:
    body = "".join(f"data: {json.dumps([quote(one)])}\r\n\r\n" for one in symbols if one in KNOWN)
    return Reply(body=body.encode() or b": \n\n", content_type="text/event-stream", repeat=100_000)


def reply(body: object) -> Reply:
    return Reply(body=json.dumps(body).encode())


class TestIex(ProviderContract):
    known = ("ACME", "BRK.B")
    unknown = "NOSUCH"
    days = (FIRST, LAST)
    secrets = (KEY,)

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Provider]:
        clock = SystemClock()
        async with FaultServer(answer) as server, httpx.AsyncClient() as http:
            options = IexSettings(
                base_url=server.url, stream_url=f"{server.url}/sse", api_key=Secret(KEY)
            )
            provider = IexProvider(IexClient(http, options, clock), options, clock)
            yield provider
            await provider.aclose()
