"""A vendor in a process of its own, so that it can be killed: ``python acting.py yahoo 0 0``.

It prints its addresses, and takes the name of a fault from each line of its standard input; an
empty line ends the fault.
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tickloom.testing import FAULTS, FaultServer, Reply, Request

YAHOO_PRICE = 100
IEX_PRICE = 200
_TICK_S = 0.1


class Vendor:
    """Starts and kills the process of one vendor, always on the same ports."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.ws_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        ports = [str(urlsplit(url).port or 0) for url in (self.url, self.ws_url)]
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._name, *ports],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url, self.ws_url = json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    @contextmanager
    def in_trouble(self, fault: str) -> Iterator[None]:
        """Play a fault of ``tickloom.testing.FAULTS`` over every answer."""
        self._tell(fault)
        try:
            yield
        finally:
            self._tell("")

    def _tell(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


def answer_as_yahoo(request: Request) -> Reply:
    if request.path == "/":
        return Reply(status=404, headers={"Set-Cookie": "A3=d=1; Path=/; Max-Age=9999"})
    if request.path == "/v1/test/getcrumb":
        return Reply(body=b"Xy/1.aB", content_type="text/plain")
    records = [
        {
            "symbol": symbol,
            "quoteType": "EQUITY",
            "currency": "USD",
            "regularMarketPrice": YAHOO_PRICE,
            "regularMarketTime": int(time.time()),
            "marketState": "REGULAR",
        }
        for symbol in request.query.get("symbols", "").split(",")
    ]
    return reply({"quoteResponse": {"result": records, "error": None}})


async def stream_as_yahoo(connection: ServerConnection) -> None:
    """Send a price of each subscribed symbol again and again."""
    # It comes with all of yfinance; the other vendor starts without it.
    from yfinance.pricing_pb2 import PricingData

    wanted: set[str] = set()

    async def listen() -> None:
        async for text in connection:
            for verb, symbols in json.loads(text).items():
                change = wanted.update if verb == "subscribe" else wanted.difference_update
                change(symbols)

    listening = asyncio.create_task(listen())
    try:
        while not listening.done():
            for symbol in sorted(wanted):
                message = PricingData(
                    id=symbol,
                    price=YAHOO_PRICE + time.time() % 1,
                    time=int(time.time() * 1000),
                    market_hours=1,
                    quote_type=8,
                )
                await connection.send(base64.b64encode(message.SerializeToString()).decode())
            await asyncio.sleep(_TICK_S)
    except ConnectionClosed:
        pass
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def answer_as_iex(request: Request) -> Reply:
    match request.path.strip("/").split("/"):
        case ["stock", "market", "batch"]:
            symbols = request.query["symbols"].split(",")
            return reply({symbol: {"quote": iex_quote(symbol)} for symbol in symbols})
        case ["stock", symbol, "quote"]:
            return reply(iex_quote(symbol))
    return Reply(status=404, body=b"Unknown symbol", content_type="text/html")


def iex_quote(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "latestPrice": round(IEX_PRICE + time.time() % 1, 4),
        "latestSource": "IEX real time price",
        "latestUpdate": int(time.time() * 1000),
        "isUSMarketOpen": True,
    }


def reply(body: object) -> Reply:
    return Reply(body=json.dumps(body).encode())


ROLES: dict[str, Callable[[Request], Reply]] = {"yahoo": answer_as_yahoo, "iex": answer_as_iex}


async def act(name: str, port: int, ws_port: int) -> None:
    async with FaultServer(ROLES[name], ports=(port, ws_port)) as server:
        server.websocket = stream_as_yahoo
        print(json.dumps([server.url, server.ws_url]), flush=True)  # noqa: T201 - for the parent
        while line := await asyncio.to_thread(sys.stdin.readline):
            server.fault = FAULTS.get(line.strip())


if __name__ == "__main__":
    asyncio.run(act(sys.argv[1], *map(int, sys.argv[2:])))
