"""A bar that a client was told is closed is in the database, though the server is killed."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect

import tickloom
from cli.home import Home
from tickloom.model import Interval, PriceAdjustment
from tickloom.store import BarQuery, open_backend

if TYPE_CHECKING:
    from databases import Database

SYMBOLS = ("TICK.ONE", "TICK.TWO")
ENOUGH = 8

pytestmark = pytest.mark.timeout(90)


async def closed_bars(url: str) -> list[tuple[str, datetime, str]]:
    """Listen until enough bars were closed; leave with the last one just told."""
    told: list[tuple[str, datetime, str]] = []
    async with connect(url) as client, asyncio.timeout(40):
        wish = {"type": "subscribe", "symbols": SYMBOLS, "channels": ["bars.1s"]}
        await client.send(json.dumps(wish))
        while len(told) < ENOUGH:
            one = json.loads(await client.recv(), parse_float=str)
            if one["type"] == "bar" and one["state"] != "forming" and not one.get("partial"):
                told.append(
                    (one["symbol"], datetime.fromisoformat(one["timestamp"]), str(one["close"]))
                )
    return told


async def test_no_bar_that_was_told_as_closed_is_lost_when_the_server_is_killed(
    tmp_path: Path, database: Database
) -> None:
    home = Home(tmp_path)
    settings = (tmp_path / "tickloom.toml").read_text(encoding="utf-8")
    home.write(
        "tickloom.toml",
        f"{settings}\n[plugins.ticking]\nticks_per_s = 50.0\n"
        f'[database]\nurl = "{database.url}"\nlive_bars = ["1s"]\n',
    )
    core = Path(tickloom.__file__).parents[1]
    code = os.pathsep.join((str(home.site), str(core), str(core.parent / "migrations")))
    with home.serving(PYTHONPATH=code) as (process, banner):
        told = await closed_bars(banner["stream"][0])
        process.kill()
        await asyncio.to_thread(process.wait, 10)

    backend = open_backend(database.url)
    await backend.open()
    stored = {}
    for symbol in SYMBOLS:
        query = BarQuery(
            symbol=symbol,
            interval=Interval.SECOND,
            adjustment=PriceAdjustment.NONE,
            since=datetime.now(UTC) - timedelta(hours=1),
            until=datetime.now(UTC) + timedelta(hours=1),
            provider="live",
        )
        async for piece in backend.read_bars(query, 1_000):
            stored |= {(symbol, bar.timestamp): str(bar.close_price) for _, bar in piece}
    await backend.aclose()
    newest = {(symbol, at): price for symbol, at, price in told}
    assert {key: stored.get(key) for key in newest} == newest
