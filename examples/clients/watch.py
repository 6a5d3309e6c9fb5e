"""Live prices with the client library: it comes back by itself and tells what is missing.

python watch.py [URL [SYMBOL …]]
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

from tickloom.client import Client, Connected, Disconnected, Failure, Gap, Status
from tickloom.errors import TickloomError


def tell(event: Gap | Status | Failure | Connected | Disconnected) -> None:
    match event:
        case Gap():
            text = f"gap in {event.symbol}: {event.dropped} prices up to {event.last_sequence}"
        case Status():
            text = f"{event.provider} is {event.state} for {', '.join(event.symbols)}"
        case Failure():
            text = f"error {event.code}: {event.message}"
        case Connected():
            text = f"connected to {event.server}"
        case Disconnected():
            text = f"no connection: {event.reason}; again in {event.retry_in_s:.1f} s"
    print(text, file=sys.stderr)


async def watch(url: str, symbols: list[str]) -> None:
    key = os.environ.get("TICKLOOM_API_KEY")
    async with Client(url, api_key=key) as client, client.stream(symbols) as ticks:
        ticks.on_gap = ticks.on_status = ticks.on_error = ticks.on_connection = tell
        async for tick in ticks:
            print(f"{tick.symbol}: {tick.quote.current_price}", flush=True)


if __name__ == "__main__":
    url, *symbols = sys.argv[1:] or ["ws://localhost:8000"]
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(watch(url, symbols or ["SIM.ACME", "DEMO.*"]))
    except TickloomError as error:
        sys.exit(f"error: {error}")
