"""The smallest Python client: subscribe, then print every price that comes.

python seed_client.py [URL [SYMBOL …]]
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress

import websockets


async def watch(url: str, symbols: list[str]) -> None:
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"type": "subscribe", "symbols": symbols}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "market_data":
                print(f"{message['symbol']}: {message['data']['current_price']}", flush=True)
            elif message["type"] == "error":
                print(f"error {message['code']}: {message['message']}", file=sys.stderr)
            for refused in message.get("rejected", []):
                print(f"{refused['symbol']} refused: {refused['message']}", file=sys.stderr)


if __name__ == "__main__":
    url, *symbols = sys.argv[1:] or ["ws://localhost:8765"]
    with suppress(KeyboardInterrupt):
        asyncio.run(watch(url, symbols or ["SIM.ACME", "DEMO.AURORA"]))
