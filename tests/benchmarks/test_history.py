"""Histories of 100,000 bars out of a database, beside a bare driver that fetches the same rows.

The bare driver gives the rows as it has them, and with them encoded by msgspec; ours gives the
whole answer in a format, in the pieces that a client gets.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest

from barsamples import answer, query
from databases import run_postgres
from pairs import measure_pairs, timed
from tickloom.clock import SystemClock
from tickloom.history import HistoryAnswer
from tickloom.history.formats import FORMATS, Style, encode
from tickloom.model import Bar, Interval
from tickloom.store import BarBatch, HistoryStore, open_backend
from tickloom.store.columns import FIELDS
from tickloom.testing.lag import LoopLag

if TYPE_CHECKING:
    from databases import Template

BARS = 100_000
BATCH = 20_000
ROUNDS = 7
START = datetime(2026, 1, 1, tzinfo=UTC)
PRICES = [Decimal(n).scaleb(-2) for n in range(18_900, 19_000)]
SELECT = (
    f"SELECT {', '.join(FIELDS)} FROM bars WHERE symbol = 'AAPL' AND interval = '1m' "
    "AND adjustment = 'none' AND provider = 'scripted' ORDER BY timestamp"
)
ASKED = query(interval=Interval.MINUTE, provider="scripted")
Run = Callable[..., Any]

encoder = msgspec.json.Encoder(decimal_format="number")


async def fill(url: str) -> None:
    backend = open_backend(url)
    await backend.open()
    for first in range(0, BARS, BATCH):
        points = [
            Bar(
                timestamp=START + timedelta(minutes=n),
                open_price=PRICES[n % 100],
                high_price=PRICES[n % 97],
                low_price=PRICES[n % 89],
                close_price=PRICES[n % 83],
                volume=1_000 + n,
            )
            for n in range(first, first + BATCH)
        ]
        await backend.write_bars([BarBatch(history=answer(points, interval=Interval.MINUTE))])
    await backend.aclose()


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory, run: Run) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('history') / 'bench.db'}"
    run(fill(url))
    return url


@pytest.fixture(scope="module")
def postgres_url(run: Run, template: Template) -> Iterator[str]:
    async def analyze(url: str) -> None:
        connection = await asyncpg.connect(url)
        await connection.execute("ANALYZE bars")
        await connection.close()

    with run_postgres(run, template) as url:
        run(fill(url))
        run(analyze(url))
        yield url


def ours(
    benchmark: Any,
    url: str,
    run: Run,
    name: str,
    bare: Callable[[], Any],
    told: Callable[[str], Any],
) -> None:
    """Measure one of our formats, with a round of the bare driver before each of our own."""
    store = HistoryStore(open_backend(url), SystemClock())
    head = answer((), interval=Interval.MINUTE)
    style = Style(format=FORMATS[name])

    async def work() -> int:
        found = HistoryAnswer(head, None, (ASKED,))  # type: ignore[arg-type]  # not asked for
        length = 0
        async with aclosing(encode(found, store, style)) as pieces:
            async for piece in pieces:
                length += len(piece)
        return length

    async def lag() -> float:
        async with LoopLag() as measured:
            await work()
        return measured.worst_s

    async def first() -> None:
        found = HistoryAnswer(head, None, (ASKED,))  # type: ignore[arg-type]  # not asked for
        async with aclosing(encode(found, store, style)) as pieces:
            await anext(pieces)

    run(work())
    pairs = measure_pairs(
        benchmark, lambda: timed(bare), lambda: timed(lambda: run(work())), ROUNDS
    )
    wanted = {"json": ", wanted 0.5", "arrow": ", wanted 0.8"}.get(name, "")
    told(
        f"{benchmark.group}, {name}: {pairs}{wanted}; first piece "
        f"{min(timed(lambda: run(first())) for _ in range(5)) * 1e3:.0f} ms, "
        f"loop held up {min(run(lag()) for _ in range(3)) * 1e3:.1f} ms"
    )
    run(store.aclose())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.benchmark(group="sqlite")
def test_sqlite_history(
    benchmark: Any, sqlite_url: str, run: Run, name: str, told: Callable[[str], Any]
) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:

        def bare() -> Any:
            rows = connection.execute(SELECT).fetchall()
            assert len(rows) == BARS
            return encoder.encode(rows) if name == "json" else rows

        ours(benchmark, sqlite_url, run, name, bare, told)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.benchmark(group="postgresql")
def test_postgres_history(
    benchmark: Any, postgres_url: str, run: Run, name: str, told: Callable[[str], Any]
) -> None:
    connection = run(asyncpg.connect(postgres_url))

    async def fetch() -> Any:
        rows = await connection.fetch(SELECT)
        assert len(rows) == BARS
        return encoder.encode([tuple(row) for row in rows]) if name == "json" else rows

    ours(benchmark, postgres_url, run, name, lambda: run(fetch()), told)
    run(connection.close())
