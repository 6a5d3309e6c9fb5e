"""Rows into a database: our backends beside the bare driver with the same table and batch."""

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

from tickloom.clock import SystemClock
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings
from tickloom.store import QuoteWriter, Record, open_backend
from tickloom.store.rows import COLUMNS, to_row
from tickloom.store.sqlite import _bind

ROWS = 5_000
START = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
INSERT = f"INSERT INTO market_data ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


def batches() -> Iterator[list[Record]]:
    """Yield batches of rows that were never there before."""
    for number in itertools.count():
        yield [
            (
                Quote(
                    symbol=f"S{n % 500}",
                    provider="bench",
                    timestamp=START + timedelta(milliseconds=number * ROWS + n),
                    received_at=START,
                    is_real_time=True,
                    current_price=Decimal("189.41"),
                    previous_close=Decimal("188.02"),
                    bid=Decimal("189.40"),
                    ask=Decimal("189.42"),
                    volume=1_000_000 + n,
                    currency="USD",
                    sequence=n,
                ),
                "0123456789abcdef",
            )
            for n in range(ROWS)
        ]


def measure(
    benchmark: Any, prepare: Callable[[list[Record]], Any], work: Callable[..., Any]
) -> None:
    source = batches()
    benchmark.extra_info["rows"] = ROWS
    benchmark.pedantic(
        work, setup=lambda: ((prepare(next(source)),), {}), rounds=10, warmup_rounds=1
    )


def backend_work(benchmark: Any, url: str, run: Callable[..., Any]) -> None:
    backend = open_backend(url)
    run(backend.open())
    measure(benchmark, lambda records: records, lambda records: run(backend.write(records)))
    run(backend.aclose())


@pytest.mark.benchmark(group="sqlite")
def test_bare_executemany(benchmark: Any, sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

        def work(rows: list[Any]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")

        measure(benchmark, lambda records: [_bind(to_row(record)) for record in records], work)


@pytest.mark.benchmark(group="sqlite")
def test_sqlite_backend(benchmark: Any, sqlite_url: str, run: Callable[..., Any]) -> None:
    backend_work(benchmark, sqlite_url, run)


@pytest.mark.benchmark(group="postgresql")
def test_bare_copy(benchmark: Any, postgres_url: str, run: Callable[..., Any]) -> None:
    connection = run(asyncpg.connect(postgres_url))

    def work(rows: list[Any]) -> None:
        run(connection.copy_records_to_table("market_data", records=rows, columns=COLUMNS))

    measure(benchmark, lambda records: [to_row(record) for record in records], work)
    run(connection.close())


@pytest.mark.benchmark(group="postgresql")
def test_postgres_backend(benchmark: Any, postgres_url: str, run: Callable[..., Any]) -> None:
    backend_work(benchmark, postgres_url, run)


@pytest.mark.benchmark(group="queue")
def test_enqueue(benchmark: Any) -> None:
    [(quote, epoch)] = next(batches())[:1]
    writer = QuoteWriter(open_backend(""), DatabaseSettings(queue_rows=10_000_000), SystemClock())
    benchmark.pedantic(writer.enqueue, args=(quote, epoch), rounds=20, iterations=20_000)
