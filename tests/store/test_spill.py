"""The writer with a journal: what the database does not take is on disk, and comes in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripted import NOON, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import BadRecord
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings
from tickloom.store import Journal, QuoteWriter, Record, open_backend
from tickloom.store.journal_records import QUOTES

if TYPE_CHECKING:
    from databases import Database, Postgres

MUCH = 1_000_000
MakeWriter = Callable[..., QuoteWriter]


def quotes(count: int, first: int = 0, **fields: Any) -> list[Quote]:
    return [
        make_quote(timestamp=NOON + timedelta(seconds=n), sequence=n, **fields)
        for n in range(first, first + count)
    ]


async def until(clock: FakeClock, condition: Callable[[], bool]) -> None:
    """Wait for real I/O while time goes on; the time limit of the test ends a wait in vain."""
    while not condition():
        await clock.advance(0.1)
        await asyncio.sleep(0.005)


async def close(writer: QuoteWriter, clock: FakeClock) -> None:
    closing = asyncio.create_task(writer.aclose(1))
    while not closing.done():
        await clock.advance(0.1)
        await asyncio.sleep(0.005)
    await closing


@pytest.fixture
async def make_writer(
    database: Database, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[MakeWriter]:
    made: list[QuoteWriter] = []

    def make(journal_bytes: int = MUCH, rejected: Any = None, **settings: Any) -> QuoteWriter:
        journal = Journal(tmp_path / "journal", journal_bytes, QUOTES)
        backend = open_backend(database.url)
        writer = QuoteWriter(backend, DatabaseSettings(**settings), clock, journal, rejected)
        made.append(writer)
        return writer

    yield make
    for writer in made:
        await close(writer, clock)


def waiting(writer: QuoteWriter) -> tuple[int, int]:
    """Return how many rows are on disk and how many are in memory."""
    stats = writer.stats()
    return stats["journal"]["rows"], stats["queued"]


async def sequences(database: Database) -> list[int]:
    return [row["sequence"] for row in await database.rows()]


async def test_nothing_is_made_on_disk_while_the_database_takes_all(
    make_writer: MakeWriter, clock: FakeClock, tmp_path: Path
) -> None:
    writer = make_writer()
    await writer.start()
    for quote in quotes(5):
        writer.enqueue(quote)
    await close(writer, clock)

    assert writer.stats()["written"] == 5
    assert not (tmp_path / "journal").exists()


@pytest.mark.usefixtures("impatient")
async def test_rows_wait_on_disk_while_the_database_is_away_and_are_written_when_it_is_back(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    writer = make_writer(batch_rows=4)
    await writer.start()
    writer.enqueue(make_quote("BEFORE"))
    await writer.flush()
    async with database.away():
        for quote in quotes(10):
            writer.enqueue(quote)
        await until(clock, lambda: waiting(writer) == (10, 0))
        await clock.advance(0.1)

        stats = writer.stats()
        assert (stats["dropped"], stats["journal"]["spilled"]) == (0, 10)
        assert 0 < stats["journal"]["bytes"] < MUCH
        assert stats["lag_s"] > 0
        health = await writer.health()
        assert (health["status"], health["journal_rows"]) == ("degraded", 10)
        writer.enqueue(quotes(1, 10)[0])

    await until(clock, lambda: writer.stats()["written"] == 12)
    await until(clock, lambda: writer.stats()["journal"]["rows"] == 0)
    assert len(await database.rows()) == 12
    assert writer.stats()["journal"]["replayed"] >= 10
    assert writer.stats()["journal"]["bytes"] == 0
    assert writer.stats()["lag_s"] == 0
    assert (await writer.health())["status"] == "healthy"


@pytest.mark.usefixtures("impatient")
async def test_the_later_of_two_rows_with_one_key_wins_across_an_outage(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    writer = make_writer(batch_rows=2)
    await writer.start()
    async with database.away():
        for number in range(9):
            writer.enqueue(make_quote(price=str(number)))
            if number == 5:
                await until(clock, lambda: writer.stats()["journal"]["rows"] == 6)

    await until(clock, lambda: writer.stats()["written"] == 9)
    assert [row["current_price"] for row in await database.rows()] == [8]


@pytest.mark.usefixtures("impatient")
async def test_what_is_left_at_the_end_is_written_by_the_next_start(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    writer = make_writer(batch_rows=2)
    await writer.start()
    async with database.away():
        for quote in quotes(7):
            writer.enqueue(quote)
        await close(writer, clock)
        assert writer.stats()["unwritten"] == 0

    later = make_writer(batch_rows=2)
    later.enqueue(quotes(1, 7)[0])
    await later.start()
    flushing = asyncio.create_task(later.flush())
    await until(clock, flushing.done)

    assert await flushing
    assert await sequences(database) == list(range(8))
    assert later.stats()["journal"]["rows"] == 0


async def test_a_queue_that_is_nearly_full_is_halved_though_the_database_only_hangs(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    writer = make_writer(queue_rows=40, batch_rows=4)
    for quote in quotes(40):
        writer.enqueue(quote)
    await writer.start()
    await until(clock, lambda: writer.stats()["written"] == 40)

    assert writer.stats()["dropped"] == 0
    assert writer.stats()["journal"]["replayed"] >= 25
    assert await sequences(database) == list(range(40))


@pytest.mark.usefixtures("impatient")
async def test_a_write_that_gets_no_answer_for_five_seconds_is_an_outage(
    postgres: Postgres, clock: FakeClock, tmp_path: Path
) -> None:
    async with postgres() as database:
        settings = DatabaseSettings(batch_rows=2)
        writer, later = (
            QuoteWriter(
                open_backend(database.url), settings, clock, Journal(tmp_path / "j", MUCH, QUOTES)
            )
            for _ in range(2)
        )
        await writer.start()
        database.wire.is_stalled = True
        for quote in quotes(6):
            writer.enqueue(quote)
        # What the thread has on disk is taken out of the queue a moment later.
        await until(clock, lambda: waiting(writer) == (4, 2))

        await close(writer, clock)
        assert writer.stats()["unwritten"] == 0
        database.wire.is_stalled = False
        await later.start()
        await until(clock, lambda: later.stats()["written"] == 6)
        assert await sequences(database) == list(range(6))
        await close(later, clock)


@pytest.mark.usefixtures("impatient")
async def test_a_full_journal_and_a_full_queue_lose_the_newest_rows_and_say_so(
    make_writer: MakeWriter,
    database: Database,
    clock: FakeClock,
    warnings_told: list[str],
) -> None:
    writer = make_writer(journal_bytes=4_000, queue_rows=20, batch_rows=5)
    await writer.start()
    async with database.away():
        for quote in quotes(200):
            writer.enqueue(quote)
            await asyncio.sleep(0.001)
            await clock.advance(0.01)
        await until(clock, lambda: writer.stats()["journal"]["last_error"] != "")
        await until(clock, lambda: writer.stats()["failed_writes"] > 0)
        for quote in quotes(50, 200):
            writer.enqueue(quote)

        stats = writer.stats()
        assert stats["dropped"] > 0
        assert stats["queued"] + stats["journal"]["rows"] + stats["dropped"] == 250
        assert stats["journal"]["bytes"] <= 4_000
        assert "is full" in stats["journal"]["last_error"]
        assert (await writer.health())["status"] == "unhealthy"
        assert any("rows dropped" in told for told in warnings_told)

    await until(clock, lambda: writer.stats()["written"] == 250 - stats["dropped"])
    found = await sequences(database)
    assert len(found) == 250 - stats["dropped"]
    assert found[:20] == list(range(20))


@pytest.mark.usefixtures("impatient")
async def test_a_journal_that_cannot_be_written_leaves_the_rows_in_memory(
    make_writer: MakeWriter, database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    (tmp_path / "journal").write_text("a file")
    writer = make_writer(batch_rows=2)
    await writer.start()
    async with database.away():
        for quote in quotes(5):
            writer.enqueue(quote)
        await until(clock, lambda: writer.stats()["journal"]["last_error"] != "")
        assert writer.stats()["queued"] == 5

    await until(clock, lambda: writer.stats()["written"] == 5)
    health = await writer.health()
    assert health["status"] == "degraded"
    assert "journal" in health["reason"]
    (tmp_path / "journal").unlink()


@pytest.mark.usefixtures("impatient")
async def test_a_bad_row_that_waited_on_disk_costs_only_itself(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    seen: list[tuple[Record, BadRecord]] = []
    writer = make_writer(rejected=lambda record, error: seen.append((record, error)))
    await writer.start()
    # The first can be kept on disk but not stored, the second neither.
    bad = [make_quote("BAD\0"), make_quote("WORSE", exchange="\ud800")]
    async with database.away():
        for quote in [*quotes(3), *bad, *quotes(3, 3)]:
            writer.enqueue(quote, "e")
        await clock.advance(1)
        await until(clock, lambda: writer.stats()["journal"]["rows"] >= 3)

    await until(clock, lambda: writer.stats()["written"] == 6)
    await until(clock, lambda: writer.stats()["rejected"] == 2)
    assert await sequences(database) == list(range(6))
    assert {record for record, _ in seen} == {(quote, "e") for quote in bad}
    assert await writer.flush()


async def test_one_bad_row_among_ten_thousand_costs_only_itself_and_is_handed_on(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    seen: list[Record] = []
    writer = make_writer(rejected=lambda record, _: seen.append(record))
    await writer.start()
    bad = make_quote("N\0L")
    for quote in [*quotes(7_000), bad, *quotes(2_999, 7_000)]:
        writer.enqueue(quote)
    flushing = asyncio.create_task(writer.flush(1_000))
    await until(clock, flushing.done)

    assert (writer.stats()["written"], writer.stats()["rejected"]) == (9_999, 1)
    assert await sequences(database) == list(range(9_999))
    assert seen == [(bad, "")]


@pytest.mark.usefixtures("impatient")
async def test_two_writers_with_one_folder_write_each_row(
    make_writer: MakeWriter, database: Database, clock: FakeClock
) -> None:
    writers = [make_writer(batch_rows=2) for _ in range(2)]
    for writer in writers:
        await writer.start()
    async with database.away():
        for number, writer in enumerate(writers):
            for quote in quotes(6, number * 6):
                writer.enqueue(quote)
        await until(clock, lambda: all(w.stats()["journal"]["rows"] == 6 for w in writers))

    await until(clock, lambda: all(w.stats()["written"] == 6 for w in writers))
    assert await sequences(database) == list(range(12))
