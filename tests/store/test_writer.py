"""The queue, the batches, and what happens while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from loguru import logger

from scripted import NOON, make_quote
from tickloom.clock import FakeClock, SystemClock
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings
from tickloom.store import QuoteWriter, known_migrations, open_backend

if TYPE_CHECKING:
    from databases import Database, Postgres, Settled

MakeWriter = Callable[..., QuoteWriter]


def quotes(count: int, **fields: Any) -> list[Quote]:
    return [make_quote(timestamp=NOON + timedelta(seconds=n), **fields) for n in range(count)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for real I/O; the time limit of the test ends a wait in vain."""
    while not condition():
        await asyncio.sleep(0.005)


async def soon(health: Coroutine[Any, Any, dict[str, Any]], clock: FakeClock) -> dict[str, Any]:
    """Return what is told within a second."""
    asking = asyncio.create_task(health)
    await clock.advance(1)
    return await asking


@pytest.fixture
async def make_writer(database: Database, clock: FakeClock) -> AsyncIterator[MakeWriter]:
    made: list[QuoteWriter] = []

    def make(**settings: Any) -> QuoteWriter:
        writer = QuoteWriter(open_backend(database.url), DatabaseSettings(**settings), clock)
        made.append(writer)
        return writer

    yield make
    for writer in made:
        closing = asyncio.create_task(writer.aclose(1))
        while not closing.done():
            await clock.advance(0.5)
            await asyncio.sleep(0.005)


async def test_a_full_batch_is_written_at_once(make_writer: MakeWriter, database: Database) -> None:
    writer = make_writer(batch_rows=3)
    await writer.start()
    for quote in quotes(4):
        writer.enqueue(quote, "e")
    await until(lambda: writer.stats()["written"] == 3)

    assert writer.stats()["queued"] == 1
    assert len(await database.rows()) == 3


async def test_a_row_waits_for_its_batch_no_longer_than_the_batch_age(
    make_writer: MakeWriter, clock: FakeClock
) -> None:
    writer = make_writer(batch_age_s=2)
    await writer.start()
    writer.enqueue(make_quote())
    await clock.advance(1.5)

    assert writer.stats()["lag_s"] == 1.5
    assert writer.stats()["written"] == 0

    await clock.advance(0.5)
    await until(lambda: writer.stats()["written"] == 1)
    assert writer.stats()["lag_s"] == 0.0


async def test_a_flush_writes_several_batches_and_a_part_of_one(
    make_writer: MakeWriter, database: Database
) -> None:
    writer = make_writer(batch_rows=2)
    await writer.start()
    for quote in quotes(7):
        writer.enqueue(quote)

    assert await writer.flush()
    assert writer.stats()["queued"] == 0
    assert len(await database.rows()) == 7


async def test_close_writes_what_is_queued(make_writer: MakeWriter, database: Database) -> None:
    writer = make_writer()
    await writer.start()
    for quote in quotes(5):
        writer.enqueue(quote)

    await writer.aclose()
    await writer.aclose()

    assert writer.stats() == {
        "backend": database.kind,
        "queued": 0,
        "written": 5,
        "dropped": 0,
        "rejected": 0,
        "unwritten": 0,
        "failed_writes": 0,
        "lag_s": 0.0,
        "last_error": "",
        "journal": None,
    }
    assert len(await database.rows()) == 5


async def test_what_comes_after_close_is_dropped_and_counted(make_writer: MakeWriter) -> None:
    writer = make_writer()
    await writer.start()
    await writer.aclose()
    writer.enqueue(make_quote())

    assert writer.stats()["dropped"] == 1


async def test_rows_queued_before_the_start_are_written(make_writer: MakeWriter) -> None:
    writer = make_writer()
    writer.enqueue(make_quote())
    assert not await writer.flush()

    await writer.start()
    assert await writer.flush()
    assert writer.stats()["written"] == 1


async def test_a_full_queue_drops_the_newest_and_counts_them(
    make_writer: MakeWriter, database: Database
) -> None:
    writer = make_writer(queue_rows=3)
    for quote in quotes(5):
        writer.enqueue(quote)

    assert writer.stats()["dropped"] == 2
    await writer.start()
    await writer.flush()
    assert [row["timestamp"] for row in await database.rows()] == [q.timestamp for q in quotes(3)]


async def test_drops_are_told_once_in_ten_seconds(
    make_writer: MakeWriter, clock: FakeClock, warnings_told: list[str]
) -> None:
    writer = make_writer(queue_rows=1)
    for _ in range(10):
        writer.enqueue(make_quote())
    assert len(warnings_told) == 1

    await clock.advance(10)
    writer.enqueue(make_quote())
    assert len(warnings_told) == 2
    assert "10 rows dropped" in warnings_told[1]


async def test_a_bad_row_is_rejected_and_the_others_are_kept(
    make_writer: MakeWriter, database: Database, warnings_told: list[str]
) -> None:
    writer = make_writer()
    await writer.start()
    batch = quotes(9)
    batch[2] = make_quote("BAD", volume=2**63)
    batch[7] = make_quote("BAD", timestamp=NOON.replace(tzinfo=None))
    for quote in batch:
        writer.enqueue(quote)

    assert await writer.flush()
    assert (writer.stats()["written"], writer.stats()["rejected"]) == (7, 2)
    assert len(await database.rows()) == 7
    assert "'BAD'" in warnings_told[0]
    assert (await writer.health())["status"] == "healthy"


async def test_a_text_with_a_nul_costs_only_itself(
    make_writer: MakeWriter, database: Database
) -> None:
    writer = make_writer()
    await writer.start()
    for quote in [*quotes(2), make_quote("NUL", exchange="a\0b"), *quotes(2, provider="other")]:
        writer.enqueue(quote)

    assert await writer.flush()
    assert writer.stats()["rejected"] == 1
    assert len(await database.rows()) == 4


@pytest.mark.usefixtures("impatient")
async def test_rows_wait_while_the_database_is_away_and_are_written_when_it_is_back(
    make_writer: MakeWriter, database: Database, clock: FakeClock, warnings_told: list[str]
) -> None:
    writer = make_writer()
    await writer.start()
    writer.enqueue(make_quote("BEFORE"))
    await writer.flush()
    async with database.away():
        writer.enqueue(make_quote("MEANWHILE"))
        await clock.advance(1)
        await until(lambda: writer.stats()["failed_writes"] == 1)

        assert writer.stats()["queued"] == 1
        assert writer.stats()["last_error"]
        health = await writer.health()
        assert health["status"] == "degraded"
        assert health["reason"] == writer.stats()["last_error"]
        assert "1 rows wait" in warnings_told[0]

    await clock.advance(1)
    await until(lambda: writer.stats()["written"] == 2)
    assert {row["symbol"] for row in await database.rows()} == {"BEFORE", "MEANWHILE"}
    assert (await writer.health())["status"] == "healthy"


async def test_the_pause_between_tries_grows_to_fifteen_seconds(
    clock: FakeClock,
) -> None:
    backend = open_backend("postgresql://nobody@127.0.0.1:1/x")
    writer = QuoteWriter(backend, DatabaseSettings(), clock)
    await writer.start()
    tried_s = [0.0]
    while len(tried_s) < 8:
        seen = writer.stats()["failed_writes"]
        await clock.advance(0.5)
        for _ in range(20):
            await asyncio.sleep(0.001)
        if writer.stats()["failed_writes"] > seen:
            tried_s.append(clock.monotonic())
    await _close(writer, clock)

    pauses = [later - earlier for earlier, later in pairwise(tried_s)]
    assert pauses == [0.5, 1, 2, 4, 8, 15, 15]


async def test_the_start_does_not_wait_for_a_database_that_is_away(clock: FakeClock) -> None:
    backend = open_backend("postgresql://nobody:s3cret@127.0.0.1:1/x")
    writer = QuoteWriter(backend, DatabaseSettings(queue_rows=1), clock)
    await writer.start()

    assert (await writer.health())["status"] == "degraded"
    writer.enqueue(make_quote())
    health = await writer.health()
    assert health["status"] == "unhealthy"
    assert health["schema_version"] is None
    assert "s3cret" not in str(health) + str(writer.stats())
    await _close(writer, clock)


@pytest.mark.usefixtures("impatient")
async def test_rows_that_cannot_be_written_before_the_end_are_counted_and_told(
    make_writer: MakeWriter, database: Database, clock: FakeClock, warnings_told: list[str]
) -> None:
    writer = make_writer(batch_rows=2)
    await writer.start()
    async with database.away():
        for quote in quotes(5):
            writer.enqueue(quote)
        await _close(writer, clock)

        assert writer.stats()["unwritten"] == 5
        assert writer.stats()["queued"] == 0
        assert "5 rows were not written before the end" in warnings_told[-1]


async def test_a_wrong_setting_is_unhealthy_until_somebody_corrects_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    folder = tmp_path / "later"
    backend = open_backend(f"sqlite:///{folder / 'quotes.db'}")
    writer = QuoteWriter(backend, DatabaseSettings(), clock)
    await writer.start()
    assert (await writer.health())["status"] == "unhealthy"

    folder.mkdir()
    await clock.advance(1)
    while (await writer.health())["status"] != "healthy":
        await asyncio.sleep(0.005)
    await writer.aclose()


async def test_health_names_backend_url_and_schema(
    make_writer: MakeWriter, database: Database
) -> None:
    writer = make_writer()
    await writer.start()

    health = await writer.health()
    assert health["status"] == "healthy"
    assert health["backend"] == database.kind
    assert health["schema_version"] == known_migrations()[-1]
    assert "reason" not in health


async def test_health_asks_the_database_and_does_not_rest_on_the_last_write(
    make_writer: MakeWriter, database: Database
) -> None:
    writer = make_writer()
    await writer.start()
    await database.execute("DROP TABLE migration")

    assert (await writer.health())["status"] == "degraded"


async def test_without_a_database_nothing_is_kept_and_nothing_is_wrong(clock: FakeClock) -> None:
    writer = QuoteWriter(open_backend(""), DatabaseSettings(), clock)
    await writer.start()
    writer.enqueue(make_quote())

    assert await writer.flush()
    assert (writer.stats()["written"], writer.stats()["queued"]) == (0, 0)
    assert (await writer.health())["status"] == "healthy"
    await writer.aclose()


async def test_nothing_is_left_after_close(database: Database, nothing_is_left: Settled) -> None:
    writer = QuoteWriter(open_backend(database.url), DatabaseSettings(), SystemClock())
    await writer.start()
    writer.enqueue(make_quote())
    await writer.aclose()

    await nothing_is_left()


@pytest.mark.usefixtures("impatient")
async def test_close_keeps_its_limit_on_a_connection_that_hangs(
    postgres: Postgres, clock: FakeClock
) -> None:
    async with postgres() as database:
        writer = QuoteWriter(open_backend(database.url), DatabaseSettings(batch_rows=1), clock)
        await writer.start()
        database.wire.is_stalled = True
        writer.enqueue(make_quote())
        await clock.advance(1)
        await _close(writer, clock)

        assert writer.stats()["unwritten"] == 1
        assert not [task for task in asyncio.all_tasks() if "write to the" in task.get_name()]


async def _close(writer: QuoteWriter, clock: FakeClock) -> None:
    closing = asyncio.create_task(writer.aclose(2))
    while not closing.done():
        await clock.advance(0.5)
        await asyncio.sleep(0.005)
    await closing


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_opens_but_takes_no_rows_is_still_away(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    writer = make_writer()
    await writer.start()
    told: list[str] = []
    sink = logger.add(told.append, level="INFO", format="{message}")
    async with database.away():
        writer.enqueue(make_quote())
        while writer.stats()["failed_writes"] < 3:
            await clock.advance(0.1)
            await asyncio.sleep(0.005)
            if writer.stats()["failed_writes"]:
                assert (await writer.health())["status"] == "degraded"
        assert not any("is back" in line for line in told)

    await clock.advance(4)
    await until(lambda: writer.stats()["written"] == 1)
    assert any("is back" in line for line in told)
    logger.remove(sink)


async def test_a_database_that_takes_no_rows_for_five_seconds_is_degraded_and_told_twice(
    postgres: Postgres, clock: FakeClock
) -> None:
    told: list[str] = []
    sink = logger.add(told.append, level="INFO", format="{message}")
    async with postgres() as database:
        writer = QuoteWriter(open_backend(database.url), DatabaseSettings(batch_rows=1), clock)
        await writer.start()
        assert (await writer.health())["status"] == "healthy"
        other = await asyncpg.connect(database.direct)
        async with other.transaction():
            await other.execute("LOCK TABLE market_data IN ACCESS EXCLUSIVE MODE")
            writer.enqueue(make_quote())
            await until(lambda: writer.stats()["queued"] == 1)
            await clock.advance(4.2)
            assert (await soon(writer.health(), clock))["status"] == "healthy"
            await clock.advance(7.8)
            health = await writer.health()
        await other.close()
        await until(lambda: writer.stats()["written"] == 1)
        while (await soon(writer.health(), clock))["status"] != "healthy":
            await asyncio.sleep(0.005)
        await _close(writer, clock)
    logger.remove(sink)

    assert health["status"] == "degraded"
    assert "takes no rows: found a write without an answer for 13 s" in health["reason"]
    assert len(told) == 2
    assert told[0].startswith("1 rows wait: the database at")
    assert told[1].startswith("the database is back")


async def test_nobody_waits_for_a_database_that_does_not_answer(
    postgres: Postgres, clock: FakeClock
) -> None:
    async with postgres() as database:
        writer = QuoteWriter(open_backend(database.url), DatabaseSettings(), clock)
        await writer.start()
        known = await writer.health()
        database.wire.is_stalled = True
        asked = asyncio.gather(*(writer.health() for _ in range(3)))
        await clock.advance(0.7)
        assert await asked == [known, known, known]

        await clock.advance(5)
        health = await soon(writer.health(), clock)
        assert health["status"] == "degraded"
        assert "does not answer: found no answer for 6.4 s" in health["reason"]
        await _close(writer, clock)
