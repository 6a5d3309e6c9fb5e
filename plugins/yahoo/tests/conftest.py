"""Recorded answers where they are beside this checkout, and a vendor of our own making."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tickloom.clock import SystemClock
from tickloom.testing import FaultServer, Reply, Request
from tickloom_yahoo.client import YahooClient
from tickloom_yahoo.options import YahooSettings
from tickloom_yahoo.provider import YahooProvider

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "recorded"
PRICES = {"ACME": 189.41, "TSCO.L": 431.2, "BRK-B": 470.5}
STEPS = {"1m": 60, "2m": 120, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "90m": 5400}
DAYS = {"1d": 1, "5d": 5, "1wk": 7, "1mo": 30, "3mo": 90}
MOST_BARS = 50


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("the folder of recorded vendor answers is not beside this checkout")
    return RECORDED / "yahoo"


@pytest.fixture
def answer(recorded: Path) -> Callable[[str], tuple[int, bytes]]:
    """Return status and body of a recording, whichever of the forms it has."""

    def read(name: str) -> tuple[int, bytes]:
        raw = (recorded / name).read_bytes()
        try:
            whole = json.loads(raw)
        except ValueError:
            return 200, raw
        response = whole.get("response") if isinstance(whole, dict) else None
        if response is None:
            return 200, raw
        body = response.get("bodyJson", response.get("body"))
        text = body if isinstance(body, str) else json.dumps(body)
        return response["status"], text.encode()

    return read


@pytest.fixture
def body(answer: Callable[[str], tuple[int, bytes]]) -> Callable[[str], bytes]:
    return lambda name: answer(name)[1]


def reply(answer: object, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(answer).encode())


def refusal(root: str, status: int, code: str, words: str) -> Reply:
    return reply({root: {"result": None, "error": {"code": code, "description": words}}}, status)


def symbol_of(request: Request) -> str:
    return unquote(request.path).rpartition("/")[2]


class Vendor:
    """Answers as Yahoo does, for three symbols: cookie, crumb, questions and the stream.

    Attributes:
        crumb: The one that it takes; another one makes those given out before stale.
        crumb_reply: Answers in place of a crumb; ``None`` = with the crumb.
        subscribed: The symbols of each message of the stream, by its verb.
        market_hours: Of the prices of the stream.
    """

    def __init__(self) -> None:
        self.crumb = "Xy/1.aB"
        self.crumb_reply: Reply | None = None
        self.subscribed: list[tuple[str, list[str]]] = []
        self.market_hours = 1

    def answer(self, request: Request) -> Reply:
        ways = {
            "/": self.cookie,
            "/v1/test/getcrumb": self.give_crumb,
            "/v1/finance/search": self.matches,
            "/v8/finance/chart": self.chart,
            "/v7/finance/quote": self.quotes,
            "/v10/finance/quoteSummary": self.company,
        }
        way = ways.get(request.path) or ways.get(request.path.rpartition("/")[0])
        if way is None:
            return Reply(status=404, body=b"<html>", content_type="text/html")
        if way in {self.quotes, self.company} and request.query.get("crumb") != self.crumb:
            return refusal("finance", 401, "Unauthorized", "Invalid Crumb")
        return way(request)

    def cookie(self, _: Request) -> Reply:
        return Reply(status=404, headers={"Set-Cookie": "A3=d=1; Path=/; Max-Age=9999"})

    def give_crumb(self, request: Request) -> Reply:
        if "A3=" not in request.headers.get("cookie", ""):
            return refusal("finance", 401, "Unauthorized", "Invalid Cookie")
        return self.crumb_reply or Reply(body=self.crumb.encode(), content_type="text/plain")

    def quotes(self, request: Request) -> Reply:
        now_s = int(datetime.now(UTC).timestamp())
        records = [
            {
                "symbol": symbol,
                "quoteType": "EQUITY",
                "currency": "GBp" if symbol.endswith(".L") else "USD",
                "regularMarketPrice": PRICES[symbol],
                "regularMarketPreviousClose": 100.5,
                "regularMarketTime": now_s - 900,
                "regularMarketVolume": 1000,
                "marketState": "REGULAR",
            }
            for symbol in request.query["symbols"].split(",")
            if symbol in PRICES
        ]
        return reply({"quoteResponse": {"result": records, "error": None}})

    def chart(self, request: Request) -> Reply:
        symbol = symbol_of(request)
        if symbol not in PRICES:
            words = "No data found, symbol may be delisted"
            return refusal("chart", 404, "Not Found", words)
        times = times_of(request)
        column = [PRICES[symbol]] * len(times)
        quote = dict.fromkeys(("open", "high", "low", "close"), column)
        result = {
            "meta": {"currency": "USD", "exchangeTimezoneName": "America/New_York"},
            "timestamp": times,
            "indicators": {
                "quote": [{**quote, "volume": [100] * len(times)}],
                "adjclose": [{"adjclose": column}],
            },
        }
        return reply({"chart": {"result": [result], "error": None}})

    def company(self, request: Request) -> Reply:
        symbol = symbol_of(request)
        if symbol not in PRICES:
            return refusal("quoteSummary", 404, "Not Found", f"Quote not found for {symbol}")
        price = {"symbol": symbol, "longName": "Acme Corporation", "currency": "USD"}
        return reply({"quoteSummary": {"result": [{"price": price}], "error": None}})

    def matches(self, request: Request) -> Reply:
        found = [
            {"symbol": symbol, "longname": f"{symbol} Corporation", "quoteType": "EQUITY"}
            for symbol in PRICES
            if request.query["q"].upper() in symbol
        ]
        return reply({"quotes": found, "news": []})

    async def stream(self, connection: ServerConnection) -> None:
        """Send a price of each subscribed symbol every few milliseconds."""
        wanted: set[str] = set()

        async def listen() -> None:
            async for text in connection:
                for verb, symbols in json.loads(text).items():
                    self.subscribed.append((verb, symbols))
                    change = wanted.update if verb == "subscribe" else wanted.difference_update
                    change(symbols)

        listening = asyncio.create_task(listen())
        try:
            while not listening.done():
                for symbol in sorted(wanted & PRICES.keys()):
                    await connection.send(frame(id=symbol, market_hours=self.market_hours))
                await asyncio.sleep(0.005)
        except ConnectionClosed:
            pass
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def times_of(request: Request) -> list[int]:
    interval = request.query["interval"]
    first, last = int(request.query["period1"]), int(request.query["period2"])
    last = min(last, int(datetime.now(UTC).timestamp()))
    step = STEPS.get(interval)
    if step is not None:
        return list(range(-(-first // step) * step, last, step))[-MOST_BARS:]
    opened = datetime.fromtimestamp(first, UTC).replace(hour=14, minute=30, second=0)
    times = []
    while opened.timestamp() < last:
        times.append(int(opened.timestamp()))
        opened += timedelta(days=DAYS[interval])
    return times[-MOST_BARS:]


def pricing(**fields: Any) -> bytes:
    """Return a protobuf message of the stream."""
    from yfinance.pricing_pb2 import PricingData

    usual = {
        "id": "ACME",
        "price": 189.41,
        "time": int(datetime.now(UTC).timestamp() * 1000),
        "currency": "USD",
        "exchange": "NMS",
        "quote_type": 8,
        "market_hours": 1,
        "price_hint": 2,
    }
    message: bytes = PricingData(**(usual | fields)).SerializeToString()
    return message


def frame(**fields: Any) -> str:
    """Return a frame of the stream."""
    message = base64.b64encode(pricing(**fields)).decode()
    return json.dumps({"type": "pricing", "message": message})


@pytest.fixture
def frame_of() -> Callable[..., str]:
    """Make a frame of the stream out of fields of its message."""
    return frame


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


Serve = Callable[..., Any]


@pytest.fixture
def serve(vendor: Vendor, tmp_path: Path) -> Iterator[Serve]:
    """Give ``async with serve(**options) as (server, provider)``."""

    @asynccontextmanager
    async def serving(
        *, tls: bool = False, **options: Any
    ) -> AsyncIterator[tuple[FaultServer, YahooProvider]]:
        async with FaultServer(vendor.answer, tls=tls) as server:
            server.websocket = vendor.stream
            own = {"base_url": server.url, "stream_url": server.ws_url, "cache_dir": tmp_path}
            settings = YahooSettings(**(own | options))
            clock = SystemClock()
            provider = YahooProvider(YahooClient(settings, clock), settings, clock)
            try:
                yield server, provider
            finally:
                await provider.aclose()

    return serving
