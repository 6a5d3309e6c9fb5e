"""Histories of 100,000 bars out of a database, beside a bare driver that fetches the same rows.

The bare driver gives the rows as it has them, and with them encoded by msgspec; ours gives the
whole answer in a format, in the pieces that a client gets. The time to the first byte of stored
history is measured over REST, with a server in a process of its own.
"""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
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
from tickloom.model import Bar, Interval, begin_of, day_of
from tickloom.store import BarBatch, Days, HistoryStore, open_backend
from tickloom.store.columns import FIELDS
from tickloom.testing.lag import LoopLag

if TYPE_CHECKING:
    from databases import Template

BARS = 100_000
DAYS = 11_700
SECONDS = 300_000
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


def batch(interval: Interval, first: datetime, bars: int) -> BarBatch:
    """Bars without a gap, and their days as complete."""
    points = [
        Bar(
            timestamp=time,
            open_price=PRICES[n % 100],
            high_price=PRICES[n % 97],
            low_price=PRICES[n % 89],
            close_price=PRICES[n % 83],
            volume=1_000 + n,
        )
        for n in range(bars)
        for time in [
            begin_of("AAPL", first.date() + timedelta(days=n))
            if interval is Interval.DAY
            else first + n * interval.duration
        ]
    ]
    days = Days(first.date(), day_of("AAPL", points[-1].timestamp))
    history = answer(points, interval=interval, start_date=days.first, end_date=days.last)
    return BarBatch(history=history, complete=(days,))


async def fill(url: str) -> None:
    backend = open_backend(url)
    await backend.open()
    await backend.write_bars([batch(Interval.DAY, datetime(1990, 1, 1, tzinfo=UTC), DAYS)])
    for n in range(0, SECONDS, BATCH):
        moment = START + timedelta(seconds=n)
        await backend.write_bars([batch(Interval.SECOND, moment, min(BATCH, SECONDS - n))])
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
        days = Days(START.date(), (START + timedelta(minutes=first + BATCH)).date())
        minutes = answer(points, interval=Interval.MINUTE)
        await backend.write_bars([BarBatch(history=minutes, complete=(days,))])
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

    run(work())
    pairs = measure_pairs(
        benchmark, lambda: timed(bare), lambda: timed(lambda: run(work())), ROUNDS
    )
    wanted = {"json": ", wanted 0.5", "arrow": ", wanted 0.8"}.get(name, "")
    told(
        f"{benchmark.group}, {name}: {pairs}{wanted}; "
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


QUESTIONS = {
    "days": "interval=1d&start_date=1990-{month:02}-{day:02}&end_date=2021-12-31",
    "days again": "interval=1d&start_date=1990-01-01&end_date=2021-12-31",
    "days, newest first": "interval=1d&start_date=1990-{month:02}-{day:02}&end_date=2021-12-30"
    "&order=desc",
    "minutes": "interval=1m&start_date=2026-01-01&end_date=2026-03-10",
    "minutes, limit 50000": "interval=1m&start_date=2026-01-01&end_date=2026-03-10&limit=50000",
    "minutes, limit 50000, newest first": "interval=1m&start_date=2026-01-01&end_date=2026-03-10"
    "&limit=50000&order=desc",
    "hours out of minutes": "interval=1h&start_date=2026-01-{day:02}&end_date=2026-03-10",
    "seconds, 10 newest": "interval=1s&start_date=2026-01-01&end_date=2026-01-04&order=desc"
    "&limit=10",
    "seconds, CSV, newest first": "interval=1s&start_date=2026-01-01&end_date=2026-01-04"
    "&order=desc&format=csv",
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An engine, and the address of a server that answers from a database of it."""
    url = request.getfixturevalue(
        {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    )
    with run_server(url, tmp_path_factory.mktemp("server")) as port:
        yield request.param, port


@contextmanager
def run_server(url: str, folder: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "tickloom.toml"
    settings.write_text(
        f'[server]\nport = {port}\nstream_port = 0\n[database]\nurl = "{url}"\n'
        '[plugins]\nenabled = ["simulated"]\n[logging]\nlevel = "WARNING"\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tickloom", "serve", "--config", str(settings)],
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                first_byte(port, "/api/v1/market-data/plugins")
                break
            except OSError:
                sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def first_byte(port: int, path: str) -> float:
    """Return after how many seconds the first byte of a body came, connecting included."""
    began_s = perf_counter()
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.read(1), path
        took_s = perf_counter() - began_s
        assert response.status == 200, response.read()
        response.close()
    return took_s


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.benchmark(group="first byte over REST")
def test_the_first_byte_of_what_is_stored(
    benchmark: Any, place: tuple[str, int], name: str, told: Callable[[str], Any]
) -> None:
    kind, port = place
    asked = count()
    taken: list[float] = []

    def ask() -> None:
        n = next(asked)
        query = QUESTIONS[name].format(month=n // 28 + 1, day=n % 28 + 1)
        taken.append(first_byte(port, f"/api/v1/market-data/historical/AAPL?{query}"))

    def idle() -> None:
        # The answer before was not read to its end, which takes the server a moment to see.
        sleep(0.05)
        first_byte(port, "/api/v1/market-data/plugins")

    ask()
    taken.clear()
    benchmark.pedantic(ask, setup=idle, rounds=25)
    told(
        f"{kind}, {name}: first byte {median(taken) * 1e3:.0f} ms, "
        f"most {max(taken) * 1e3:.0f} ms of {len(taken)}, wanted 50"
    )
