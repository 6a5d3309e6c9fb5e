"""A process that stores without end, or stops in the middle, until it is killed; not a test."""

from __future__ import annotations

import asyncio
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from barsamples import RECEIVED, answer, daily
from scripted import NOON, make_quote
from tickloom.clock import FakeClock, SystemClock
from tickloom.settings import DatabaseSettings
from tickloom.store import HistoryStore, Journal, QuoteWriter, migrate, open_backend
from tickloom.store.journal_records import QUOTES

FIRST_DAY = date(1990, 1, 1)
DAYS = 250


def tell(count: int) -> None:
    sys.stdout.write(f"{count}\n")
    sys.stdout.flush()


def writer_of(url: str, journal: str) -> QuoteWriter:
    settings = DatabaseSettings(batch_rows=300, batch_age_s=0.2)
    return QuoteWriter(
        open_backend(url), settings, SystemClock(), Journal(Path(journal), 10**8, QUOTES)
    )


async def write(url: str, journal: str) -> None:
    """Tell how many quotes are stored for certain, while more are on their way."""
    writer = writer_of(url, journal)
    await writer.start()
    count = 0
    while True:
        for _ in range(1_000):
            writer.enqueue(make_quote(timestamp=NOON + timedelta(seconds=count), sequence=count))
            count += 1
        if not await writer.flush():
            raise SystemExit(writer.stats())
        tell(count)


async def keep(url: str, journal: str) -> None:
    """Tell how many quotes are in the journal, while no database answers."""
    writer = writer_of(url, journal)
    await writer.start()
    count = 0
    while True:
        for _ in range(100):
            writer.enqueue(make_quote(timestamp=NOON + timedelta(seconds=count), sequence=count))
            count += 1
        await asyncio.sleep(0.05)
        tell(writer.stats()["journal"]["rows"])


async def put(url: str) -> None:
    """Tell how many bars are stored for certain, while more are on their way."""
    store = HistoryStore(open_backend(url), FakeClock(RECEIVED))
    count = 0
    while True:
        first, last = (FIRST_DAY + timedelta(days=count + more) for more in (0, DAYS - 1))
        bars = daily(first, DAYS)
        kept = await store.put(answer(bars, start_date=first, end_date=last))
        if kept.stored != DAYS:
            raise SystemExit(kept)
        count += DAYS
        tell(count)


async def migrate_in_part(url: str, steps: str) -> None:
    """Stop for good after so many statements of the migrations."""
    from tickloom.store import migrating

    engines: tuple[Any, ...] = (migrating._Sqlite, migrating._Postgres)
    left = int(steps)
    for engine in engines:
        run = engine.run_ddl

        async def counted(self: Any, ddl: str, *args: Any, run: Any = run) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                tell(0)
                await asyncio.sleep(1_000)
            return await run(self, ddl, *args)

        engine.run_ddl = counted
    await migrate(url)
    raise SystemExit("there were fewer statements")


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
