"""The commands against a server that answers as Yahoo once did."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from tickloom.manager import MarketDataManager
from tickloom.settings import load_settings
from tickloom.testing import FaultServer, Reply, Request

RECORDED = {
    "/v7/finance/quote": "quote/quote-AAPL.json",
    "/v8/finance/chart/AAPL": "chart/chart-AAPL.json",
    "/v8/finance/chart/OCDO.L": "chart/chart-OCDO.L-2020-01-01-to-2020-01-03.json",
    "/v10/finance/quoteSummary/AAPL": "quoteSummary/quoteSummary-price-AAPL.json",
    "/v1/finance/search": "search/search-AAPL.json",
}
UNKNOWN = {
    "chart": {
        "result": None,
        "error": {"code": "Not Found", "description": "No data found, symbol may be delisted"},
    }
}


@pytest.fixture
async def folder(recorded: Path, tmp_path: Path) -> AsyncIterator[Path]:
    """Give a folder with settings for a server that plays the recordings."""

    def answer(request: Request) -> Reply:
        if request.path == "/":
            return Reply(status=404, headers={"Set-Cookie": "A3=d=1; Path=/"})
        if request.path == "/v1/test/getcrumb":
            return Reply(body=b"Xy/1.aB", content_type="text/plain")
        name = RECORDED.get(request.path)
        if name is None:
            return Reply(status=404, body=json.dumps(UNKNOWN).encode())
        response = json.loads((recorded / "yahoo" / name).read_bytes())["response"]
        return Reply(status=response["status"], body=json.dumps(response["bodyJson"]).encode())

    async with FaultServer(answer) as server:
        (tmp_path / "tickloom.toml").write_text(
            '[database]\nurl = ""\n[providers]\nprimary = "yahoo"\nfallback = []\n'
            '[plugins]\nenabled = ["yahoo"]\n'
            f'[plugins.yahoo]\nbase_url = "{server.url}"\ncache_dir = "cookies"\n'
        )
        yield tmp_path


async def start(folder: Path, *words: str) -> tuple[int | None, bytes, bytes]:
    environment = os.environ | {"HOME": str(folder / "home")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tickloom", *words, "--json",
        cwd=folder, env=environment, stdout=-1, stderr=-1,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out, err


async def run(folder: Path, *words: str) -> Any:
    code, out, err = await start(folder, *words)
    assert code == 0, err.decode()
    return json.loads(out, parse_float=Decimal)


async def test_the_commands_give_what_yahoo_said(folder: Path) -> None:
    # One after the other: each loads pandas, and a busy machine takes seconds for several.
    quote = await run(folder, "quote", "AAPL")
    history = await run(folder, "history", "AAPL", "--from", "2022-02-22", "--to", "2022-02-23")
    pence = await run(folder, "history", "OCDO.L", "--from", "2020-01-01", "--to", "2020-01-31")
    company = await run(folder, "company", "AAPL")
    matches = await run(folder, "search", "AAPL")

    [price] = quote if isinstance(quote, list) else quote["quotes"]
    assert price["current_price"] == Decimal("244.6")
    assert price["timestamp"].startswith("2025-02-14T21:00")
    assert price["market_cap"] == 3674405863424
    assert [bar["close_price"] for bar in history["data_points"]][:1] == [Decimal("164.32")]
    assert history["data_points"][0]["timestamp"].startswith("2022-02-22T05:00")
    assert pence["currency"] == "GBp"
    assert pence["data_points"][0]["volume"] == 728520
    assert (company["name"], company["exchange"]) == ("Apple Inc.", "NasdaqGS")
    assert (matches[0]["symbol"], matches[0]["name"]) == ("AAPL", "Apple Inc.")
    # The cookie goes where the settings say, and nothing into the home folder.
    assert (folder / "cookies").is_dir()
    assert not (folder / "home").exists()


async def test_a_symbol_that_yahoo_did_not_know_is_told_as_such(folder: Path) -> None:
    code, _, err = await start(
        folder, "history", "NOSUCH", "--from", "2022-02-22", "--to", "2022-02-23"
    )
    assert code != 0
    assert b"NOSUCH" in err


async def test_a_stream_that_breaks_comes_back_with_what_was_subscribed(tmp_path: Path) -> None:
    subscribed: list[list[str]] = []

    async def play(connection: ServerConnection) -> None:
        """Send one price, a higher one each time, and break off in another way each time."""
        subscribed.append(json.loads(await connection.recv())["subscribe"])
        await connection.send(frame_of(float(len(subscribed))))
        await asyncio.sleep(0.05)
        if len(subscribed) == 1:
            connection.transport.abort()
        elif len(subscribed) == 2:
            await connection.close()
        elif len(subscribed) == 3:
            await connection.send("x" * 3_000_000)
        await connection.wait_closed()

    empty = json.dumps({"quoteResponse": {"result": [], "error": None}}).encode()
    async with FaultServer(lambda _: Reply(body=empty)) as server:
        server.websocket = play
        file = tmp_path / "tickloom.toml"
        file.write_text(
            '[database]\nurl = ""\n[providers]\nprimary = "yahoo"\nfallback = []\n'
            '[plugins]\nenabled = ["yahoo"]\n[feeds]\nsessions = false\n'
            f'[plugins.yahoo]\nbase_url = "{server.url}"\nstream_url = "{server.ws_url}"\n'
            'cache_dir = "cookies"\n'
        )
        async with MarketDataManager(load_settings(file, environment={})) as manager:
            await manager.start_streaming()
            heard: list[Decimal] = []
            async with manager.stream(["BTC-USD"]) as quotes, asyncio.timeout(20):
                async for quote in quotes:
                    heard.append(quote.current_price)
                    if len(heard) == 4:
                        break
    assert heard == [1, 2, 3, 4]
    assert subscribed == [["BTC-USD"]] * 4


def frame_of(price: float) -> str:
    from yfinance.pricing_pb2 import PricingData

    message = PricingData(
        id="BTC-USD", price=price, time=int(time.time() * 1000), market_hours=1, quote_type=41
    )
    return base64.b64encode(message.SerializeToString()).decode()
