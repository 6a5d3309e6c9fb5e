"""Replicas as real processes: one is killed, several share two ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cluster.servers import RedisServer, free_port

NAMES = [f"N{number}" for number in range(12)]
SYMBOLS = {f"SIM.{name}" for name in NAMES}
LEASE_S = 3.0
SETTINGS = """
[database]
url = ""
[redis]
url = "{url}"
prefix = "{prefix}"
[cluster]
lease_s = {lease_s}
[plugins]
enabled = ["simulated"]
[plugins.simulated]
symbols = {names}
ticks_per_s = 20.0
[providers]
primary = "simulated"
fallback = []
[logging]
level = "WARNING"
"""


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[Path]:
    redis = RedisServer(tmp_path)
    await redis.start()
    file = tmp_path / "tickloom.toml"
    file.write_text(
        SETTINGS.format(
            url=redis.url,
            prefix=secrets.token_hex(4),
            lease_s=LEASE_S,
            names=json.dumps(NAMES),
        )
    )
    yield file
    await redis.kill()


@asynccontextmanager
async def serving(settings: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a server that listens already; its banner is read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tickloom", "serve", "--json", *options,
        cwd=settings.parent,
        env={name: text for name, text in os.environ.items() if not name.startswith("TICKLOOM_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    errors = asyncio.create_task(_drain(process))
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        assert line, (await process.communicate())[1].decode()
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(20):
            await process.wait()
        await errors


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


class Recorder:
    """A client of one replica that keeps what it heard of each symbol."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.ticks: dict[str, list[tuple[str, int, Any]]] = defaultdict(list)
        self.heard_at: dict[str, list[float]] = defaultdict(list)
        self.holes = 0
        self.epoch = ""
        self._last: dict[str, tuple[str, int]] = {}
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async with connect(f"ws://127.0.0.1:{self._port}/ws", max_size=None) as socket:
                await socket.send('{"type":"subscribe","symbols":["SIM.*"]}')
                async for frame in socket:
                    self._take(json.loads(frame))

    def _take(self, message: Any) -> None:
        if message["type"] == "welcome":
            self.epoch = message["epoch"]
        elif message["type"] == "gap":
            epoch = self._last.get(message["symbol"], ("", 0))[0]
            self._last[message["symbol"]] = (epoch, message["last_sequence"])
        elif message["type"] == "market_data":
            symbol, epoch, sequence = message["symbol"], message["epoch"], message["sequence"]
            before = self._last.get(symbol)
            if before is not None:
                new_epoch = before[0] not in {"", epoch} and sequence == 1
                self.holes += not new_epoch and sequence != before[1] + 1
            self._last[symbol] = (epoch, sequence)
            self.ticks[symbol].append((epoch, sequence, message["data"]))
            self.heard_at[symbol].append(time.monotonic())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def until(true: Any, limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.02)


@pytest.mark.timeout(120)
async def test_a_killed_owner_among_three_is_replaced_within_the_lease(settings: Path) -> None:
    ports = [free_port() for _ in range(3)]
    async with contextlib.AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                serving(settings, "--port", str(port), "--stream-port", "0")
            )
            for port in ports
        ]
        recorders = [Recorder(port) for port in ports]
        await until(lambda: all(len(one.ticks) == len(SYMBOLS) for one in recorders))
        await asyncio.sleep(2)

        def owners(recorder: Recorder) -> dict[str, str]:
            return {symbol: ticks[-1][0] for symbol, ticks in recorder.ticks.items()}

        # Chance decides who owns how many; the one with the most is missed the most.
        epochs = [epoch.partition(".")[0] for epoch in owners(recorders[0]).values()]
        number = max(range(3), key=lambda one: epochs.count(recorders[one].epoch))
        victim = recorders[number].epoch
        lost = {s for s, epoch in owners(recorders[0]).items() if epoch.startswith(victim)}
        assert lost
        killed = time.monotonic()
        processes[number].send_signal(signal.SIGKILL)
        survivors = [one for one in recorders if one.epoch != victim]

        def all_lost_tick_again() -> bool:
            return all(
                one.heard_at[symbol][-1] > killed
                and not one.ticks[symbol][-1][0].startswith(victim)
                for one in survivors
                for symbol in lost
            )

        await until(all_lost_tick_again)
        took_s = time.monotonic() - killed
        await asyncio.sleep(1)
        for recorder in recorders:
            await recorder.close()

    assert took_s <= LEASE_S
    assert [one.holes for one in survivors] == [0, 0]
    published: dict[tuple[str, str, int], Any] = {}
    for recorder in recorders:
        for symbol, ticks in recorder.ticks.items():
            for epoch, sequence, data in ticks:
                assert published.setdefault((symbol, epoch, sequence), data) == data


@pytest.mark.timeout(120)
async def test_two_workers_share_both_ports_and_every_client_gets_everything(
    settings: Path,
) -> None:
    port, stream_port = free_port(), free_port()
    options = ("--port", str(port), "--stream-port", str(stream_port), "--workers", "2")
    async with serving(settings, *options):
        await until_all_answer(port, 2)
        recorders = [Recorder(one) for one in [port, stream_port] * 3]
        async with asyncio.timeout(30):
            # Which worker takes a connection is the kernel's affair.
            while len({one.epoch for one in recorders if one.epoch}) < 2:
                recorders.append(Recorder(stream_port))
                await asyncio.sleep(0.1)
        await until(lambda: all(len(one.ticks) == len(SYMBOLS) for one in recorders))
        await asyncio.sleep(2)
        for recorder in recorders:
            await recorder.close()

    assert [one.holes for one in recorders] == [0] * len(recorders)
    newest = [{symbol: ticks[-1][0] for symbol, ticks in one.ticks.items()} for one in recorders]
    assert all(one == newest[0] for one in newest)
    assert len(set(newest[0].values())) == 2


async def until_all_answer(port: int, workers: int) -> None:
    """Connect again and again until every worker has answered."""
    epochs: set[str] = set()
    async with asyncio.timeout(60):
        while len(epochs) < workers:
            with contextlib.suppress(OSError):
                async with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=2) as socket:
                    epochs.add(json.loads(await socket.recv())["epoch"])
            await asyncio.sleep(0.05)
