"""Processes that are killed while they store: what was reported as stored is there."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tickloom
from barsamples import RECEIVED
from e2e.storing import DAYS, FIRST_DAY, writer_of
from historyroom import bars_of, look
from tickloom.clock import FakeClock
from tickloom.model import Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom.store import HistoryStore, known_migrations, migrate, open_backend, schema_version

if TYPE_CHECKING:
    from databases import Database

TESTS = Path(__file__).resolve().parents[1]
# Nothing listens there.
NOWHERE = "postgresql://nobody@127.0.0.1:1/x"

pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run :mod:`storing`; it is killed at the end, in the middle of what it does."""
    core = Path(tickloom.__file__).parents[1]
    path = os.pathsep.join(map(str, (TESTS, core, core.parent / "migrations")))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TESTS / "e2e" / "storing.py"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: asyncio.subprocess.Process, least: int = 0) -> int:
    """Return the first count that it tells which is not below ``least``."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if int(line) >= least:
            return int(line)
    raise AssertionError(f"it ended by itself: {await process.wait()}")


async def until_there(database: Database, least: int) -> list[int]:
    """Return the sequences once the server is done with what the dead process had sent."""
    while True:
        found = [row["sequence"] for row in await database.rows()]
        if len(found) >= least:
            return found
        await asyncio.sleep(0.05)


async def test_quotes_that_were_reported_as_stored_survive_a_kill_in_mid_batch(
    database: Database, tmp_path: Path
) -> None:
    async with running("write", database.url, str(tmp_path / "journal")) as process:
        least = await told(process, 5_000)
        # A moment later it is in the middle of another batch.
        await asyncio.sleep(0.02)

    found = await until_there(database, least)
    # A batch is there whole or not at all, and those before it are there.
    assert found == list(range(len(found)))
    assert len(found) % 1_000 % 300 == 0


async def test_quotes_that_wait_for_a_database_survive_a_kill(
    database: Database, tmp_path: Path
) -> None:
    journal = str(tmp_path / "journal")
    async with running("keep", NOWHERE, journal) as process:
        least = await told(process, 3_000)

    writer = writer_of(database.url, journal)
    await writer.start()
    assert await writer.flush(30)
    await writer.aclose()

    found = await until_there(database, least)
    assert found == list(range(len(found)))
    assert writer.stats()["journal"]["rows"] == 0


async def test_bars_that_were_reported_as_stored_survive_a_kill(database: Database) -> None:
    async with running("put", database.url) as process:
        least = await told(process, 4 * DAYS)
        await asyncio.sleep(0.02)

    clock = FakeClock(RECEIVED)
    store = HistoryStore(open_backend(database.url), clock)
    request = HistoryRequest(
        symbol="AAPL",
        start=FIRST_DAY,
        end=FIRST_DAY + timedelta(days=least - 1),
        interval=Interval.DAY,
        adjustment=PriceAdjustment.NONE,
    )
    found = await look(store, request, clock)
    bars = await bars_of(store, found)
    await store.aclose()

    assert len(bars) == least
    # And it is known that no provider need be asked for them again.
    assert found.missing == ()


@pytest.mark.parametrize("steps", [0, 1, 4, 9, 12])
async def test_a_kill_in_mid_migration_leaves_nothing_and_the_next_start_works(
    empty_database: Database, steps: int
) -> None:
    async with running("migrate_in_part", empty_database.url, str(steps)) as process:
        await told(process)

    assert await schema_version(empty_database.url) is None
    assert (await migrate(empty_database.url)).applied == known_migrations()
    assert await schema_version(empty_database.url) == known_migrations()[-1]
