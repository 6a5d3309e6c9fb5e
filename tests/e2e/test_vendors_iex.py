"""The commands against a server that answers as IEX Cloud once did."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tickloom.testing import FaultServer, Reply, Request

KEY = "sk_TOPSECRET99"
TAPES = {
    "/v1/stock/MSFT/quote": "quote/msft",
    "/v1/stock/MSFT/chart/max": "historical_prices/msft_5d",
    "/v1/stock/MSFT/chart/date/20190809": "chart/1d",
    "/v1/stock/MSFT/dividends/5y": "dividends/msft_1y",
    "/v1/stock/MSFT/company": "company/msft",
    "/v1/crypto/BTCUSDT/quote": "crypto/btcusdt",
}
# No search was recorded.
FOUND = [{"symbol": "MSFT", "securityName": "Microsoft Corporation", "securityType": "cs"}]


async def run(folder: Path, *words: str, code: int = 0) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tickloom", *words, "--json",
        cwd=folder, env=os.environ | {"IEX_CLOUD_API_KEY": KEY}, stdout=-1, stderr=-1,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    assert KEY.encode() not in out + err
    return json.loads(out or err, parse_float=Decimal)


async def test_the_commands_give_what_iex_cloud_said(recorded: Path, tmp_path: Path) -> None:
    def play(request: Request) -> Reply:
        assert request.query["token"] == KEY
        if request.path == "/v1/search/micro":
            return Reply(body=json.dumps(FOUND).encode())
        file = recorded / "iex_cloud" / "vcr" / f"{TAPES.get(request.path, 'quote/invalid')}.yml"
        tape = yaml.safe_load(file.read_text(encoding="utf-8"))["http_interactions"][0]["response"]
        return Reply(status=tape["status"]["code"], body=str(tape["body"]["string"]).encode())

    async with FaultServer(play) as server:
        (tmp_path / "tickloom.toml").write_text(
            '[database]\nurl = ""\n[providers]\nprimary = "iex"\nfallback = []\n'
            f'[plugins]\nenabled = ["iex"]\n[plugins.iex]\nbase_url = "{server.url}/v1"\n'
        )
        # Two at a time: each is a process of its own.
        quote, coin = await asyncio.gather(
            run(tmp_path, "quote", "MSFT"), run(tmp_path, "quote", "BTC-USDT")
        )
        company, matches = await asyncio.gather(
            run(tmp_path, "company", "MSFT"), run(tmp_path, "search", "micro")
        )
        days, minutes = await asyncio.gather(
            run(tmp_path, "history", "MSFT", "--from", "2020-11-01", "--to", "2020-11-30"),
            run(
                tmp_path, "history", "MSFT", "--interval", "1m",
                "--from", "2019-08-09", "--to", "2019-08-09",
            ),
        )  # fmt: skip
        doctor = await run(tmp_path, "doctor")

    [price] = quote if isinstance(quote, list) else quote["quotes"]
    assert price["current_price"] == Decimal("119.36")
    assert price["timestamp"].startswith("2019-04-04T20:00:00.193")
    assert not price["is_real_time"]
    [price] = coin if isinstance(coin, list) else coin["quotes"]
    assert price["bid"] == Decimal("3562.94")
    assert [bar["close_price"] for bar in days["data_points"]] == [
        Decimal(text) for text in ("216.39", "223.29", "223.72", "218.39", "211.01")
    ]
    assert len(minutes["data_points"]) == 388
    assert minutes["data_points"][0]["timestamp"].startswith("2019-08-09T13:30")
    assert company["name"] == "Microsoft Corp."
    assert matches[0]["symbol"] == "MSFT"
    [told] = [check for check in doctor["checks"] if check["name"] == "provider iex"]
    assert "closed in August 2024" in told["detail"]


async def test_an_unknown_symbol_is_told_as_such(recorded: Path, tmp_path: Path) -> None:
    refusal = Reply(status=404, body=b"Unknown symbol", content_type="text/html")
    async with FaultServer(lambda _: refusal) as server:
        (tmp_path / "tickloom.toml").write_text(
            '[database]\nurl = ""\n[providers]\nprimary = "iex"\nfallback = []\n'
            f'[plugins]\nenabled = ["iex"]\n[plugins.iex]\nbase_url = "{server.url}/v1"\n'
        )
        told = await run(tmp_path, "company", "INVALID", code=1)
    assert "unknown-symbol" in json.dumps(told)
