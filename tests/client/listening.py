"""What comes out of a stream of the client."""

from __future__ import annotations

import asyncio
from typing import Any

from tickloom.client import Stream, Tick


async def numbers_of(stream: Stream[Tick], count: int) -> list[int]:
    found = []
    async with asyncio.timeout(10):
        async for one in stream:
            found.append(one.sequence)
            if len(found) == count:
                break
    return found


async def events_until(stream: Stream[Tick], kind: type) -> list[Any]:
    found = []
    async with asyncio.timeout(10):
        async for event in stream.events():
            found.append(event)
            if isinstance(event, kind):
                break
    return found
