"""How fast the parsers, a quote and the stream are; ``make bench`` prints a table of providers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tickloom.model import Interval
from tickloom.testing import FaultServer, Reply, Request
from tickloom.testing.bench import Ask, ProviderSpeed, asking
from tickloom_yahoo.parse_chart import parse_chart
from tickloom_yahoo.parse_frame import parse_frame
from tickloom_yahoo.parse_quote import parse_quotes

NAME = "yahoo"
WIDTH = 20
BATCH = 100
BARS = 1_000
NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
Serve = Callable[..., Any]

# As many fields as Yahoo sends, most of them of no use here.
RECORD = {
    "language": "en-US",
    "region": "US",
    "quoteType": "EQUITY",
    "typeDisp": "Equity",
    "quoteSourceName": "Nasdaq Real Time Price",
    "currency": "USD",
    "exchange": "NMS",
    "fullExchangeName": "NasdaqGS",
    "longName": "Acme Corporation of Somewhere",
    "shortName": "Acme",
    "marketState": "REGULAR",
    "priceHint": 2,
    "exchangeDataDelayedBy": 0,
    "regularMarketPrice": 189.41,
    "regularMarketTime": 1767366000,
    "regularMarketOpen": 188.02,
    "regularMarketDayHigh": 190.75,
    "regularMarketDayLow": 187.31,
    "regularMarketPreviousClose": 188.11,
    "regularMarketChange": 1.3000031,
    "regularMarketChangePercent": 0.6910846,
    "regularMarketVolume": 40896227,
    "bid": 189.4,
    "ask": 189.42,
    "marketCap": 3674405863424,
    **{f"someOtherFigure{number}": 1234567.891 + number for number in range(40)},
    **{f"someOtherText{number}": "words that nobody needs" for number in range(12)},
}
QUOTES = json.dumps(
    {
        "quoteResponse": {
            "result": [{**RECORD, "symbol": f"A{number}"} for number in range(BATCH)],
            "error": None,
        }
    }
).encode()
SYMBOLS = [f"A{number}" for number in range(BATCH)]
# 32 bits widened to 64, as Yahoo writes them.
COLUMN = [164.97999572753906, 166.69000244140625, 162.14999389648438, 164.32000732421875] * 250
CHART = json.dumps(
    {
        "chart": {
            "result": [
                {
                    "meta": {"currency": "USD", "exchangeTimezoneName": "America/New_York"},
                    "timestamp": [1640010600 + 86400 * number for number in range(BARS)],
                    "indicators": {
                        "quote": [
                            dict.fromkeys(("open", "high", "low", "close"), COLUMN)
                            | {"volume": [91162800] * BARS}
                        ],
                        "adjclose": [{"adjclose": COLUMN}],
                    },
                }
            ],
            "error": None,
        }
    }
).encode()


def test_parsing_quotes(tickloom_speed: ProviderSpeed) -> None:
    assert all(parse_quotes(QUOTES, SYMBOLS, NOW).values())
    tickloom_speed.parse(NAME, lambda: parse_quotes(QUOTES, SYMBOLS, NOW), BATCH)


def test_parsing_bars(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.parse(f"{NAME} bars", lambda: parse_chart(CHART, "ACME", Interval.DAY), BARS)


def test_parsing_bars_of_minutes(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.parse(
        f"{NAME} minutes", lambda: parse_chart(CHART, "ACME", Interval.MINUTE), BARS
    )


def test_parsing_frames_of_the_stream(
    tickloom_speed: ProviderSpeed, frame_of: Callable[..., str]
) -> None:
    from yfinance.pricing_pb2 import PricingData

    frames = [frame_of(id=symbol, change=1.25, day_volume=40896227) for symbol in SYMBOLS]

    def run() -> None:
        for frame in frames:
            parse_frame(frame, PricingData.FromString, NOW)

    tickloom_speed.parse(f"{NAME} frames", run, BATCH)


def test_parsing_recorded_quotes(
    tickloom_speed: ProviderSpeed, body: Callable[[str], bytes]
) -> None:
    content = body("quote/quote-AAPL.json")
    tickloom_speed.parse(f"{NAME} recorded", lambda: parse_quotes(content, ["AAPL"], NOW), 1)


def test_parsing_recorded_bars(tickloom_speed: ProviderSpeed, body: Callable[[str], bytes]) -> None:
    content = body("chart/historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json")
    count = len(parse_chart(content, "NVDA", Interval.DAY).bars)
    tickloom_speed.parse(
        f"{NAME} recorded bars", lambda: parse_chart(content, "NVDA", Interval.DAY), count
    )


@pytest.fixture
def ours(serve: Serve) -> Any:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Ask]:
        async with serve(threads=8) as (_, provider), asking(provider, "ACME") as ask:
            yield ask

    return opened


@asynccontextmanager
async def asking_bare() -> AsyncIterator[Ask]:
    """Give what asks with curl_cffi alone, in a thread as it must."""
    from curl_cffi.requests import Session

    def answer(_: Request) -> Reply:
        return Reply(body=QUOTES[:400])

    async with FaultServer(answer) as server:
        with Session(impersonate="chrome") as session:
            yield lambda: asyncio.to_thread(session.get, f"{server.url}/v7/finance/quote")


def test_the_bare_client(tickloom_speed: ProviderSpeed) -> None:
    tickloom_speed.bare(NAME, asking_bare())


def test_a_call(tickloom_speed: ProviderSpeed, ours: Any) -> None:
    tickloom_speed.call(NAME, ours())


def test_calls_at_the_same_time(tickloom_speed: ProviderSpeed, ours: Any) -> None:
    tickloom_speed.concurrent(NAME, ours(), WIDTH)
