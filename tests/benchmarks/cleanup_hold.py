"""Prints for how long a cleanup keeps another process from writing to a SQLite file.

Run it as ``.venv/bin/python tests/benchmarks/cleanup_hold.py``; it fills a file of its own first,
which takes half a minute.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tickloom.clock import SystemClock
from tickloom.model import Bar, HistoricalData, Interval, Quote, Timeliness
from tickloom.settings import RetentionSettings
from tickloom.store import BarBatch, SqliteBackend
from tickloom.store.retention import Retention

QUOTES, BARS, BATCH = 300_000, 200_000, 20_000
NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=400)


def quote(symbol: str, at: datetime) -> Quote:
    return Quote(
        symbol=symbol,
        current_price=Decimal("189.41"),
        provider="simulated",
        timestamp=at,
        received_at=at,
        is_real_time=True,
        volume=1_000,
        bid=Decimal("189.40"),
        ask=Decimal("189.42"),
    )


async def fill(url: str) -> None:
    backend = SqliteBackend(url)
    await backend.open()
    for begin in range(0, QUOTES, BATCH):
        await backend.write(
            [
                (quote(f"S{number % 50}", OLD + timedelta(seconds=number)), "epoch")
                for number in range(begin, begin + BATCH)
            ]
        )
    price = Decimal("189.41")
    for begin in range(0, BARS, BATCH):
        bars = tuple(
            Bar(
                timestamp=OLD + timedelta(minutes=number),
                open_price=price,
                high_price=price,
                low_price=price,
                close_price=price,
                volume=1_000,
            )
            for number in range(begin, begin + BATCH)
        )
        history = HistoricalData(
            symbol="AAPL",
            interval=Interval.MINUTE,
            start_date=bars[0].timestamp.date(),
            end_date=bars[-1].timestamp.date(),
            provider="simulated",
            received_at=OLD,
            data_points=bars,
            timeliness=Timeliness.REAL_TIME,
        )
        await backend.write_bars([BarBatch(history=history)])
    await backend.aclose()


async def write(path: str) -> None:
    """Write a batch a hundred times a second until told to end; print how long each had to wait."""
    backend = SqliteBackend(f"sqlite:///{path}")
    await backend.open()
    probe = sqlite3.connect(path, timeout=0, isolation_level=None)
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    waited: list[tuple[float, float]] = []
    count = 0
    print("ready", flush=True)  # noqa: T201 - for the parent
    while not ending.done():
        began_s = time.monotonic()
        # SQLite's own wait looks at the lock every 25 to 50 ms only.
        while not took_lock(probe):
            await asyncio.sleep(0.001)
        waited.append((began_s, time.monotonic() - began_s))
        rows = [(quote("NEW", NOW + timedelta(microseconds=count + n)), "e") for n in range(50)]
        count += len(rows)
        await backend.write(rows)
        await asyncio.sleep(0.01)
    print(json.dumps(waited))  # noqa: T201 - the same
    await backend.aclose()


def took_lock(probe: sqlite3.Connection) -> bool:
    try:
        probe.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    probe.execute("ROLLBACK")
    return True


async def clean(path: str) -> tuple[float, list[tuple[float, float]]]:
    """Clean up beside a writer; return how long it took, and what the writer says."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, __file__, path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    await writer.stdout.readline()
    settings = RetentionSettings(ticks_days=30, intraday_bars_days=30)
    began_s = time.monotonic()
    await Retention(f"sqlite:///{path}", settings, SystemClock()).clean()
    took_s = time.monotonic() - began_s
    writer.stdin.write(b"\n")
    told = json.loads(await writer.stdout.readline())
    await writer.wait()
    return took_s, [(began, waited) for began, waited in told]


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "quotes.db")
        await fill(f"sqlite:///{path}")
        took_s, waited = await clean(path)
    held_ms = sorted(1_000 * held for _, held in waited)
    print(  # noqa: T201 - that is what it is for
        f"{QUOTES + BARS:,} rows in {took_s:.1f} s; {len(held_ms)} writes waited: "
        f"median {statistics.median(held_ms):.1f} ms, "
        f"99th percentile {held_ms[int(0.99 * len(held_ms))]:.1f} ms, most {held_ms[-1]:.1f} ms"
    )


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]) if len(sys.argv) > 1 else main())
