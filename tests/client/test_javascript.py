"""The JavaScript client: its own tests, its types, and the real server."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager
from tickloom.roles import Secret

PACKAGE = Path(__file__).resolve().parents[2] / "clients" / "javascript"
READER = PACKAGE / "test" / "reader.js"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
SYMBOLS = [f"SIM.S{number}" for number in range(5)]

pytestmark = pytest.mark.timeout(120)


def node_command() -> list[str]:
    """Return how to start a Node that has a WebSocket."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    version = subprocess.check_output([node, "--version"], text=True).strip()
    major = int(version.removeprefix("v").partition(".")[0])
    if major < 20:
        pytest.skip(f"node {version} is too old, 20 is the oldest that the client takes")
    return [node, "--experimental-websocket", "--no-warnings"] if major < 22 else [node]


def passes(*command: str | Path) -> None:
    done = subprocess.run(
        command, cwd=PACKAGE, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]


def manager_with(**tables: Any) -> MarketDataManager:
    provider = ScriptedProvider("sim", namespace="SIM.", symbols=frozenset(SYMBOLS), **EVERYTHING)
    return manager_of(provider, **tables)


def publish(manager: MarketDataManager, price: str = "1.10", **fields: Any) -> None:
    manager.pipeline.accept(make_quote(SYMBOLS[0], price, provider="sim", **fields))


class Reader:
    """A Node process that prints what the client tells it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.told: list[dict[str, Any]] = []

    async def next(self, kind: str) -> dict[str, Any]:
        """Wait for the next message of a type; what comes before it is kept in ``told``."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while line := await self.process.stdout.readline():
                message = json.loads(line)
                self.told.append(message)
                if message["type"] == kind:
                    return dict(message)
        raise AssertionError(f"it ended after {self.told}")

    async def until(self, state: str) -> None:
        while (await self.next("state"))["state"] != state:
            pass

    async def leave(self) -> int:
        """Close the client the way a program does; returns how the process ended."""
        _, _ = await asyncio.wait_for(self.process.communicate(b""), 10)
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def reading(address: str, symbols: list[str], **options: Any) -> AsyncIterator[Reader]:
    wanted = json.dumps({"symbols": symbols, **options})
    process = await asyncio.create_subprocess_exec(
        *node_command(), READER, f"ws://{address}/ws", wanted, stdin=PIPE, stdout=PIPE
    )
    try:
        yield Reader(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def subscribed(manager: MarketDataManager, count: int = 1) -> None:
    hub = manager.stream_manager.hub
    async with asyncio.timeout(20):
        while sum(len(one.patterns) for one in hub.connections) < count:
            await asyncio.sleep(0.01)


def test_its_own_tests_pass() -> None:
    node_command()
    passes("node", "test/run.js")


def test_its_types_are_right_and_say_what_a_program_needs() -> None:
    node_command()
    compiler = PACKAGE / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("typescript is not installed: make javascript")
    passes(compiler, "--project", "tsconfig.json")
    passes(compiler, "--project", "test/types/tsconfig.json")


def test_its_lock_file_names_no_address() -> None:
    assert "://" not in (PACKAGE / "package-lock.json").read_text(encoding="utf-8")


def test_it_needs_no_package_to_run() -> None:
    package = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    assert not {"dependencies", "peerDependencies", "optionalDependencies"} & set(package)


async def test_the_first_program_of_its_page_prints_prices() -> None:
    [program, *_] = re.findall(r"^```js\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    manager = manager_with()
    async with serving(manager) as address:
        program = program.replace("127.0.0.1:8765", address).replace("SIM.ACME", SYMBOLS[0])
        process = await asyncio.create_subprocess_exec(
            *node_command(), "--input-type=module", "--eval", program, cwd=PACKAGE, stdout=PIPE
        )
        try:
            await subscribed(manager)
            publish(manager, "189.41")
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), 10)
            assert line.decode() == f"{SYMBOLS[0]}: 189.41\n"
        finally:
            process.kill()
            await process.wait()


async def test_prices_come_in_order_with_every_digit() -> None:
    manager = manager_with()
    async with (
        serving(manager) as address,
        reading(address, ["sim.*"], client={"prices": "string"}) as reader,
    ):
        await subscribed(manager)
        for number in range(1, 301):
            publish(manager, f"{number}.12345678901234567890", volume=number)
        found = [await reader.next("market_data") for _ in range(300)]

        assert [one["sequence"] for one in found] == list(range(1, 301))
        assert found[6]["data"]["current_price"] == "7.12345678901234567890"
        assert found[6]["data"]["volume"] == 7
        assert not [one for one in reader.told if one["type"] == "gap"]
        assert await reader.leave() == 0
        async with asyncio.timeout(5):
            while manager.stream_manager.hub.connections:
                await asyncio.sleep(0.01)


async def test_it_comes_back_to_a_restarted_server_and_tells_the_break() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    async with reading(f"127.0.0.1:{port}", [SYMBOLS[0]]) as reader:
        await reader.until("waiting")
        first = manager_with()
        async with serving(first, port=port):
            await subscribed(first)
            publish(first)
            assert (await reader.next("market_data"))["sequence"] == 1
        await reader.until("waiting")
        assert reader.told[-1]["code"] == 1012
        second = manager_with()
        async with serving(second, port=port):
            await subscribed(second)
            publish(second, "2.5")
            tick = await reader.next("market_data")

            assert (tick["sequence"], tick["data"]["current_price"]) == (1, 2.5)
            [gap] = [one for one in reader.told if one["type"] == "gap"]
            assert gap["origin"] == "epoch"
            assert await reader.leave() == 0


async def test_a_cut_line_is_resumed_without_a_hole() -> None:
    manager = manager_with()
    async with serving(manager) as address, reading(address, ["SIM.*"]) as reader:
        await subscribed(manager)
        publish(manager)
        await reader.next("market_data")
        [connection] = manager.stream_manager.hub.connections
        assert connection.outlet is not None
        connection.outlet.abort()
        for number in range(20):
            publish(manager, volume=number)
        found = [await reader.next("market_data") for _ in range(20)]

        assert [one["sequence"] for one in found] == list(range(2, 22))
        assert not [one for one in reader.told if one["type"] == "gap"]


async def test_a_key_opens_the_stream_and_a_wrong_one_ends_it() -> None:
    auth = {"mode": "keys", "keys": {"me": Secret("right")}}
    manager = manager_with(auth=auth)
    async with (
        serving(manager) as address,
        reading(address, [SYMBOLS[0]], client={"apiKey": "right"}) as good,
        reading(address, [SYMBOLS[0]], client={"apiKey": "wrong"}) as bad,
    ):
        assert (await bad.next("Refused"))["code"] == 401
        assert await asyncio.wait_for(bad.process.wait(), 10) == 0
        await subscribed(manager)
        publish(manager)
        assert (await good.next("market_data"))["sequence"] == 1


async def test_a_symbol_that_nobody_has_is_refused_and_another_name_is_understood() -> None:
    manager = manager_with()
    async with serving(manager) as address, reading(address, ["SIM.NOPE"]) as reader:
        assert (await reader.next("Refused"))["code"] == 404
    provider = ScriptedProvider("scripted", **EVERYTHING)
    manager = manager_of(provider)
    async with serving(manager) as address, reading(address, ["EUR/USD"]) as reader:
        await subscribed(manager)
        manager.pipeline.accept(make_quote("EURUSD=X"))
        assert (await reader.next("market_data"))["symbol"] == "EURUSD=X"


async def test_bars_come_beside_the_prices() -> None:
    manager = manager_with()
    channels = {"channels": ["quotes", "bars.1m"]}
    async with (
        serving(manager) as address,
        reading(address, [SYMBOLS[0]], stream=channels) as reader,
    ):
        await subscribed(manager)
        publish(manager, "3.5")
        bar = await reader.next("bar")

        assert (bar["interval"], bar["state"], bar["close"]) == ("1m", "forming", 3.5)
