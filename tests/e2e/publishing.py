"""A server of the fault tests in a process of its own: ``python -m e2e.publishing``.

It publishes from its start, tells what it holds for each line that comes in, and after the line
``quiet`` publishes no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import sys
from typing import Any

import uvloop

from plugged import manager_of, serving
from scripted import ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager
from tickloom.settings import RingSettings

SYMBOLS = ("SIM.A", "SIM.B")
FAT = "SIM.FAT"
"""Big messages, so that a client that does not read them is behind within a second."""
PAUSE_S = 0.2
FAT_BYTES = 150_000


def raise_file_limit(wanted: int) -> bool:
    """Let this process open ``wanted`` files; return whether it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most == resource.RLIM_INFINITY or most >= wanted


async def publish(manager: MarketDataManager) -> None:
    """Publish a quote of each symbol five times a second."""
    for number in range(1_000_000):
        for symbol in SYMBOLS:
            manager.pipeline.accept(make_quote(symbol, provider="sim", volume=number))
        fat = {"text": "x" * FAT_BYTES, "number": number}
        manager.pipeline.accept(make_quote(FAT, provider="sim", additional_data=fat))
        await asyncio.sleep(PAUSE_S)


def held(manager: MarketDataManager) -> dict[str, Any]:
    """Return what this process holds."""
    gc.collect()
    hub = manager.stream_manager.hub
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path to keep
        pages = int(file.read().split()[1])
    newest = {symbol: hub.newest(symbol) for symbol in SYMBOLS}
    stats = hub.stats()
    return {
        "tasks": len(asyncio.all_tasks()),
        "connections": stats["connected_clients"],
        "subscriptions": stats["subscriptions"],
        "total": stats["total_connections"],
        "dropped": stats["messages_dropped"],
        "streamed": sorted(manager.stream_manager._demand.streamed),
        "resident_bytes": pages * os.sysconf("SC_PAGESIZE"),
        "sequences": {symbol: tick.sequence for symbol, tick in newest.items() if tick},
    }


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - that is a script's output


async def main() -> None:
    raise_file_limit(4_096)
    provider = ScriptedProvider("sim", namespace="SIM.", symbols=frozenset({*SYMBOLS, FAT}))
    limits = {"write_timeout_s": 4.0, "buffer_bytes": 100_000, "ring": RingSettings(count=20)}
    # Only what is published below is to be counted.
    feeds = {"real_time_update_interval_s": 3_600.0}
    manager = manager_of(provider, stream=limits, feeds=feeds)
    async with serving(manager) as address:
        publishing = asyncio.create_task(publish(manager))
        say({"address": address})
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            if line.strip() == "quiet":
                publishing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await publishing
                manager.stream_manager.hub.flush()
            say(held(manager))


if __name__ == "__main__":
    uvloop.run(main())
