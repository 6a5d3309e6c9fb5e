"""Bars, events and ranges in every database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from msgspec.structs import replace

from barsamples import RECEIVED, answer, bar, daily, query
from tickloom.errors import BadRecord, StoreUnavailable
from tickloom.model import Bar, Dividend, Interval, PriceAdjustment, Split, Timeliness
from tickloom.store import Backend, BarBatch, BarQuery, Days, StoredRange, open_backend
from tickloom.store.bars import ProviderBar, StoredAction

if TYPE_CHECKING:
    from databases import Database

NEW_YEAR = datetime(2026, 1, 1, 5, tzinfo=UTC)
JANUARY = Days(date(2026, 1, 1), date(2026, 1, 31))
FULL = Bar(
    timestamp=NEW_YEAR.replace(microsecond=1),
    open_price=Decimal("1234567890123456789.0150"),
    high_price=Decimal("1E+20"),
    low_price=Decimal("-37.63"),
    close_price=Decimal("0.000000000000000001"),
    volume=2**62 + 1,
    adjusted_close=Decimal("0.10"),
    trade_count=7,
    vwap=Decimal("123456789012.12345678"),
)
BAD = {
    "a number that needs more than 64 bits": bar(NEW_YEAR, volume=2**63),
    "a time without a zone": bar(datetime(2026, 1, 1)),  # noqa: DTZ001
    "a price that is no number": bar(NEW_YEAR, "NaN"),
    "a price without end": bar(NEW_YEAR, close_price=Decimal("Infinity")),
    "a price that is missing": bar(NEW_YEAR, close_price=None),
    "a time that is none": bar("2026-01-01"),  # type: ignore[arg-type]
}


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[Backend]:
    backend = open_backend(database.url)
    await backend.open()
    yield backend
    await backend.aclose()


async def read(backend: Backend, query: BarQuery, most: int = 1_000) -> list[ProviderBar]:
    return [found async for piece in backend.read_bars(query, most) for found in piece]


async def states(database: Database) -> list[dict[str, Any]]:
    question = "SELECT state, created_at, updated_at FROM bars ORDER BY timestamp"
    if database.kind == "sqlite":
        path = database.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(question)]
    connection = await asyncpg.connect(database.url)
    try:
        return [dict(row) for row in await connection.fetch(question)]
    finally:
        await connection.close()


async def test_every_field_comes_back_with_every_digit(backend: Backend) -> None:
    plain = bar(NEW_YEAR, volume=None)

    assert await backend.write_bars([BarBatch(history=answer([FULL, plain]))]) == 2
    found = await read(backend, query())

    assert found == [("scripted", plain), ("scripted", FULL)]
    assert str(found[1][1].open_price) == "1234567890123456789.0150"
    assert found[0][1].timestamp.utcoffset() == timedelta(0)


async def test_to_write_twice_is_to_write_once(backend: Backend, database: Database) -> None:
    batch = BarBatch(history=answer(daily(date(2026, 1, 1), 3)))
    await backend.write_bars([batch])
    before = await states(database)
    await backend.write_bars([batch])

    assert await states(database) == before
    assert [row["state"] for row in before] == ["closed"] * 3


async def test_a_bar_with_other_prices_replaces_the_old_one_and_counts_as_corrected(
    backend: Backend, database: Database
) -> None:
    days = daily(date(2026, 1, 1), 2)
    await backend.write_bars([BarBatch(history=answer(days))])
    other = replace(days[1], close_price=Decimal("10.49"))
    await backend.write_bars([BarBatch(history=answer([days[0], other]))])

    assert [bar for _, bar in await read(backend, query())] == [days[0], other]
    rows = await states(database)
    assert [row["state"] for row in rows] == ["closed", "corrected"]
    assert rows[1]["updated_at"] >= rows[1]["created_at"]


async def test_a_new_adjusted_close_alone_is_no_correction(
    backend: Backend, database: Database
) -> None:
    [day] = daily(date(2026, 1, 1), 1)
    await backend.write_bars([BarBatch(history=answer([day]))])
    adjusted = replace(day, adjusted_close=Decimal("9.9"))
    await backend.write_bars([BarBatch(history=answer([adjusted]))])

    assert await read(backend, query()) == [("scripted", adjusted)]
    assert [row["state"] for row in await states(database)] == ["closed"]


async def test_of_two_bars_with_one_key_in_a_batch_the_last_wins(backend: Backend) -> None:
    first, second = (answer([bar(NEW_YEAR, price), bar(NEW_YEAR, "7")]) for price in ("1", "2"))
    last = answer([bar(NEW_YEAR, "3")])
    await backend.write_bars([BarBatch(history=one) for one in (first, second, last)])

    assert await read(backend, query()) == [("scripted", bar(NEW_YEAR, "3"))]


@pytest.mark.parametrize(
    "other",
    [
        {"symbol": "MSFT"},
        {"interval": Interval.MINUTE},
        {"adjustment": PriceAdjustment.ALL},
        {"provider": "other"},
    ],
    ids=str,
)
async def test_a_difference_in_the_series_makes_another_bar(
    backend: Backend, other: dict[str, Any]
) -> None:
    mine, theirs = answer([bar(NEW_YEAR, "1")]), answer([bar(NEW_YEAR, "2")], **other)
    await backend.write_bars([BarBatch(history=mine), BarBatch(history=theirs)])

    fields = {"provider": "scripted"} | other
    assert await read(backend, query(**fields)) == [(fields["provider"], bar(NEW_YEAR, "2"))]
    assert await read(backend, query(provider="scripted")) == [("scripted", bar(NEW_YEAR, "1"))]


async def test_bars_of_all_providers_come_in_the_order_of_time(backend: Backend) -> None:
    days = daily(date(2026, 1, 1), 3)
    await backend.write_bars([BarBatch(history=answer(days[:2]))])
    await backend.write_bars([BarBatch(history=answer(days[1:], provider="other"))])

    found = await read(backend, query(), most=1)

    assert found == [
        *(("scripted", days[0]), ("other", days[1])),
        *(("scripted", days[1]), ("other", days[2])),
    ]


@pytest.mark.parametrize("most", [1, 2, 3, 7, 8, 100])
async def test_pieces_of_any_size_make_the_same_whole(backend: Backend, most: int) -> None:
    days = daily(date(2025, 12, 28), 7)
    await backend.write_bars([BarBatch(history=answer(days))])

    pieces = [piece async for piece in backend.read_bars(query(), most)]

    assert [bar for piece in pieces for _, bar in piece] == list(days)
    assert all(0 < len(piece) <= most for piece in pieces)


async def test_a_read_begins_with_its_first_time_and_ends_before_its_last(
    backend: Backend,
) -> None:
    days = daily(date(2026, 1, 1), 5)
    await backend.write_bars([BarBatch(history=answer(days))])
    zone = timezone(timedelta(hours=9))
    since, until = days[1].timestamp.astimezone(zone), days[3].timestamp

    assert await read(backend, query(since=since, until=until)) == [
        ("scripted", day) for day in days[1:3]
    ]


async def test_a_reader_who_stops_early_holds_nothing(backend: Backend) -> None:
    await backend.write_bars([BarBatch(history=answer(daily(date(2026, 1, 1), 9)))])
    for _ in range(5):
        async for piece in backend.read_bars(query(), 2):
            assert len(piece) == 2
            break

    assert await backend.ping()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_bad_bar_refuses_its_batch_with_events_and_ranges(
    backend: Backend, bad: Bar
) -> None:
    split = Split(day=date(2026, 1, 2), ratio=Decimal(2))
    history = answer([bad, *daily(date(2026, 1, 2), 2)], splits=(split,))
    with pytest.raises(BadRecord):
        await backend.write_bars([BarBatch(history=history, complete=(JANUARY,))])

    assert await read(backend, query()) == []
    assert await backend.read_actions("AAPL", JANUARY) == []
    assert await backend.read_ranges("AAPL", Interval.DAY, PriceAdjustment.NONE) == []
    assert await backend.write_bars([BarBatch(history=answer(daily(date(2026, 1, 2), 2)))]) == 2


@pytest.mark.parametrize("field", ["symbol", "provider", "currency", "exchange"])
async def test_a_text_with_a_nul_is_refused_by_every_database(backend: Backend, field: str) -> None:
    history = answer([bar(NEW_YEAR)], **{field: "A\0B"})

    with pytest.raises(BadRecord, match="NUL"):
        await backend.write_bars([BarBatch(history=history)])


async def test_events_come_back_and_two_dividends_of_a_day_are_two(backend: Backend) -> None:
    day = date(2026, 1, 5)
    split = Split(day=day, ratio=Decimal("0.1"))
    paid = [Dividend(day=day, amount=Decimal(text), currency="GBp") for text in ("0.250", "3")]
    late = Dividend(day=date(2026, 2, 5), amount=Decimal(1))
    history = answer([], splits=(split,), dividends=(*paid, late))
    for _ in range(2):
        await backend.write_bars([BarBatch(history=history)])

    found = await backend.read_actions("AAPL", JANUARY)

    assert found == [StoredAction("scripted", event) for event in (*paid, split)]
    assert await backend.read_actions("MSFT", JANUARY) == []


async def test_an_event_that_is_no_number_is_refused(backend: Backend) -> None:
    history = answer([], splits=(Split(day=date(2026, 1, 5), ratio=Decimal("NaN")),))

    with pytest.raises(BadRecord, match="split"):
        await backend.write_bars([BarBatch(history=history)])


async def test_ranges_that_touch_become_one_and_a_new_one_takes_its_days(
    backend: Backend,
) -> None:
    def stored(first: int, last: int, **fields: Any) -> StoredRange:
        values: dict[str, Any] = {
            "days": Days(date(2026, 1, first), date(2026, 1, last)),
            "provider": "scripted",
            "received_at": RECEIVED,
            "timeliness": Timeliness.END_OF_DAY,
            "currency": "USD",
        }
        return StoredRange(**(values | fields))

    async def put(first: int, last: int, **fields: Any) -> None:
        days = Days(date(2026, 1, first), date(2026, 1, last))
        await backend.write_bars([BarBatch(history=answer([], **fields), complete=(days,))])

    later = RECEIVED + timedelta(days=1)
    await put(1, 10)
    await put(11, 20, received_at=later)
    await put(5, 6, currency="EUR", exchange="NYSE", received_at=later)
    await put(1, 3, provider="other")
    await put(1, 3, symbol="MSFT")

    found = await backend.read_ranges("AAPL", Interval.DAY, PriceAdjustment.NONE)

    assert found == [
        stored(1, 3, provider="other"),
        stored(1, 4),
        stored(5, 6, currency="EUR", exchange="NYSE", received_at=later),
        stored(7, 20),
    ]


async def test_writers_at_once_lose_no_range(database: Database) -> None:
    backends = [open_backend(database.url) for _ in range(3)]
    for backend in backends:
        await backend.open()
    batches = [
        BarBatch(
            history=answer(daily(date(2026, 1, number), 3)),
            complete=(Days(date(2026, 1, number), date(2026, 1, number)),),
        )
        for number in range(1, 28)
    ]
    await asyncio.gather(
        *(
            backends[number % 3].write_bars([batch, batches[-number]])
            for number, batch in enumerate(batches)
        )
    )

    [found] = await backends[0].read_ranges("AAPL", Interval.DAY, PriceAdjustment.NONE)
    assert found.days == Days(date(2026, 1, 1), date(2026, 1, 27))
    for backend in backends:
        await backend.aclose()


async def test_a_backend_that_is_not_open_says_so_to_readers_of_bars(database: Database) -> None:
    backend = open_backend(database.url)
    for call in (
        lambda: backend.write_bars([]),
        lambda: read(backend, query()),
        lambda: backend.read_ranges("AAPL", Interval.DAY, PriceAdjustment.NONE),
        lambda: backend.read_actions("AAPL", JANUARY),
    ):
        with pytest.raises(StoreUnavailable, match="is not open"):
            await call()
    await backend.aclose()


async def test_a_table_of_bars_that_somebody_dropped_is_an_outage(
    backend: Backend, database: Database
) -> None:
    await database.execute("DROP TABLE bars")

    with pytest.raises(StoreUnavailable):
        await backend.write_bars([BarBatch(history=answer([bar(NEW_YEAR)]))])


async def test_the_loop_goes_on_while_many_bars_are_written(backend: Backend) -> None:
    bars = [bar(NEW_YEAR + timedelta(minutes=n)) for n in range(5_000)]
    history = answer(bars, interval=Interval.MINUTE)
    write = asyncio.create_task(backend.write_bars([BarBatch(history=history)]))
    turns = 0
    while not write.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 10
    assert await write == 5_000


async def test_the_twin_without_a_database_keeps_no_bars() -> None:
    backend = open_backend("")

    assert await backend.write_bars([BarBatch(history=answer([bar(NEW_YEAR)]))]) == 0
    assert await read(backend, query()) == []
    assert await backend.read_ranges("AAPL", Interval.DAY, PriceAdjustment.NONE) == []
    assert await backend.read_actions("AAPL", JANUARY) == []
