"""The partitions of bars on PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING

import asyncpg  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barsamples import answer, bar, daily, query
from scripted import make_quote
from tickloom.model import Interval
from tickloom.store import BarBatch, known_migrations, migrate, open_backend
from tickloom.store.migrating import _transaction, run_pending
from tickloom.store.partitions import (
    partition_of,
    partitions_ahead,
    quotes_partition,
    quotes_partitions,
)

if TYPE_CHECKING:
    from databases import Postgres, PostgresDatabase

TICKS = "tickloom_2026_11_24_0004_ticks"
OTHERS = {"bars_days_other", "bars_intraday_other", "market_data_other", "trades_other"}
TIMES = st.datetimes(datetime(1802, 1, 1), datetime(2197, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside


async def rows_of(database: PostgresDatabase) -> dict[str, int]:
    connection = await asyncpg.connect(database.url)
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        )
        return {
            row["relname"]: await connection.fetchval(f"SELECT count(*) FROM {row['relname']}")
            for row in names
        }
    finally:
        await connection.close()


@given(interval=st.sampled_from(Interval), time=TIMES)
def test_a_time_lies_in_its_partition_and_the_next_one_follows(
    interval: Interval, time: datetime
) -> None:
    partition = partition_of(interval, time)
    assert partition is not None
    after = partition_of(interval, partition.end)
    assert after is not None

    assert partition.begin <= time < partition.end == after.begin
    assert partition_of(interval, partition.begin) == partition
    assert partition_of(interval, partition.end - timedelta(microseconds=1)) == partition


@pytest.mark.parametrize("year", [1, 1799, 2200, 9999])
def test_a_time_that_no_market_has_seen_has_no_partition(year: int) -> None:
    assert partition_of("1d", datetime(year, 6, 1, tzinfo=UTC)) is None


def test_four_days_two_years_and_three_months_are_made_ahead() -> None:
    names = [partition.name for partition in partitions_ahead(datetime(2026, 11, 29, tzinfo=UTC))]

    assert names == [
        *("market_data_2026_11_29", "market_data_2026_11_30"),
        *("market_data_2026_12_01", "market_data_2026_12_02"),
        *("bars_days_2026", "bars_days_2027"),
        *("bars_intraday_2026_11", "bars_intraday_2026_12", "bars_intraday_2027_01"),
    ]


async def test_partitions_are_there_before_the_first_bar(postgres: Postgres) -> None:
    async with postgres() as database:
        await migrate(database.url)
        await migrate(database.url)

        ahead = {partition.name for partition in partitions_ahead(datetime.now(UTC))}
        assert set(await rows_of(database)) == ahead | OTHERS


async def test_a_bar_makes_the_partition_that_it_needs(postgres: Postgres) -> None:
    async with postgres() as database:
        backend = open_backend(database.url)
        await backend.open()
        minute = bar(datetime(2019, 5, 31, 23, 59, tzinfo=UTC))
        await backend.write_bars(
            [
                BarBatch(history=answer(daily(date(1962, 12, 30), 4))),
                BarBatch(history=answer([minute], interval=Interval.MINUTE)),
            ]
        )
        await backend.aclose()

        found = await rows_of(database)
        assert {name: count for name, count in found.items() if count} == {
            "bars_days_1962": 2,
            "bars_days_1963": 2,
            "bars_intraday_2019_05": 1,
        }


async def test_a_bar_of_a_year_that_has_no_partition_is_kept(postgres: Postgres) -> None:
    async with postgres() as database:
        backend = open_backend(database.url)
        await backend.open()
        odd = bar(datetime(1750, 1, 1, tzinfo=UTC))
        await backend.write_bars([BarBatch(history=answer([odd]))])

        assert [piece async for piece in backend.read_bars(query(), 9)] == [[("scripted", odd)]]
        assert (await rows_of(database))["bars_days_other"] == 1
        await backend.aclose()


async def test_what_waits_in_the_default_partition_moves_when_its_own_can_be_made(
    postgres: Postgres, warnings_told: list[str]
) -> None:
    async with postgres() as database:
        backend = open_backend(database.url)
        await backend.open()
        # With the name taken the partition cannot be made.
        await database.execute("CREATE TABLE bars_days_1999 (id INTEGER)")
        days = daily(date(1999, 1, 1), 3)
        await backend.write_bars([BarBatch(history=answer(days))])
        assert (await rows_of(database))["bars_days_other"] == 3
        [told] = warnings_told
        assert "bars_days_1999 cannot be made" in told

        await database.execute("DROP TABLE bars_days_1999")
        await backend.write_bars([BarBatch(history=answer(days[:1]))])

        found = await rows_of(database)
        assert (found["bars_days_other"], found["bars_days_1999"]) == (0, 3)
        [piece] = [piece async for piece in backend.read_bars(query(), 9)]
        assert [one for _, one in piece] == list(days)
        await backend.aclose()


async def test_writers_at_once_make_a_partition_once(
    postgres: Postgres, warnings_told: list[str]
) -> None:
    async with postgres() as database:
        backends = [open_backend(database.url) for _ in range(4)]
        await asyncio.gather(*(backend.open() for backend in backends))
        await asyncio.gather(
            *(
                backend.write_bars([BarBatch(history=answer(daily(date(1999, 1, 1), 300)))])
                for backend in backends
            )
        )
        for backend in backends:
            await backend.aclose()

        assert (await rows_of(database))["bars_days_1999"] == 300
        assert warnings_told == []


async def test_a_question_for_a_year_looks_into_its_partition_only(postgres: Postgres) -> None:
    async with postgres() as database:
        backend = open_backend(database.url)
        await backend.open()
        await backend.write_bars([BarBatch(history=answer(daily(date(1990, 1, 1), 4_000)))])
        await backend.aclose()
        connection = await asyncpg.connect(database.url)
        plan = await connection.fetch(
            "EXPLAIN SELECT * FROM bars WHERE symbol = 'AAPL' AND interval = '1d' "
            "AND adjustment = 'none' AND timestamp >= '1995-02-01' AND timestamp < '1995-03-01' "
            "ORDER BY timestamp, provider LIMIT 10"
        )
        await connection.close()

        text = " ".join(row[0] for row in plan)
        assert "bars_days_1995" in text
        assert "bars_days_1994" not in text
        assert "intraday" not in text


@given(day=st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_day_of_quotes_begins_and_ends_at_midnight_in_utc(day: date) -> None:
    partition = quotes_partition(day)

    assert partition.begin.date() == day
    assert partition.end == quotes_partition(day + timedelta(days=1)).begin


def test_only_days_near_to_today_have_partitions_of_quotes() -> None:
    today = date(2026, 11, 24)
    days = [today + timedelta(days=n) for n in (-31, -30, 0, 3, 4)]

    found = quotes_partitions([*days, *days], today)
    assert [partition.begin.date() for partition in found] == days[1:4]


async def test_a_quote_makes_the_partition_that_it_needs(postgres: Postgres) -> None:
    async with postgres() as database:
        backend = open_backend(database.url)
        await backend.open()
        today = datetime.now(UTC).replace(hour=12)
        times = [today, today - timedelta(days=9), today - timedelta(days=400)]
        for _ in range(2):
            await backend.write([(make_quote(timestamp=time), "") for time in times])
        await backend.aclose()

        assert {name: count for name, count in (await rows_of(database)).items() if count} == {
            f"market_data_{times[0]:%Y_%m_%d}": 1,
            f"market_data_{times[1]:%Y_%m_%d}": 1,
            "market_data_other": 1,
        }


async def test_a_quote_whose_partition_cannot_be_made_is_kept_and_the_next_writes_do_not_try(
    postgres: Postgres, warnings_told: list[str]
) -> None:
    async with postgres() as database:
        backend = open_backend(database.url)
        await backend.open()
        time = datetime.now(UTC) - timedelta(days=5)
        await database.execute(f"CREATE TABLE market_data_{time:%Y_%m_%d} (id INTEGER)")
        for symbol in ("A", "B"):
            await backend.write([(make_quote(symbol, timestamp=time), "")])

        assert (await rows_of(database))["market_data_other"] == 2
        assert len(warnings_told) == 1
        # Opened again it tries again, and the rows move.
        await database.execute(f"DROP TABLE market_data_{time:%Y_%m_%d}")
        await backend.open()
        await backend.write([(make_quote("C", timestamp=time), "")])
        assert (await rows_of(database))[f"market_data_{time:%Y_%m_%d}"] == 3
        await backend.aclose()


async def test_quotes_of_an_older_schema_move_to_the_partitions_of_their_days(
    postgres: Postgres,
) -> None:
    async with postgres(with_tables=False) as database:
        times = [datetime(2020, 5, 1, hour, tzinfo=UTC) for hour in (0, 23)]
        times += [datetime(1890, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]
        await run_pending(database.url, known_migrations()[:2])
        await database.execute(
            *(
                "INSERT INTO market_data (id, symbol, timestamp, data_type, provider, bid, "
                "quality_codes) VALUES (gen_random_uuid(), 'A', "
                f"'{time}', 'quote', 'x', 1.500, '{{a}}')"
                for time in times
            )
        )
        before = await database.rows()

        await migrate(database.url)

        assert await database.rows() == before
        assert str(before[0]["bid"]) == "1.500"
        found = await rows_of(database)
        assert {name: count for name, count in found.items() if count} == {
            "market_data_2020_05_01": 2,
            "market_data_2026_01_02": 1,
            "market_data_other": 1,
        }


async def test_the_partitions_of_quotes_become_one_table_again_backwards(
    postgres: Postgres,
) -> None:
    async with postgres() as database:
        await migrate(database.url)
        backend = open_backend(database.url)
        await backend.open()
        await backend.write([(make_quote(), "e")])
        await backend.aclose()
        before = await database.rows()

        module = import_module(f"tickloom_migrations.piccolo_migrations.{TICKS}")
        async with _transaction(database.url):
            for step in (await module.forwards()).raw_backwards:
                await step()

        assert await database.rows() == before
        assert not [name for name in await database.tables() if name.startswith("market_data_")]
        await database.execute("DELETE FROM migration WHERE name LIKE '%_0004_ticks'")
        assert (await migrate(database.url)).applied == (TICKS,)
        assert await database.rows() == before
