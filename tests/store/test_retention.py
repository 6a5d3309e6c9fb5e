"""What is old goes, what is not stays, and no range claims what is gone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from barsamples import answer, bar, daily, query
from databases import SqliteFile
from scripted import make_quote
from tickloom.clock import FakeClock
from tickloom.errors import StoreUnavailable
from tickloom.model import Bar, Interval, PriceAdjustment, begin_of
from tickloom.settings import RetentionSettings
from tickloom.store import BarBatch, Days, Expiry, Retention, migrate, open_backend
from tickloom.store.retention_kinds import first_claims
from tickloom.store.retention_sqlite import SqliteExpirer, next_bite

if TYPE_CHECKING:
    from pathlib import Path

    from databases import Database, Postgres, PostgresDatabase, Settled

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = NOW.date()
FOREVER = RetentionSettings(
    ticks_days=0,
    quarantine_days=0,
    quality_events_days=0,
    quality_scores_days=0,
    audit_days=0,
)


class Unhurried(FakeClock):
    """A clock whose pauses only give way to others."""

    def __init__(self) -> None:
        super().__init__(NOW)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def retention_of(database: Database, **days: int) -> Retention:
    return Retention(database.url, replace(FOREVER, **days), Unhurried())


async def store_ticks(database: Database, *days_ago: float, each: int = 1) -> None:
    backend = open_backend(database.url)
    await backend.open()
    await backend.write(
        [
            (make_quote(f"S{number}", timestamp=NOW - timedelta(days=ago)), "epoch")
            for ago in days_ago
            for number in range(each)
        ]
    )
    await backend.aclose()


async def store_bars(
    database: Database,
    bars: Sequence[Bar],
    complete: Days | None = None,
    interval: Interval = Interval.DAY,
    symbol: str = "AAPL",
) -> None:
    backend = open_backend(database.url)
    await backend.open()
    history = answer(bars, interval=interval, symbol=symbol)
    batch = BarBatch(history=history, complete=() if complete is None else (complete,))
    await backend.write_bars([batch])
    await backend.aclose()


async def stored_bars(database: Database, interval: Interval = Interval.DAY) -> list[date]:
    backend = open_backend(database.url)
    await backend.open()
    found = [
        one.timestamp.date()
        async for piece in backend.read_bars(query(interval=interval), 1_000)
        for _, one in piece
    ]
    await backend.aclose()
    return found


async def ranges_of(database: Database, interval: Interval = Interval.DAY) -> list[Days]:
    backend = open_backend(database.url)
    await backend.open()
    found = await backend.read_ranges("AAPL", interval, PriceAdjustment.NONE)
    await backend.aclose()
    return [one.days for one in found]


def of(kind: str, found: Sequence[Expiry]) -> Expiry:
    return next(expiry for expiry in found if expiry.kind == kind)


async def test_ticks_of_whole_days_that_are_over_go_and_the_rest_stays(database: Database) -> None:
    await store_ticks(database, 60, 31.6, 30.4, 30, 1)

    found = of("ticks", await retention_of(database, ticks_days=30).clean())

    assert (found.error, found.rows, found.before) == (None, 2, date(2026, 10, 25))
    kept = [row["timestamp"].date() for row in await database.rows()]
    assert kept == [date(2026, 10, 25), date(2026, 10, 25), date(2026, 11, 23)]
    assert found.oldest_kept is not None
    assert found.oldest_kept.date() == date(2026, 10, 25)


async def test_a_plan_tells_what_the_cleanup_then_does_and_changes_nothing(
    database: Database,
) -> None:
    await store_ticks(database, 60, 45, 2)
    days = daily(date(2016, 1, 1), 40)
    await store_bars(database, days, Days(date(2016, 1, 1), date(2016, 2, 9)))
    retention = retention_of(database, ticks_days=30, daily_bars_days=365)

    planned = await retention.plan()

    assert len(await database.rows()) == 3
    assert len(await stored_bars(database)) == 40
    assert (of("ticks", planned).rows, of("daily_bars", planned).rows) == (2, 40)
    assert of("ticks", planned).bytes > 0
    cleaned = await retention.clean()
    for before, after in zip(planned, cleaned, strict=True):
        assert replace(after, bytes=0) == replace(before, bytes=0)
    assert sum(expiry.rows for expiry in await retention.plan()) == 0


async def test_what_is_kept_for_ever_is_left_alone(database: Database) -> None:
    await store_ticks(database, 9_000)

    found = await retention_of(database).clean()

    assert len(await database.rows()) == 1
    assert {(expiry.rows, expiry.before, expiry.days) for expiry in found} == {(0, None, 0)}


async def test_days_whose_bars_are_gone_are_claimed_no_more(database: Database) -> None:
    first = date(2026, 9, 1)
    await store_bars(database, daily(first, 60), Days(first, date(2026, 10, 30)))

    found = of("daily_bars", await retention_of(database, daily_bars_days=40).clean())

    assert found.before == date(2026, 10, 15)
    left = await stored_bars(database)
    [claimed] = await ranges_of(database)
    assert claimed == Days(date(2026, 10, 16), date(2026, 10, 30))
    assert found.rows == 60 - len(left)
    assert {day for day in left if day in claimed} == {
        date(2026, 10, 16) + timedelta(days) for days in range(15)
    }


async def test_a_range_that_lies_before_is_gone_and_one_behind_is_as_it_was(
    database: Database,
) -> None:
    await store_bars(database, daily(date(2020, 1, 1), 5), Days(date(2020, 1, 1), date(2020, 1, 5)))
    later = Days(date(2026, 11, 1), date(2026, 11, 5))
    await store_bars(database, daily(later.first, 5), later)

    await retention_of(database, daily_bars_days=100).clean()

    assert await ranges_of(database) == [later]


async def test_bars_of_a_day_and_shorter_ones_are_kept_each_for_their_own_time(
    database: Database,
) -> None:
    old = datetime(2026, 3, 2, 15, tzinfo=UTC)
    minutes = [bar(old + timedelta(minutes=n)) for n in range(500)]
    days = Days(old.date(), old.date())
    await store_bars(database, minutes, days, Interval.MINUTE)
    await store_bars(database, daily(old.date(), 1), days)

    found = await retention_of(database, intraday_bars_days=90).clean()

    assert of("intraday_bars", found).rows == 500
    assert of("daily_bars", found).rows == 0
    assert await stored_bars(database, Interval.MINUTE) == []
    assert await ranges_of(database, Interval.MINUTE) == []
    assert await ranges_of(database) == [days]


async def test_many_series_are_thinned_out_each(database: Database) -> None:
    begin = begin_of("AAPL", date(2026, 11, 10))
    times = [begin + timedelta(hours=n) for n in range(300)]
    for symbol in ("AAPL", "MSFT", "ZZZ"):
        await store_bars(database, [bar(at) for at in times], None, Interval.HOUR, symbol)

    found = of("intraday_bars", await retention_of(database, intraday_bars_days=7).clean())

    cutoff = datetime(2026, 11, 17, tzinfo=UTC)
    assert found.rows == 3 * sum(at < cutoff for at in times)
    assert found.oldest_kept == min(at for at in times if at >= cutoff)


@given(
    st.sampled_from([Interval.MINUTE, Interval.DAY, Interval.WEEK, Interval.MONTH]),
    st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    st.sampled_from(["AAPL", "SIM.ACME", "7203.T", "CBA.AX", "EURUSD=X", "BTC-USD"]),
)
def test_every_bar_of_the_first_claimed_day_is_one_that_stays(
    interval: Interval, cutoff: date, symbol: str
) -> None:
    [(first, names)] = first_claims([interval.value], cutoff).items()

    assert names == [interval.value]
    assert begin_of(symbol, first) >= datetime(cutoff.year, cutoff.month, cutoff.day, tzinfo=UTC)
    if interval is Interval.WEEK:
        assert first.weekday() == 0
    if interval is Interval.MONTH:
        assert first.day == 1


async def test_a_table_that_is_not_there_yet_is_passed_over(database: Database) -> None:
    await migrate(database.url)
    await database.execute("DROP TABLE jobs")

    found = await retention_of(database, audit_days=1, quarantine_days=1).clean()

    assert {expiry.error for expiry in found} == {None}


async def test_a_kind_that_fails_is_told_and_the_others_go_on(
    database: Database, warnings_told: list[str]
) -> None:
    await store_ticks(database, 60)
    await database.execute("ALTER TABLE jobs RENAME COLUMN started_at TO begun")
    await store_bars(database, daily(date(2020, 1, 1), 3))

    found = await retention_of(database, ticks_days=30, daily_bars_days=30, audit_days=30).clean()

    assert (of("ticks", found).rows, of("daily_bars", found).rows) == (1, 3)
    assert "no column started_at" in str(of("audit", found).error)
    assert any("audit cannot be cleaned up" in line for line in warnings_told)


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_is_away_is_told(database: Database) -> None:
    await store_ticks(database, 60)
    async with database.away():
        if database.kind == "sqlite":
            # Reading is not held up by who writes, but removing is.
            found = await retention_of(database, ticks_days=30).clean()
            assert "locked by another connection" in str(of("ticks", found).error)
        else:
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await retention_of(database, ticks_days=30).clean()
    assert of("ticks", await retention_of(database, ticks_days=30).clean()).rows == 1


async def test_nothing_is_left_open(database: Database, nothing_is_left: Settled) -> None:
    await store_ticks(database, 60)
    retention = retention_of(database, ticks_days=30)
    await retention.plan()
    await retention.clean()
    await retention.optimize()
    await nothing_is_left()


async def test_a_cleanup_that_is_cancelled_lets_go_and_the_next_one_ends_it(
    database: Database, nothing_is_left: Settled
) -> None:
    await store_ticks(database, *range(40, 60), each=60)
    retention = Retention(database.url, replace(FOREVER, ticks_days=30), FakeClock(NOW))
    cleaning = asyncio.create_task(retention.clean())
    while len(await database.rows()) == 1_200:
        await asyncio.sleep(0)
    cleaning.cancel()
    await asyncio.gather(cleaning, return_exceptions=True)
    await nothing_is_left()

    await retention_of(database, ticks_days=30).clean()
    assert await database.rows() == []


async def test_a_cleanup_that_is_cancelled_while_it_opens_the_file_lets_go_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = SqliteFile(tmp_path / "quotes.db")
    await store_ticks(database, 60)
    may_open = threading.Event()
    connect = sqlite3.connect

    def connect_late(*args: Any, **options: Any) -> sqlite3.Connection:
        may_open.wait(5)
        return connect(*args, **options)

    monkeypatch.setattr("tickloom.store.retention_sqlite.sqlite3.connect", connect_late)
    expirer = SqliteExpirer(database.url, FakeClock(NOW), is_only_read=False)
    opening = asyncio.create_task(expirer.__aenter__())
    await asyncio.sleep(0.01)
    opening.cancel()
    await asyncio.wait([opening])
    may_open.set()
    async with asyncio.timeout(5):
        while any(thread.name.startswith("tickloom-upkeep") for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
    assert opening.cancelled()
    assert await database.connections() == 0


async def test_a_writer_goes_on_while_old_rows_go(database: Database) -> None:
    await store_ticks(database, *range(40, 90), each=100)
    backend = open_backend(database.url)
    await backend.open()
    cleaning = asyncio.create_task(retention_of(database, ticks_days=30).clean())
    written = 0
    while not cleaning.done():
        quotes = [make_quote(f"N{written + n}", timestamp=NOW) for n in range(10)]
        written += await backend.write([(quote, "epoch") for quote in quotes])
        await asyncio.sleep(0.001)
    found = await cleaning
    await backend.aclose()

    assert of("ticks", found).rows == 5_000
    assert len(await database.rows()) == written


def test_a_bite_that_held_up_others_for_long_is_followed_by_one_that_much_smaller() -> None:
    assert next_bite(4_000, took_s=0.08) == 1_000
    assert next_bite(4_000, took_s=30) == 20


def test_a_bite_that_was_fast_is_followed_by_one_that_is_little_larger() -> None:
    assert next_bite(1_000, took_s=0.001) == 1_251
    assert next_bite(20, took_s=0.0) == 26
    assert next_bite(4_900, took_s=0.001) == 5_000


async def partitions_of(database: PostgresDatabase, parent: str) -> set[str]:
    connection = await asyncpg.connect(database.url)
    try:
        rows = await connection.fetch(
            f"SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
            f"WHERE inhparent = '{parent}'::regclass"
        )
        return {row["relname"] for row in rows}
    finally:
        await connection.close()


async def test_a_partition_that_is_past_is_dropped_whole(postgres: Postgres) -> None:
    async with postgres() as database:
        await store_bars(
            database, daily(date(2020, 12, 30), 4), Days(date(2020, 12, 30), date(2021, 1, 2))
        )
        retention = retention_of(database, daily_bars_days=(TODAY - date(2021, 1, 1)).days)

        assert of("daily_bars", await retention.plan()).partitions == ("bars_days_2020",)
        found = of("daily_bars", await retention.clean())

        assert (found.partitions, found.rows) == (("bars_days_2020",), 2)
        names = await partitions_of(database, "bars_days")
        assert "bars_days_2020" not in names
        assert "bars_days_2021" in names
        assert await stored_bars(database) == [date(2021, 1, 1), date(2021, 1, 2)]
        assert await ranges_of(database) == [Days(date(2021, 1, 2), date(2021, 1, 2))]


async def test_bars_can_be_stored_again_where_their_partition_was_dropped(
    postgres: Postgres,
) -> None:
    async with postgres() as database:
        days = daily(date(2019, 6, 1), 3)
        backend = open_backend(database.url)
        await backend.open()
        await backend.write_bars([BarBatch(history=answer(days))])
        await retention_of(database, daily_bars_days=30).clean()

        await backend.write_bars([BarBatch(history=answer(days))])
        await backend.aclose()

        assert len(await stored_bars(database)) == 3


@pytest.mark.usefixtures("impatient")
async def test_a_reader_who_holds_a_partition_is_not_held_up_by_its_removal(
    postgres: Postgres,
) -> None:
    async with postgres() as database:
        await store_bars(database, daily(date(2019, 6, 1), 3))
        reader = await asyncpg.connect(database.url)
        async with reader.transaction():
            await reader.fetch("SELECT * FROM bars")
            found = of("daily_bars", await retention_of(database, daily_bars_days=30).clean())
            assert await reader.fetchval("SELECT count(*) FROM bars") == 3
        assert "others use its table all the time" in str(found.error)
        await reader.close()

        again = of("daily_bars", await retention_of(database, daily_bars_days=30).clean())
        assert (again.error, again.partitions) == (None, ("bars_days_2019",))


async def test_a_row_that_somebody_writes_now_is_left_for_the_next_time(
    postgres: Postgres,
) -> None:
    async with postgres() as database:
        await store_ticks(database, 60, 61)
        # Beside the partitions of days, as what was stored before there were any.
        writer = await asyncpg.connect(database.url)
        await writer.execute("DROP TABLE quarantine")
        await writer.execute("CREATE TABLE quarantine (created_at TIMESTAMPTZ, state TEXT)")
        await writer.execute(
            "INSERT INTO quarantine VALUES ('2020-01-01', 'held'), ('2020-01-02', 'held')"
        )
        async with writer.transaction():
            await writer.execute(
                "UPDATE quarantine SET state = state WHERE created_at < '2020-01-02'"
            )
            found = of("quarantine", await retention_of(database, quarantine_days=30).clean())
        assert (found.error, found.rows) == (None, 1)
        await writer.close()
        again = of("quarantine", await retention_of(database, quarantine_days=30).clean())
        assert again.rows == 1


async def test_a_sqlite_file_gives_room_back(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "quotes.db")
    await store_ticks(file, *range(40, 90), each=100)
    retention = retention_of(file, ticks_days=30)
    await retention.optimize()
    before = file.path.stat().st_size

    await retention.clean()

    assert file.path.stat().st_size < before / 2


async def test_no_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "quotes.db"
    retention = Retention(f"sqlite:///{path}", RetentionSettings(), Unhurried())
    for call in (retention.plan, retention.clean):
        with pytest.raises(StoreUnavailable, match="no database file"):
            await call()
    assert not path.exists()


async def test_days_of_ticks_that_are_over_are_dropped_whole(postgres: Postgres) -> None:
    async with postgres() as database:
        # The database's own clock says which days have partitions.
        now = datetime.now(UTC)
        backend = open_backend(database.url)
        await backend.open()
        await backend.write(
            [(make_quote(timestamp=now - timedelta(days=days)), "epoch") for days in (1, 9, 11, 20)]
        )
        await backend.aclose()
        retention = Retention(database.url, replace(FOREVER, ticks_days=10), FakeClock(now))

        found = of("ticks", await retention.clean())

        gone = {f"market_data_{now - timedelta(days=days):%Y_%m_%d}" for days in (11, 20)}
        assert (set(found.partitions), found.rows) == (gone, 2)
        assert not gone & await partitions_of(database, "market_data")
        assert len(await database.rows()) == 2
