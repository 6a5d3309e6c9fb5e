"""The JavaScript client in a real browser, from a page that loads it as it is."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager

SOURCES = Path(__file__).resolve().parents[2] / "clients" / "javascript" / "src"
SYMBOL = "SIM.ACME"
# The page reads one message after another and waits for each report: it is as slow as the network.
PAGE = """<!doctype html><title>test</title><script type="module">
import { Client } from '/src/index.js';
const tell = (value) => fetch('/told', { method: 'POST', body: JSON.stringify(value) });
const client = new Client('ws://ADDRESS/ws', { prices: 'string', maxDelayMs: 50 });
for await (const message of client.messages('SIM.ACME', { buffer: 8 })) {
    await tell(message);
}
</script>"""

pytestmark = pytest.mark.timeout(120)


class Site:
    """Serves the page and the client's sources, and takes what the page tells."""

    def __init__(self) -> None:
        self.page = ""
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue(10_000)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ", 2)[1]
                kind, body = "text/html", b""
                if path == "/":
                    body = self.page.encode()
                elif path.startswith("/src/") and ".." not in path:
                    kind, body = "text/javascript", (SOURCES / path[5:]).read_bytes()
                elif path == "/told":
                    lengths = [
                        line
                        for line in head.split("\r\n")
                        if line.lower()[:15] == "content-length:"
                    ]
                    size = int(lengths[0].partition(":")[2])
                    self.told.put_nowait(json.loads(await reader.readexactly(size)))
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        finally:
            writer.close()

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(40):
            while True:
                message = await self.told.get()
                if message["type"] == kind:
                    return message


@asynccontextmanager
async def browsing(address: str, profile: Path) -> AsyncIterator[Site]:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is not installed")
    site = Site()
    site.page = PAGE.replace("ADDRESS", address)
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        browser,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        f"http://127.0.0.1:{port}/",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield site
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)
        server.close()
        await server.wait_closed()


def manager_with() -> MarketDataManager:
    return manager_of(
        ScriptedProvider("sim", namespace="SIM.", symbols=frozenset([SYMBOL]), **EVERYTHING)
    )


def publish(manager: MarketDataManager, price: str) -> None:
    manager.pipeline.accept(make_quote(SYMBOL, price, provider="sim"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def subscribed(manager: MarketDataManager) -> None:
    async with asyncio.timeout(40):
        while not any(one.patterns for one in manager.stream_manager.hub.connections):
            await asyncio.sleep(0.02)


async def test_a_page_gets_every_digit_is_told_its_gaps_and_survives_a_restart(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with browsing(f"127.0.0.1:{port}", tmp_path) as site:
        first = manager_with()
        async with serving(first, port=port):
            await subscribed(first)
            publish(first, "0.10000000000000000001")
            tick = await site.next("market_data")
            assert tick["data"]["current_price"] == "0.10000000000000000001"

            for number in range(500):
                publish(first, f"{number}.5")
            seen, gaps = 1, 0
            while seen < 501:
                message = await asyncio.wait_for(site.told.get(), 20)
                if message["type"] == "gap":
                    assert message["origin"] == "buffer"
                    gaps += 1
                seen += message.get("dropped", 1)
                assert seen == message.get("last_sequence", message.get("sequence"))
            assert gaps > 0
        second = manager_with()
        async with serving(second, port=port):
            await subscribed(second)
            publish(second, "7.0")
            gap = await site.next("gap")
            tick = await site.next("market_data")
            assert (gap["origin"], tick["data"]["current_price"]) == ("epoch", "7.0")
