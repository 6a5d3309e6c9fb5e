"""Recorded real prices travel from the file to a WebSocket client of the real server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

SYMBOLS = {"AAPL", "SPY", "BAC", "IBM"}


@pytest.fixture
def server(recorded: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    settings = tmp_path / "tickloom.toml"
    settings.write_text(
        "[server]\nport = 0\nstream_port = 0\n"
        '[database]\nurl = "sqlite:///recorded.db"\n'
        '[plugins]\nenabled = ["replay"]\n'
        f"[plugins.replay]\npath = {json.dumps(str(recorded / 'replay'))}\nspeed = 3600\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "tickloom", "serve", "--json"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if "TICKLOOM" not in name},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(20) == 0


async def test_recorded_prices_of_four_symbols_reach_a_client_through_the_server(
    server: dict[str, Any], tmp_path: Path
) -> None:
    heard: dict[str, dict[str, Any]] = {}
    async with connect(f"ws://127.0.0.1:{server['port']}/ws") as socket:
        await socket.send(json.dumps({"type": "subscribe", "symbols": sorted(SYMBOLS)}))
        async with asyncio.timeout(30):
            while heard.keys() < SYMBOLS:
                message = json.loads(await socket.recv(), parse_float=Decimal)
                if message["type"] == "market_data":
                    heard[message["symbol"]] = message["data"]

    assert all(data["provider"] == "replay" for data in heard.values())
    assert all(data["is_real_time"] is False for data in heard.values())
    # The recorded days: IBM and BAC of October 2013, AAPL of June 2014, SPY of August 2023.
    assert 175 < heard["IBM"]["current_price"] < 190
    assert 13 < heard["BAC"]["current_price"] < 15
    assert 600 < heard["AAPL"]["current_price"] < 700
    assert 440 < heard["SPY"]["current_price"] < 460


async def test_recorded_days_are_history_over_rest(server: dict[str, Any]) -> None:
    url = f"http://127.0.0.1:{server['port']}/api/v1/market-data/historical/AAPL"
    dates = {"start_date": "2014-06-06", "end_date": "2014-06-09"}
    async with httpx.AsyncClient(timeout=30) as http:
        raw = (await http.get(url, params=dates)).json()
        adjusted = (await http.get(url, params={**dates, "adjusted": "splits"})).json()

    closes = [bar["close_price"] for bar in raw["data_points"]]
    assert closes == [pytest.approx(645.57, abs=1), pytest.approx(93.7, abs=0.2)]
    # Seven for one on the next trading day, and four for one in 2020.
    assert adjusted["data_points"][0]["close_price"] == pytest.approx(closes[0] / 28, abs=0.01)
