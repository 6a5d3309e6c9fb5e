"""Disks that fill up or freeze, servers that die under load, locks that others hold."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from outages import PASSWORD, Disk, Server, count_rows, own_server, small_disk
from scripted import NOON, make_quote
from tickloom.clock import FakeClock, SystemClock
from tickloom.errors import ConfigError, StoreUnavailable
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings
from tickloom.store import Journal, QuoteWriter, migrate, open_backend, schema_version
from tickloom.store.journal_records import QUOTES

if TYPE_CHECKING:
    from databases import Database, Postgres

MUCH = 50_000_000
pytestmark = pytest.mark.timeout(120)


def quotes(count: int, first: int = 0) -> Iterator[Quote]:
    for number in range(first, first + count):
        yield make_quote(timestamp=NOON + timedelta(seconds=number), sequence=number)


async def until(clock: FakeClock, writer: QuoteWriter, **counts: int) -> None:
    """Wait for real I/O while time goes on; the time limit of the test ends a wait in vain."""
    while any(writer.stats()[name] < count for name, count in counts.items()):
        await clock.advance(0.1)
        await asyncio.sleep(0.005)


async def close(writer: QuoteWriter, clock: FakeClock) -> None:
    closing_it = asyncio.create_task(writer.aclose(1))
    while not closing_it.done():
        await clock.advance(0.1)
        await asyncio.sleep(0.005)
    await closing_it


def open_writer(
    url: str, clock: FakeClock, journal: Path, most: int = MUCH, **settings: Any
) -> QuoteWriter:
    values = DatabaseSettings(batch_rows=500, **settings)
    return QuoteWriter(open_backend(url), values, clock, Journal(journal, most, QUOTES))


def stored(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT sequence FROM market_data ORDER BY sequence")
        return [sequence for (sequence,) in found]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def no_right_to_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_who_may_not_mount_has_a_disk_that_gets_full_all_the_same(
    no_right_to_mount: None, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        file = disk.folder / "file"
        with pytest.raises(OSError, match=disk.system_says):
            file.write_bytes(bytes(1_100_000))
        disk.change("size=32m")
        file.write_bytes(bytes(1_100_000))
    file.write_bytes(bytes(33 << 20))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with own_server() as server:
        yield server


async def test_what_does_not_fit_on_a_full_disk_waits_on_another_and_is_stored_later(
    disk: Disk, clock: FakeClock, tmp_path: Path
) -> None:
    path = disk.folder / "quotes.db"
    # Its files are small enough even where only the size of files is limited.
    writer = open_writer(f"sqlite:///{path}", clock, tmp_path / "journal", most=4_000_000)
    await writer.start()
    for quote in quotes(5_000):
        writer.enqueue(quote)
    await until(clock, writer, failed_writes=2)
    while writer.stats()["queued"]:
        await clock.advance(0.1)
        await asyncio.sleep(0.005)

    stats = writer.stats()
    assert disk.sqlite_says in stats["last_error"]
    assert stats["journal"]["rows"] + stats["written"] == 5_000
    assert (await writer.health())["status"] == "degraded"

    disk.change("size=32m")
    await until(clock, writer, written=5_000)
    assert stored(path) == list(range(5_000))
    assert (await writer.health())["status"] == "healthy"
    await close(writer, clock)


async def test_a_disk_that_is_full_for_the_journal_too_keeps_the_rows_in_memory(
    disk: Disk, clock: FakeClock
) -> None:
    path = disk.folder / "quotes.db"
    writer = open_writer(f"sqlite:///{path}", clock, disk.folder / "journal")
    await writer.start()
    for quote in quotes(5_000):
        writer.enqueue(quote)
    await until(clock, writer, failed_writes=3)

    assert writer.stats()["dropped"] == 0
    disk.change("size=32m")
    await until(clock, writer, written=5_000)
    assert stored(path) == list(range(5_000))
    await close(writer, clock)


async def test_a_journal_on_a_full_disk_keeps_what_it_had(disk: Disk) -> None:
    journal = Journal(disk.folder / "journal", MUCH, QUOTES)
    kept = 0
    with pytest.raises(StoreUnavailable, match=disk.system_says):
        while True:
            kept += journal.append([(quote, "") for quote in quotes(300, kept)])[0]
    assert journal.rows == kept > 0
    journal.close()

    later = Journal(disk.folder / "journal", MUCH, QUOTES)
    assert later.open() == kept
    found = []
    while later.rows:
        found += [quote.sequence for quote, _ in later.peek(100).records]
        later.advance()
    assert found == list(range(kept))
    later.close()


async def test_a_disk_that_is_read_only_is_a_wrong_setting_until_it_is_not(
    disk: Disk, clock: FakeClock, tmp_path: Path
) -> None:
    path = disk.folder / "quotes.db"
    await migrate(f"sqlite:///{path}")
    disk.change("ro")
    with pytest.raises(ConfigError, match="cannot be opened or written") as caught:
        await open_backend(f"sqlite:///{path}").open()
    assert str(path) in str(caught.value)

    writer = open_writer(f"sqlite:///{path}", clock, tmp_path / "journal")
    await writer.start()
    for quote in quotes(700):
        writer.enqueue(quote)
    while writer.stats()["queued"]:
        await clock.advance(0.1)
        await asyncio.sleep(0.005)
    assert (await writer.health())["status"] == "unhealthy"
    assert writer.stats()["journal"]["rows"] == 700

    disk.change("rw")
    await until(clock, writer, written=700)
    assert stored(path) == list(range(700))
    await close(writer, clock)


async def test_a_new_database_on_a_disk_that_is_read_only_says_so(disk: Disk) -> None:
    disk.change("ro")

    with pytest.raises(ConfigError, match="cannot be opened or written"):
        await migrate(f"sqlite:///{disk.folder / 'quotes.db'}")


async def test_a_lock_that_another_connection_holds_for_long_costs_nothing(
    postgres: Postgres, clock: FakeClock, tmp_path: Path
) -> None:
    async with postgres() as database:
        writer = open_writer(database.url, clock, tmp_path / "journal")
        await writer.start()
        writer.enqueue(make_quote("BEFORE"))
        await until(clock, writer, written=1)
        other = await asyncpg.connect(database.url)
        async with other.transaction():
            await other.execute("LOCK TABLE market_data IN ACCESS EXCLUSIVE MODE")
            for quote in quotes(1_200):
                writer.enqueue(quote)
            # The batch in hand waits for the lock; what is behind it is on disk after 5 s.
            while not writer.stats()["journal"]["rows"]:
                await clock.advance(0.1)
                await asyncio.sleep(0.005)
            assert writer.stats()["written"] == 1
        await other.close()

        await until(clock, writer, written=1_201)
        assert await count_rows(database.url) == 1_201
        await close(writer, clock)


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    if database.kind == "sqlite":
        async with database.away():
            yield
        return
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute("LOCK TABLE market_data IN ACCESS EXCLUSIVE MODE")
        yield
    await other.close()


async def test_a_lock_that_outlasts_every_limit_costs_nothing_in_real_time(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sixtieth of what they are, so that this is to them what 90 s would be.
    monkeypatch.setattr("tickloom.store.sqlite._LOCK_WAIT_S", 1 / 60)
    monkeypatch.setattr("tickloom.store.postgres._ANSWER_LIMIT_S", 30 / 60)
    monkeypatch.setattr("tickloom.store.writer._STUCK_S", 5 / 60)
    monkeypatch.setattr("tickloom.store.writer._LONGEST_PAUSE_S", 15 / 60)
    writer = open_writer(database.url, SystemClock(), tmp_path / "journal", batch_age_s=1 / 60)
    await writer.start()
    sent = 0
    async with locked(database):
        locked_s = time.monotonic()
        while time.monotonic() - locked_s < 1.5:
            for quote in quotes(20, sent):
                writer.enqueue(quote)
            sent += 20
            await asyncio.sleep(0.02)
        assert writer.stats()["written"] == 0
        assert writer.stats()["failed_writes"] > 1
        assert writer.stats()["journal"]["rows"] > 0
    while writer.stats()["written"] < sent:
        await asyncio.sleep(0.02)
    await writer.aclose()

    assert [row["sequence"] for row in await database.rows()] == list(range(sent))
    assert (writer.stats()["dropped"], writer.stats()["rejected"]) == (0, 0)


async def test_a_wrong_password_is_told_without_it(server: Server) -> None:
    wrong = server.url.replace(PASSWORD, "wrong-one")
    for call in (migrate, schema_version):
        with pytest.raises(ConfigError, match="refuses the user or the password") as caught:
            await call(wrong)
        assert "wrong-one" not in str(caught.value)
        assert "database.url" in caught.value.fix


async def test_a_server_that_is_killed_and_started_under_load_loses_nothing(
    server: Server, clock: FakeClock, tmp_path: Path
) -> None:
    writer = open_writer(server.url, clock, tmp_path / "journal")
    await writer.start()
    number = 0

    async def load() -> None:
        nonlocal number
        while True:
            for quote in quotes(50, number):
                writer.enqueue(quote)
            number += 50
            await clock.advance(0.05)
            await asyncio.sleep(0.005)

    loading = asyncio.create_task(load())
    for _ in range(2):
        written = writer.stats()["written"]
        while writer.stats()["written"] < written + 1_000:
            await asyncio.sleep(0.01)
        # Sessions are cut in the middle of what they do, and the server recovers from its log.
        await server.ctl("-m", "immediate", "stop")
        while not writer.stats()["journal"]["rows"]:
            await asyncio.sleep(0.01)
        await server.start()
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)

    await until(clock, writer, written=number)
    assert writer.stats()["dropped"] == 0
    assert await count_rows(server.url) == number
    await close(writer, clock)


async def test_partitions_of_quotes_are_made_while_others_write(postgres: Postgres) -> None:
    async with postgres() as database:
        backends = [open_backend(database.url) for _ in range(3)]
        await asyncio.gather(*(backend.open() for backend in backends))
        today = datetime.now(UTC).replace(hour=12, minute=0)
        for days in range(1, 6):
            time = today - timedelta(days=days)
            await asyncio.gather(
                *(
                    backend.write([(make_quote(f"S{n}", timestamp=time), "") for n in range(50)])
                    for backend in backends
                )
            )
        for backend in backends:
            await backend.aclose()

        assert await count_rows(database.url) == 250
        assert await count_rows(database.url, "market_data_other") == 0


async def test_replicas_store_the_same_quotes_at_the_same_moment(postgres: Postgres) -> None:
    async with postgres() as database:
        backends = [open_backend(database.url) for _ in range(4)]
        await asyncio.gather(*(backend.open() for backend in backends))
        now = datetime.now(UTC)
        for number in range(40):
            time = now - timedelta(seconds=number)
            quotes = [(make_quote(f"S{n}", timestamp=time), "") for n in range(50)]
            await asyncio.gather(*(backend.write(quotes) for backend in backends))
        for backend in backends:
            await backend.aclose()

        assert await count_rows(database.url) == 2_000
