"""What becomes of prices while a provider is in trouble, with real processes and sockets."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from websockets.asyncio.client import ClientConnection, connect

from e2e.acting import Vendor
from tickloom.manager import MarketDataManager
from tickloom.settings import load_settings
from tickloom.testing import LoopLag

SYMBOLS = {"ACME", "BRK.B", "GLOBEX"}
POLL_S = 1.0
ALLOWED_S = POLL_S + 2.0
LONG_S = 25.0
LOOK_S = 2.0
SETTINGS = """
[server]
port = 0
stream_port = 0
[database]
url = ""
[providers]
primary = "yahoo"
fallback = ["iex"]
[plugins]
enabled = ["yahoo", "iex"]
[plugins.yahoo]
base_url = "{yahoo.url}"
stream_url = "{yahoo.ws_url}"
cache_dir = "cookies"
[plugins.iex]
base_url = "{iex.url}"
[feeds]
real_time_update_interval_s = {poll_s}
provider_timeout_s = 3
sessions = false
"""


@contextmanager
def serving(folder: Path, settings: str) -> Iterator[int]:
    """Run the server; gives its port."""
    (folder / "tickloom.toml").write_text(settings)
    with subprocess.Popen(
        [sys.executable, "-m", "tickloom", "serve", "--json"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if "TICKLOOM" not in name},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["port"]
        finally:
            process.terminate()
            assert process.wait(20) == 0


class Listener:
    """A client that keeps what it heard: of each symbol the newest value, and every status."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.values: dict[str, dict[str, Any]] = {}
        self.told: list[dict[str, Any]] = []

    async def until(self, met: Callable[[], bool]) -> float:
        """Listen until something is true; return the seconds that it took."""
        began_s = time.perf_counter()
        async with asyncio.timeout(LONG_S):
            while not met():
                message = json.loads(await self._socket.recv(), parse_float=Decimal)
                if message["type"] == "market_data":
                    self.values[message["symbol"]] = message["data"]
                elif message["type"] == "status":
                    self.told.append(message)
        return time.perf_counter() - began_s

    def all_from(self, provider: str) -> bool:
        return self.values.keys() == SYMBOLS and all(
            value["provider"] == provider for value in self.values.values()
        )

    def last_told(self, state: str) -> bool:
        return bool(self.told) and self.told[-1]["state"] == state


async def test_symbols_of_a_killed_primary_go_to_the_next_provider_and_come_back(
    tmp_path: Path,
) -> None:
    with Vendor("yahoo") as yahoo, Vendor("iex") as iex:
        settings = SETTINGS.format(yahoo=yahoo, iex=iex, poll_s=POLL_S)
        with serving(tmp_path, settings) as port:
            async with connect(f"ws://127.0.0.1:{port}/ws") as socket:
                await socket.send(json.dumps({"type": "subscribe", "symbols": sorted(SYMBOLS)}))
                client = Listener(socket)
                await client.until(lambda: client.all_from("yahoo"))
                # Whatever was said at the begin, from here on the stream is what brings them.
                client.values.clear()
                await client.until(lambda: client.all_from("yahoo"))
                client.told.clear()

                yahoo.kill()
                moved_s = await client.until(lambda: client.all_from("iex"))
                moved = dict(client.values)
                await client.until(lambda: client.last_told("down"))
                down = client.told[-1]

                yahoo.start()
                back_s = await client.until(lambda: client.all_from("yahoo"))
                back = dict(client.values)
                live_s = back_s + await client.until(lambda: client.last_told("live"))

    logger.info("moved in {:.2f} s, back in {:.2f} s, told in {:.2f} s", moved_s, back_s, live_s)
    assert moved_s < ALLOWED_S
    assert all(value["fallback_from"] == "yahoo" for value in moved.values())
    assert all("yahoo" in value["fallback_reason"] for value in moved.values())
    assert (down["provider"], set(down["symbols"])) == ("yahoo", SYMBOLS)
    assert "yahoo" in down["reason"]
    assert not any("fallback_from" in value for value in back.values())


@pytest.mark.parametrize("fault", ["timeout", "slow drip", "fifty megabytes"])
async def test_a_provider_in_trouble_delays_no_symbol_of_another_one(
    tmp_path: Path, fault: str
) -> None:
    with Vendor("iex") as iex:
        file = tmp_path / "tickloom.toml"
        file.write_text(
            '[database]\nurl = ""\n[providers]\nprimary = "iex"\nfallback = []\n'
            '[plugins]\nenabled = ["iex", "simulated"]\n[plugins.simulated]\nticks_per_s = 20\n'
            f'[plugins.iex]\nbase_url = "{iex.url}"\n'
            "[feeds]\nreal_time_update_interval_s = 0.2\nprovider_timeout_s = 1\nsessions = false\n"
        )
        async with MarketDataManager(load_settings(file, environment={})) as manager:
            await manager.start_streaming()
            async with manager.stream([*SYMBOLS, "SIM.ACME"]) as quotes, asyncio.timeout(50):
                heard: set[str] = set()
                async for quote in quotes:
                    heard.add(quote.symbol)
                    if heard > SYMBOLS:
                        break
                calm_s, troubled_s, lags = await longest_pause(quotes, LOOK_S), 0.0, []
                with iex.in_trouble(fault):
                    for _ in range(3):
                        async with LoopLag() as lag:
                            troubled_s = max(troubled_s, await longest_pause(quotes, LOOK_S))
                        lags.append(lag.worst_s)
                    assert not manager.get_provider_status()["iex"]["healthy"]

    logger.info("longest pause {:.3f} s, with {} {:.3f} s, lag {}", calm_s, fault, troubled_s, lags)
    assert troubled_s < calm_s + 0.5
    assert min(lags) < 0.05


async def longest_pause(quotes: Any, seconds: float) -> float:
    """Return the longest time between two ticks of the simulated symbol."""
    began_s = last_s = time.perf_counter()
    worst_s = 0.0
    async for quote in quotes:
        now_s = time.perf_counter()
        if quote.symbol == "SIM.ACME":
            worst_s, last_s = max(worst_s, now_s - last_s), now_s
        if now_s - began_s > seconds:
            break
    return worst_s
