"""The commands against a server that answers as a vendor once did."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from tickloom.testing import FaultServer, Reply, Request

KEY = "TOPSECRET99"
ALPHA_VANTAGE = {
    "GLOBAL_QUOTE": "json/crazzyghost_globalquote.json",
    "TIME_SERIES_DAILY": "json/crazzyghost_daily.json",
    "OVERVIEW": "json/overview_IBM.json",
    "SYMBOL_SEARCH": "json/symbol_search_BA.json",
}


async def run(folder: Path, *words: str) -> Any:
    environment = os.environ | {"ALPHA_VANTAGE_API_KEY": KEY}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tickloom", *words, "--json",
        cwd=folder, env=environment, stdout=-1, stderr=-1,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert KEY.encode() not in out + err
    return json.loads(out, parse_float=Decimal)


async def test_the_commands_give_what_alpha_vantage_said(recorded: Path, tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        file = recorded / "alpha_vantage" / ALPHA_VANTAGE[request.query["function"]]
        return Reply(body=file.read_bytes())

    async with FaultServer(answer) as server:
        (tmp_path / "tickloom.toml").write_text(
            '[database]\nurl = ""\n[providers]\nprimary = "alpha_vantage"\nfallback = []\n'
            '[plugins]\nenabled = ["alpha_vantage"]\n'
            f'[plugins.alpha_vantage]\nbase_url = "{server.url}"\n'
        )
        quote, history, company, matches = await asyncio.gather(
            run(tmp_path, "quote", "IBM"),
            run(tmp_path, "history", "IBM", "--from", "2020-05-01", "--to", "2020-05-31"),
            run(tmp_path, "company", "IBM"),
            run(tmp_path, "search", "BA"),
        )

    [price] = quote if isinstance(quote, list) else quote["quotes"]
    assert price["current_price"] == Decimal("121.7400")
    assert price["timestamp"].startswith("2020-05-08T20:00")
    assert [bar["close_price"] for bar in history["data_points"]] == [
        Decimal("121.2300"),
        Decimal("121.7900"),
    ]
    assert company["name"] == "International Business Machines Corporation"
    assert matches[0]["symbol"] == "BA"
