"""The contract that every provider keeps, over a server with answers of our own making."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import httpx

from tickloom.clock import SystemClock
from tickloom.roles import Provider, Secret
from tickloom.testing import FaultServer, ProviderContract, Reply, Request
from tickloom_alpha_vantage.client import AlphaVantageClient
from tickloom_alpha_vantage.options import AlphaVantageSettings
from tickloom_alpha_vantage.provider import AlphaVantageProvider

KEY = "TOPSECRET99"
FIRST, LAST = date(2026, 5, 11), date(2026, 5, 15)
KNOWN = {"IBM": "219.30", "TSCO.LON": "431.20"}


def answer(request: Request) -> Reply:
    query = request.query
    function = query["function"]
    symbol = query.get("symbol", "")
    if function == "SYMBOL_SEARCH":
        found = [
            {"1. symbol": name, "2. name": name} for name in KNOWN if query["keywords"] in name
        ]
        return reply({"bestMatches": found})
    if symbol not in KNOWN:
        return reply({"Error Message": f"Invalid API call for {function}."})
    if function == "OVERVIEW":
        return reply({"Symbol": symbol, "Name": "Acme", "Currency": "USD", "Sector": "None"})
    if function == "GLOBAL_QUOTE":
        fields = {"05. price": KNOWN[symbol], "07. latest trading day": "2026-05-15"}
        return reply({"Global Quote": fields})
    intraday = function == "TIME_SERIES_INTRADAY"
    return reply({"Time Series": {time: bar(KNOWN[symbol]) for time in times(intraday=intraday)}})


def times(*, intraday: bool) -> list[str]:
    days = [FIRST + timedelta(days=number) for number in range(5)]
    if not intraday:
        return [str(day) for day in days]
    return [f"{day} {10 + number:02}:00:00" for day in days for number in range(6)]


def bar(price: str) -> dict[str, str]:
    prices = {
        f"{number}. {name}": price
        for number, name in enumerate(("open", "high", "low", "close"), start=1)
    }
    adjusted = {"5. adjusted close": price, "8. split coefficient": "1.0"}
    return prices | adjusted | {"6. volume": "100"}


def reply(body: object) -> Reply:
    return Reply(body=json.dumps(body).encode())


class TestAlphaVantage(ProviderContract):
    known = ("IBM", "TSCO.L")
    unknown = "NOSUCH"
    days = (FIRST, LAST)
    secrets = (KEY,)

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Provider]:
        clock = SystemClock()
        async with FaultServer(answer) as server, httpx.AsyncClient() as http:
            client = AlphaVantageClient(http, server.url, Secret(KEY), "", clock)
            yield AlphaVantageProvider(client, AlphaVantageSettings(), clock)
