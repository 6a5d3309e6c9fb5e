"""Downloads five million bars of a real server in every format, and prints what memory it takes.

Run it as ``.venv/bin/python tests/benchmarks/history_memory.py [sqlite] [postgresql]``; it fills a
database of its own first, which takes some minutes.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
from msgspec.structs import replace

from tickloom.model import Bar, HistoricalData, Interval, Timeliness
from tickloom.store import BarBatch, Days, open_backend

SERVER = "postgresql://postgres@127.0.0.1:5432/test"
BARS = 5_000_000
BATCH = 20_000
MIB = 1_048_576
START = datetime(2015, 1, 1, tzinfo=UTC)
LAST = START + timedelta(minutes=BARS - 1)
FORMATS = ("json", "csv", "arrow", "parquet")


async def fill(url: str) -> None:
    prices = [Decimal(n).scaleb(-2) for n in range(18_900, 19_000)]
    empty = HistoricalData(
        symbol="BTC-USD",
        interval=Interval.MINUTE,
        start_date=START.date(),
        end_date=LAST.date(),
        provider="simulated",
        received_at=datetime.now(UTC),
        data_points=(),
        timeliness=Timeliness.REAL_TIME,
    )
    backend = open_backend(url)
    await backend.open()
    for first in range(0, BARS, BATCH):
        points = tuple(
            Bar(
                timestamp=START + timedelta(minutes=n),
                open_price=prices[n % 100],
                high_price=prices[n % 97],
                low_price=prices[n % 89],
                close_price=prices[n % 83],
                volume=n,
            )
            for n in range(first, first + BATCH)
        )
        await backend.write_bars([BarBatch(history=replace(empty, data_points=points))])
    days = Days(START.date(), LAST.date())
    await backend.write_bars([BarBatch(history=empty, complete=(days,))])
    await backend.aclose()


@asynccontextmanager
async def database(kind: str, folder: Path) -> AsyncIterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'bars.db'}"
        return
    schema = f"bench_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(SERVER)
    await connection.execute(f"CREATE SCHEMA {schema}")
    try:
        yield f"{SERVER}?search_path={schema}"
    finally:
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
        await connection.close()


@asynccontextmanager
async def server(url: str, folder: Path) -> AsyncIterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "tickloom.toml"
    settings.write_text(
        f'[server]\nport = {port}\nstream_port = 0\n[database]\nurl = "{url}"\n'
        '[plugins]\nenabled = ["simulated"]\n[logging]\nlevel = "WARNING"\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tickloom", "serve", "--config", str(settings)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}/api/v1/market-data"
    try:
        async with httpx.AsyncClient() as http:
            for _ in range(100):
                try:
                    await http.get(f"{base}/plugins")
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.2)
        yield base, process.pid
    finally:
        process.terminate()
        await process.wait()


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1_024


async def download(base: str, pid: int, name: str) -> str:
    first = LAST.date()
    url = f"{base}/historical/BTC-USD?start_date={START.date()}&end_date={first}&interval=1m"
    before, length = resident_mib(pid), 0
    seen: list[tuple[int, float]] = []
    first_s = 0.0
    async with httpx.AsyncClient(timeout=60) as http:
        # With its connection made, and what the server loads when it is first needed.
        await http.get(f"{url}&format={name}&limit=1")
        began_s = perf_counter()
        async with http.stream("GET", f"{url}&format={name}") as response:
            assert response.status_code == 200, await response.aread()
            async for piece in response.aiter_raw():
                first_s = first_s or perf_counter() - began_s
                length += len(piece)
                if not seen or length - seen[-1][0] > MIB:
                    seen.append((length, resident_mib(pid)))
    took_s = perf_counter() - began_s
    seen.append((length, resident_mib(pid)))
    fifth = next(mib for sent, mib in seen if sent >= length / 5)
    return (
        f"{name:8} {length / 1e6:5.0f} MB {took_s:5.1f} s, first byte {first_s * 1e3:3.0f} ms; "
        f"MiB: before {before:.0f}, at 1 M bars {fifth:.0f}, at 5 M {seen[-1][1]:.0f}, "
        f"most {max(mib for _, mib in seen):.0f}"
    )


async def main(kinds: list[str]) -> None:
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            async with database(kind, folder) as url:
                await fill(url)
                async with server(url, folder) as (base, pid):
                    for format_ in FORMATS:
                        print(kind, await download(base, pid, format_), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or ["sqlite", "postgresql"]))
