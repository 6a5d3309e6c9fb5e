"""Bars into a database: our backends beside the bare driver with the same table and rows."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from barsamples import answer, query
from tickloom.model import Bar, Interval
from tickloom.store import BarBatch, migrate, open_backend
from tickloom.store.bars import BAR_COLUMNS, bar_rows
from tickloom.store.sqlite_bars import bind_bars

BARS = 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)
SERVER = "postgresql://postgres@127.0.0.1:5432/test"
INSERT = f"INSERT INTO bars ({', '.join(BAR_COLUMNS)}) VALUES ({', '.join('?' * len(BAR_COLUMNS))})"
PRICES = [Decimal(n).scaleb(-2) for n in range(18_900, 19_000)]
POINTS = tuple(
    Bar(
        timestamp=START + timedelta(minutes=n),
        open_price=PRICES[n % 100],
        high_price=PRICES[n % 97],
        low_price=PRICES[n % 89],
        close_price=PRICES[n % 83],
        volume=1_000 + n,
    )
    for n in range(BARS)
)


def batches() -> Iterator[list[BarBatch]]:
    """Yield answers with minutes of a symbol that was never there before."""
    for number in itertools.count():
        yield [BarBatch(history=answer(POINTS, symbol=f"S{number}", interval=Interval.MINUTE))]


@pytest.fixture
def run() -> Iterator[Callable[..., Any]]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def sqlite_url(tmp_path: Path, run: Callable[..., Any]) -> str:
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    run(migrate(url))
    return url


@pytest.fixture
def postgres_url(run: Callable[..., Any]) -> Iterator[str]:
    schema = f"bench_{secrets.token_hex(6)}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(SERVER, timeout=2)
        await connection.execute(statement)
        await connection.close()

    try:
        run(execute(f"CREATE SCHEMA {schema}"))
    except OSError:
        pytest.skip("no PostgreSQL answers at 127.0.0.1:5432")
    url = f"{SERVER}?search_path={schema}"
    run(make_partitions(url))
    yield url
    run(execute(f"DROP SCHEMA {schema} CASCADE"))


async def make_partitions(url: str) -> None:
    backend = open_backend(url)
    await backend.open()
    await backend.write_bars(next(batches()))
    await backend.aclose()


def measure(
    benchmark: Any, prepare: Callable[[list[BarBatch]], Any], work: Callable[..., Any]
) -> None:
    source = batches()
    next(source)
    benchmark.extra_info["bars"] = BARS
    benchmark.pedantic(
        work, setup=lambda: ((prepare(next(source)),), {}), rounds=10, warmup_rounds=1
    )


def write(benchmark: Any, url: str, run: Callable[..., Any]) -> None:
    backend = open_backend(url)
    run(backend.open())
    measure(benchmark, lambda bars: bars, lambda bars: run(backend.write_bars(bars)))
    run(backend.aclose())


def write_again(benchmark: Any, url: str, run: Callable[..., Any]) -> None:
    backend = open_backend(url)
    run(backend.open())
    bars = next(batches())
    run(backend.write_bars(bars))
    benchmark.pedantic(lambda: run(backend.write_bars(bars)), rounds=5, warmup_rounds=1)
    run(backend.aclose())


def read(benchmark: Any, url: str, run: Callable[..., Any]) -> None:
    backend = open_backend(url)
    run(backend.open())
    run(backend.write_bars(next(batches())))

    async def work() -> int:
        asked = query(symbol="S0", interval=Interval.MINUTE)
        return sum([len(piece) async for piece in backend.read_bars(asked, 2_000)])

    assert benchmark.pedantic(lambda: run(work()), rounds=10, warmup_rounds=1) == BARS
    run(backend.aclose())


@pytest.mark.benchmark(group="bars: sqlite")
def test_bare_executemany(benchmark: Any, sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

        def work(rows: list[Any]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")

        measure(benchmark, lambda bars: list(bind_bars(bars)), work)


@pytest.mark.benchmark(group="bars: sqlite")
def test_sqlite_write(benchmark: Any, sqlite_url: str, run: Callable[..., Any]) -> None:
    write(benchmark, sqlite_url, run)


@pytest.mark.benchmark(group="bars: sqlite")
def test_sqlite_write_again(benchmark: Any, sqlite_url: str, run: Callable[..., Any]) -> None:
    write_again(benchmark, sqlite_url, run)


@pytest.mark.benchmark(group="bars: sqlite")
def test_sqlite_read(benchmark: Any, sqlite_url: str, run: Callable[..., Any]) -> None:
    read(benchmark, sqlite_url, run)


@pytest.mark.benchmark(group="bars: postgresql")
def test_bare_copy(benchmark: Any, postgres_url: str, run: Callable[..., Any]) -> None:
    connection = run(asyncpg.connect(postgres_url))

    def work(rows: list[Any]) -> None:
        run(connection.copy_records_to_table("bars", records=rows, columns=BAR_COLUMNS))

    measure(benchmark, lambda bars: list(bar_rows(bars)), work)
    run(connection.close())


@pytest.mark.benchmark(group="bars: postgresql")
def test_postgres_write(benchmark: Any, postgres_url: str, run: Callable[..., Any]) -> None:
    write(benchmark, postgres_url, run)


@pytest.mark.benchmark(group="bars: postgresql")
def test_postgres_write_again(benchmark: Any, postgres_url: str, run: Callable[..., Any]) -> None:
    write_again(benchmark, postgres_url, run)


@pytest.mark.benchmark(group="bars: postgresql")
def test_postgres_read(benchmark: Any, postgres_url: str, run: Callable[..., Any]) -> None:
    read(benchmark, postgres_url, run)
