"""Closed bars of the stream in a real database, before they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.clock import FakeClock, SystemClock
from tickloom.errors import BadRecord
from tickloom.model import Interval, PriceAdjustment
from tickloom.store import BarKeeper, BarQuery, HistoryStore, Journal, open_backend
from tickloom.store.journal_records import BARS, KeptBar, decode_bar, encode_bar
from tickloom.stream import LiveBar

if TYPE_CHECKING:
    from databases import Database, Settled

BEGIN = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
KEPT = ("1m", "1d")


def live(minute: int = 0, **fields: Any) -> LiveBar:
    prices = {name: Decimal("10.25") for name in ("open", "high", "low", "close")}
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "interval": "1m",
        "timestamp": BEGIN + timedelta(minutes=minute),
        "state": "closed",
        "ticks": 3,
        "epoch": "e1",
        "sequence": minute + 1,
        "volume": 700,
        "currency": "USD",
    }
    return LiveBar(**(values | prices | fields))


async def stored(database: Database) -> list[tuple[str, datetime, Decimal]]:
    backend = open_backend(database.url)
    await backend.open()
    query = BarQuery(
        symbol="AAPL",
        interval=Interval.MINUTE,
        adjustment=PriceAdjustment.NONE,
        since=BEGIN - timedelta(days=1),
        until=BEGIN + timedelta(days=10),
    )
    found = [one async for piece in backend.read_bars(query, 1_000) for one in piece]
    await backend.aclose()
    return [(provider, bar.timestamp, bar.close_price) for provider, bar in found]


@pytest.fixture
async def store(database: Database) -> AsyncIterator[HistoryStore]:
    store = HistoryStore(open_backend(database.url), SystemClock())
    yield store
    await store.aclose()


@pytest.fixture
async def keeper(store: HistoryStore) -> AsyncIterator[BarKeeper]:
    keeper = BarKeeper(store, SystemClock(), KEPT, limit_s=30.0)
    yield keeper
    await keeper.aclose()


async def test_a_bar_is_in_the_database_when_it_may_be_told(
    database: Database, keeper: BarKeeper
) -> None:
    told = asyncio.Event()
    assert keeper.keep(live(), told.set)
    await told.wait()
    assert await stored(database) == [("live", BEGIN, Decimal("10.25"))]
    assert keeper.stats()["stored"] == 1


async def test_a_corrected_bar_replaces_the_closed_one(
    database: Database, keeper: BarKeeper
) -> None:
    for price in ("10.25", "11.5"):
        told = asyncio.Event()
        keeper.keep(live(close=Decimal(price), high=Decimal(12)), told.set)
        await told.wait()
    assert await stored(database) == [("live", BEGIN, Decimal("11.5"))]


async def test_many_bars_go_in_few_writes(database: Database, keeper: BarKeeper) -> None:
    left = asyncio.Semaphore(0)
    for minute in range(3_000):
        keeper.keep(live(minute), left.release)
    for _ in range(3_000):
        await left.acquire()
    assert len(await stored(database)) == 3_000


@pytest.mark.parametrize("fields", [{"interval": "1s"}, {"partial": True}])
async def test_what_is_not_kept_is_told_without_waiting(
    keeper: BarKeeper, fields: dict[str, Any]
) -> None:
    assert not keeper.keep(live(**fields), lambda: None)


async def test_without_a_database_nothing_waits() -> None:
    store = HistoryStore(open_backend(""), SystemClock())
    assert not BarKeeper(store, SystemClock(), KEPT).keep(live(), lambda: None)
    await store.aclose()


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_is_away_holds_a_bar_back_for_its_limit_only_and_gets_it_later(
    database: Database, store: HistoryStore
) -> None:
    first = asyncio.Event()
    clock = FakeClock()
    keeper = BarKeeper(store, clock, KEPT, limit_s=2.0)
    keeper.keep(live(), first.set)
    await first.wait()
    told: list[int] = []
    async with database.away():
        keeper.keep(live(1), lambda: told.append(1))
        await clock.advance(1.9)
        assert told == []
        await clock.advance(0.2)
        assert told == [1]
        keeper.keep(live(2), lambda: told.append(2))
        await clock.advance(1.0)
        assert told == [1]
    while keeper.stats()["waiting"]:
        await clock.advance(1.0)
        await asyncio.sleep(0.01)
    await keeper.aclose()
    assert [at for _, at, _ in await stored(database)] == [
        BEGIN + timedelta(minutes=minute) for minute in range(3)
    ]
    assert keeper.stats()["told_unstored"] >= 1


async def test_a_bar_that_the_database_refuses_holds_nobody_up(
    database: Database, keeper: BarKeeper
) -> None:
    left = asyncio.Semaphore(0)
    keeper.keep(live(symbol="BAD\0"), left.release)
    keeper.keep(live(), left.release)
    await left.acquire()
    await left.acquire()
    assert len(await stored(database)) == 1
    assert keeper.stats()["rejected"] == 1


async def test_closing_writes_what_waits_and_leaves_nothing_behind(
    database: Database, store: HistoryStore, nothing_is_left: Settled
) -> None:
    keeper = BarKeeper(store, SystemClock(), KEPT)
    for minute in range(100):
        keeper.keep(live(minute), lambda: None)
    await keeper.aclose()
    await keeper.aclose()
    await store.aclose()
    assert len(await stored(database)) == 100
    assert not keeper.keep(live(), lambda: None)
    await nothing_is_left()


def bars_on_disk(folder: Path) -> Journal[KeptBar]:
    return Journal(folder, 1_000_000, BARS)


@pytest.mark.usefixtures("impatient")
async def test_while_the_database_is_away_a_bar_is_told_once_it_is_on_disk(
    database: Database, store: HistoryStore, tmp_path: Path
) -> None:
    clock, first = FakeClock(), asyncio.Event()
    keeper = BarKeeper(store, clock, KEPT, bars_on_disk(tmp_path / "j"))
    keeper.keep(live(), first.set)
    await first.wait()
    told = asyncio.Event()
    async with database.away():
        keeper.keep(live(1), told.set)
        await clock.advance(1.9)
        assert not told.is_set()
        await clock.advance(0.2)
        await told.wait()
        assert keeper.stats()["journal_rows"] == keeper.stats()["journaled"] == 1
        assert keeper.stats()["told_unstored"] == 0
    while keeper.stats()["waiting"] or keeper.stats()["journal_rows"]:
        await clock.advance(1.0)
        await asyncio.sleep(0.01)
    await keeper.aclose()
    assert len(await stored(database)) == 2


async def test_bars_that_an_ended_process_left_on_disk_are_stored_at_the_start(
    database: Database, store: HistoryStore, tmp_path: Path
) -> None:
    left = bars_on_disk(tmp_path / "j")
    [kept] = [KeptBar(**{name: getattr(live(7), name) for name in KeptBar.__struct_fields__})]
    assert left.append([kept]) == (1, [])
    left.close()
    keeper = BarKeeper(store, SystemClock(), KEPT, bars_on_disk(tmp_path / "j"))
    keeper.start()
    while not keeper.stats()["stored"] or keeper.stats()["journal_rows"]:
        await asyncio.sleep(0.01)
    await keeper.aclose()
    assert await stored(database) == [("live", BEGIN + timedelta(minutes=7), Decimal("10.25"))]


async def test_a_damaged_bar_on_disk_is_counted_as_lost(
    database: Database, store: HistoryStore, tmp_path: Path
) -> None:
    left = bars_on_disk(tmp_path / "j")
    names = KeptBar.__struct_fields__
    bars = [KeptBar(**{name: getattr(live(n), name) for name in names}) for n in range(3)]
    assert left.append(bars) == (3, [])
    left.close()
    [path] = (tmp_path / "j").glob("*/*.log")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)

    keeper = BarKeeper(store, SystemClock(), KEPT, bars_on_disk(tmp_path / "j"))
    keeper.start()
    while not keeper.stats()["stored"] or keeper.stats()["journal_rows"]:
        await asyncio.sleep(0.01)
    await keeper.aclose()
    assert keeper.stats()["lost"] == 1
    assert len(await stored(database)) == 2


@pytest.mark.usefixtures("impatient")
async def test_what_cannot_be_written_at_the_end_is_on_disk(
    database: Database, store: HistoryStore, tmp_path: Path
) -> None:
    keeper = BarKeeper(store, SystemClock(), KEPT, bars_on_disk(tmp_path / "j"))
    first = asyncio.Event()
    keeper.keep(live(), first.set)
    await first.wait()
    async with database.away():
        for minute in range(1, 4):
            keeper.keep(live(minute), lambda: None)
        await keeper.aclose(limit_s=0.1)
    later = bars_on_disk(tmp_path / "j")
    assert later.open() == 3
    assert keeper.stats()["unwritten"] == 0
    later.close()


@given(st.binary(max_size=200))
def test_any_payload_is_a_bar_or_an_error_of_ours(payload: bytes) -> None:
    try:
        assert isinstance(decode_bar(payload), KeptBar)
    except BadRecord:
        pass


def test_a_bar_comes_back_from_its_record_with_every_digit() -> None:
    bar = KeptBar(
        symbol="AAPL",
        interval="1m",
        timestamp=BEGIN,
        open=Decimal("1.10"),
        high=Decimal("12345678901234567890.000000000001"),
        low=Decimal("-0.0"),
        close=Decimal("1E-8"),
    )
    assert decode_bar(encode_bar(bar)[8:]) == bar
