"""The server's process ends on SIGTERM: everybody is told, and nothing that it accepted is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import tickloom
from cli.home import Home

SYMBOLS = ("TICK.ONE", "TICK.TWO")
CLIENTS = 20
LIMIT_S = 10

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    settings = (tmp_path / "tickloom.toml").read_text(encoding="utf-8")
    home.write("tickloom.toml", f"{settings}\n[plugins.ticking]\nticks_per_s = 200.0\n")
    return home


def code_under_test(home: Home) -> str:
    """Return a path with the very package that this process tests."""
    core = Path(tickloom.__file__).parents[1]
    return os.pathsep.join((str(home.site), str(core), str(core.parent / "migrations")))


class Listener:
    """A client that remembers what it heard until the end."""

    def __init__(self) -> None:
        self.sequences: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
        self.code = 0
        self.subscribed = asyncio.Event()

    async def listen(self, url: str) -> None:
        async with connect(url) as client:
            await client.send(json.dumps({"type": "subscribe", "symbols": SYMBOLS}))
            try:
                while True:
                    self._take(json.loads(await client.recv()))
            except ConnectionClosed as closed:
                self.code = closed.rcvd.code if closed.rcvd is not None else 0

    def _take(self, message: Any) -> None:
        if message["type"] == "subscribed":
            self.subscribed.set()
        elif message["type"] == "market_data":
            self.sequences[message["symbol"]].append(message["sequence"])
        assert message["type"] != "gap"


async def stop_reading(url: str) -> ClientConnection:
    """Return a client that takes nothing from now on, not even the close frame."""
    plain = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0])))
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client = await connect(url, sock=plain)
    await client.send(json.dumps({"type": "subscribe", "symbols": SYMBOLS}))
    client.transport.pause_reading()
    return client


async def published(api: str) -> dict[str, int]:
    """Return the sequences of the newest quotes."""
    async with httpx.AsyncClient() as http:
        answers = [await http.get(f"{api}/quotes/{symbol}") for symbol in SYMBOLS]
    return {answer.json()["symbol"]: answer.json()["sequence"] for answer in answers}


def stored(path: Path, epoch: str) -> dict[str, list[int]]:
    """Return the sequences in the database."""
    question = "SELECT sequence FROM market_data WHERE symbol = ? AND epoch = ? ORDER BY sequence"
    with sqlite3.connect(path) as database:
        found = {
            symbol: [row[0] for row in database.execute(question, (symbol, epoch))]
            for symbol in SYMBOLS
        }
    database.close()
    return found


async def test_a_restart_tells_all_clients_and_loses_nothing(home: Home) -> None:
    with home.serving(PYTHONPATH=code_under_test(home)) as (process, banner):
        url, port = banner["stream"][0], banner["port"]
        listeners = [Listener() for _ in range(CLIENTS)]
        listening = [asyncio.create_task(one.listen(url)) for one in listeners]
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(one.subscribed.wait() for one in listeners))
        stubborn = await stop_reading(url)
        async with httpx.AsyncClient() as http:
            stats = (await http.get(f"{banner['api']}/streaming/stats")).json()
        await asyncio.sleep(1.5)
        before = await published(banner["api"])

        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*listening)
        told_s = time.monotonic() - begun
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(f"ws://127.0.0.1:{port}/ws")
        out, err = await asyncio.to_thread(process.communicate, timeout=LIMIT_S)
        ended_s = time.monotonic() - begun
        stubborn.transport.abort()

    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert told_s < 2
    assert ended_s < 10
    assert {one.code for one in listeners} == {1012}
    rows = stored(home.folder / "tickloom.db", stats["epoch"])
    for symbol in SYMBOLS:
        assert before[symbol] > 100
        assert rows[symbol] == list(range(1, rows[symbol][-1] + 1))
        assert rows[symbol][-1] >= before[symbol]
        for listener in listeners:
            heard = listener.sequences[symbol]
            assert heard == list(range(heard[0], heard[-1] + 1))
            assert before[symbol] <= heard[-1] <= rows[symbol][-1]
