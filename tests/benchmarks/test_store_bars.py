"""Bars into a database: our backends beside the bare driver with the same table and rows."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from barsamples import answer, query
from pairs import measure_pairs, timed
from tickloom.model import Bar, Interval
from tickloom.store import BarBatch, open_backend
from tickloom.store.bars import BAR_COLUMNS, bar_rows
from tickloom.store.sqlite_bars import bind_bars

Run = Callable[..., Any]

BARS = 10_000
ROUNDS = 15
START = datetime(2026, 1, 1, tzinfo=UTC)
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


def pair(
    benchmark: Any,
    url: str,
    run: Run,
    told: Callable[[str], None],
    bare: Callable[[list[BarBatch]], float],
) -> None:
    """Measure our writing, each round beside one of the bare driver with other bars."""
    backend = open_backend(url)
    run(backend.open())
    source = batches()
    # It makes the partitions.
    run(backend.write_bars(next(source)))

    def own() -> float:
        bars = next(source)
        return timed(lambda: run(backend.write_bars(bars)))

    pairs = measure_pairs(benchmark, lambda: bare(next(source)), own, ROUNDS)
    told(f"{benchmark.group}, upsert of {BARS} bars: {pairs}, wanted 0.4")
    run(backend.aclose())


def write_again(benchmark: Any, url: str, run: Run) -> None:
    backend = open_backend(url)
    run(backend.open())
    bars = next(batches())
    run(backend.write_bars(bars))
    benchmark.pedantic(lambda: run(backend.write_bars(bars)), rounds=5, warmup_rounds=1)
    run(backend.aclose())


def read(benchmark: Any, url: str, run: Run) -> None:
    backend = open_backend(url)
    run(backend.open())
    run(backend.write_bars(next(batches())))

    async def work() -> int:
        asked = query(symbol="S0", interval=Interval.MINUTE)
        return sum([len(piece) async for piece in backend.read_bars(asked, 2_000)])

    assert benchmark.pedantic(lambda: run(work()), rounds=10, warmup_rounds=1) == BARS
    run(backend.aclose())


@pytest.mark.benchmark(group="bars: sqlite")
def test_sqlite_write(
    benchmark: Any, sqlite_url: str, run: Run, told: Callable[[str], None]
) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

        def insert(rows: list[Any]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")

        def bare(bars: list[BarBatch]) -> float:
            return timed(insert, list(bind_bars(bars)))

        pair(benchmark, sqlite_url, run, told, bare)


@pytest.mark.benchmark(group="bars: sqlite")
def test_sqlite_write_again(benchmark: Any, sqlite_url: str, run: Run) -> None:
    write_again(benchmark, sqlite_url, run)


@pytest.mark.benchmark(group="bars: sqlite")
def test_sqlite_read(benchmark: Any, sqlite_url: str, run: Run) -> None:
    read(benchmark, sqlite_url, run)


@pytest.mark.benchmark(group="bars: postgresql")
def test_postgres_write(
    benchmark: Any, postgres_url: str, run: Run, told: Callable[[str], None]
) -> None:
    connection = run(asyncpg.connect(postgres_url))

    def bare(bars: list[BarBatch]) -> float:
        rows = list(bar_rows(bars))
        return timed(
            lambda: run(connection.copy_records_to_table("bars", records=rows, columns=BAR_COLUMNS))
        )

    pair(benchmark, postgres_url, run, told, bare)
    run(connection.close())


@pytest.mark.benchmark(group="bars: postgresql")
def test_postgres_write_again(benchmark: Any, postgres_url: str, run: Run) -> None:
    write_again(benchmark, postgres_url, run)


@pytest.mark.benchmark(group="bars: postgresql")
def test_postgres_read(benchmark: Any, postgres_url: str, run: Run) -> None:
    read(benchmark, postgres_url, run)
