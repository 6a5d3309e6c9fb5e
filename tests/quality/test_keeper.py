"""What is kept back and told outlives a database that is away, on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from databases import Database, Settled
from scripted import NOON, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import BadRecord
from tickloom.model import Quality
from tickloom.quality import Scores
from tickloom.quality.keeper import Keeper
from tickloom.roles import Verdict
from tickloom.store import Journal, QualityStore, open_door
from tickloom.store.journal_records import KEPT, decode_kept, encode_kept, payloads
from tickloom.store.quality import Page
from tickloom.store.quality_rows import Held, Kept, QualityEvent, hold

if TYPE_CHECKING:
    from databases import Postgres

MUCH = 1_000_000
BAD = Verdict(Quality.QUARANTINED, "not-positive", "it is -1", {"price": Decimal(-1)})
ODD = Verdict(Quality.FLAGGED, "odd", "it is odd")
ALL = Page(most=100)
MakeKeeper = Callable[..., Keeper]


def on_disk(folder: Path, limit_bytes: int = MUCH) -> Journal[Kept]:
    return Journal(folder / "kept", limit_bytes, KEPT)


@pytest.fixture
async def store(database: Database, nothing_is_left: Settled) -> AsyncIterator[QualityStore]:
    store = QualityStore(open_door(database.url))
    yield store
    await store.aclose()
    await nothing_is_left()


@pytest.fixture
def make_keeper(store: QualityStore, clock: FakeClock, tmp_path: Path) -> MakeKeeper:
    def make(scores: Scores | None = None, journal_bytes: int = MUCH) -> Keeper:
        journal = on_disk(tmp_path, journal_bytes)
        return Keeper(store, scores or Scores(clock), clock, 100, journal)

    return make


def keep(keeper: Keeper, *symbols: str) -> None:
    for symbol in symbols:
        keeper.hold(make_quote(symbol, "-1"), BAD)
        keeper.tell("quote", (symbol, "scripted", None), BAD, NOON, 3)


def left_in(folder: Path) -> list[Kept]:
    journal = on_disk(folder)
    journal.open()
    try:
        return journal.peek(1_000).records
    finally:
        journal.close()


async def until(clock: FakeClock, condition: Callable[[], bool]) -> None:
    """Wait for real I/O while time goes on; the time limit of the test ends a wait in vain."""
    while not condition():
        await clock.advance(0.1)
        await asyncio.sleep(0.005)


async def test_what_the_database_does_not_take_before_the_end_is_written_by_the_next_start(
    make_keeper: MakeKeeper, store: QualityStore, database: Database, clock: FakeClock
) -> None:
    keeper, later = make_keeper(), make_keeper()
    keeper.start()
    await keeper.flush()
    async with database.away():
        keep(keeper, "ONE", "TWO")
        await keeper.aclose(0.2)
    assert keeper.stats()["unwritten"] == 0

    later.start()
    await until(clock, lambda: later.stats()["journal"]["replayed"] == 4)
    await later.aclose()
    assert {row.symbol for row in await store.held(ALL)} == {"ONE", "TWO"}
    assert {(one.symbol, one.times) for one in await store.events(ALL)} == {("ONE", 3), ("TWO", 3)}


async def test_while_the_database_is_away_rows_go_to_disk_and_events_once_their_minute_is_over(
    make_keeper: MakeKeeper,
    store: QualityStore,
    database: Database,
    clock: FakeClock,
) -> None:
    keeper = make_keeper()
    keeper.start()
    await keeper.flush()
    async with database.away():
        keep(keeper, "ONE")
        assert not await keeper.flush()
        await until(clock, lambda: keeper.stats()["journal"]["rows"] == 1)
        assert keeper.stats()["queued"] == 0
        keeper.tell("quote", ("ONE", "scripted", None), BAD, NOON)
        await clock.advance(30)
        assert keeper.stats()["journal"]["rows"] == 1
        await clock.advance(30)
        await until(clock, lambda: keeper.stats()["journal"]["rows"] == 2)
    await until(clock, lambda: keeper.stats()["journal"]["rows"] == 0)
    await keeper.aclose()
    assert [row.symbol for row in await store.held(ALL)] == ["ONE"]
    assert [one.times for one in await store.events(ALL)] == [4]


async def test_a_write_that_gets_no_answer_for_five_seconds_is_an_outage(
    postgres: Postgres, clock: FakeClock, tmp_path: Path
) -> None:
    async with postgres() as database:
        store = QualityStore(open_door(database.url))
        keeper = Keeper(store, Scores(clock), clock, 100, on_disk(tmp_path))
        keeper.start()
        await keeper.flush()
        database.wire.is_stalled = True
        keep(keeper, "ONE")
        writing = asyncio.create_task(keeper.flush())
        await clock.advance(2)
        keep(keeper, "TWO")
        await clock.advance(2)
        assert keeper.stats()["journal"]["rows"] == 0
        await until(clock, lambda: keeper.stats()["journal"]["rows"] == 1)
        writing.cancel()
        await keeper.aclose(0.2)
        await store.aclose()
    assert {one.symbol for one in left_in(tmp_path) if isinstance(one, Held)} == {"ONE", "TWO"}
    assert keeper.stats()["unwritten"] == 0


async def test_what_finds_no_room_on_disk_at_the_end_is_counted_and_told(
    make_keeper: MakeKeeper, database: Database, warnings_told: list[str]
) -> None:
    keeper = make_keeper(journal_bytes=1_000)
    keeper.start()
    await keeper.flush()
    async with database.away():
        keep(keeper, "ONE", "TWO", "TRE")
        await keeper.aclose(0.2)
    kept = keeper.stats()["journal"]["journaled"]
    assert kept >= 1
    assert keeper.stats()["unwritten"] == 6 - kept
    assert any("of the quarantine are lost" in text for text in warnings_told)
    assert any("is full" in text for text in warnings_told)


async def test_scores_that_the_database_does_not_take_before_the_end_are_counted_and_told(
    make_keeper: MakeKeeper, database: Database, clock: FakeClock, warnings_told: list[str]
) -> None:
    scores = Scores(clock)
    keeper = make_keeper(scores)
    keeper.start()
    await keeper.flush()
    async with database.away():
        scores.asked("scripted", "ONE", answered=True)
        scores.asked("scripted", "TWO", answered=True)
        await keeper.aclose(0.2)
    assert keeper.stats()["scores_dropped"] == 2
    assert any("2 counts of a provider and a symbol are lost" in text for text in warnings_told)


async def test_a_name_that_no_database_takes_costs_only_its_own_scores_and_events(
    make_keeper: MakeKeeper, store: QualityStore, clock: FakeClock
) -> None:
    scores = Scores(clock)
    keeper = make_keeper(scores)
    for symbol in ("ONE", "T\ud800O", "TRE"):
        scores.asked("scripted", symbol, answered=True)
        keeper.tell("quote", (symbol, "scripted", None), ODD, NOON)
    keeper.tell("quote", ("FOUR", "scripted", None), ODD, NOON, 2**70)
    await clock.advance(61)
    assert await keeper.flush()

    found = await store.scores(NOON - timedelta(days=9), None, None, 9)
    assert {one.symbol for one in found} == {"ONE", "TRE"}
    assert {one.symbol for one in await store.events(ALL)} == {"ONE", "T\ufffdO", "TRE"}
    assert keeper.stats()["scores_dropped"] == 1
    assert keeper.stats()["events_dropped"] == 1
    await keeper.aclose()


def test_counts_that_wait_to_be_stored_are_bounded_and_what_is_forgotten_is_counted(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickloom.quality.scores._MOST", 2)
    scores = Scores(clock)
    for symbol in ("ONE", "TWO", "TRE"):
        scores.asked("scripted", symbol, answered=True)
    taken = scores.take()
    scores.asked("scripted", "FOUR", answered=True)
    scores.give_back(taken)
    assert set(scores.take()) == {("scripted", "TRE"), ("scripted", "FOUR")}
    assert scores.dropped == 2


def test_what_is_no_number_in_a_verdict_is_left_out() -> None:
    values: Any = {"a": "x", "b": object(), 3: Decimal("1.50"), "d": 2}
    row = hold(make_quote(), Verdict(Quality.QUARANTINED, "odd", "", values), NOON)
    assert row.found == {"3": Decimal("1.50"), "d": Decimal(2)}


@given(st.binary(max_size=200))
def test_any_payload_is_a_row_or_an_error_of_ours(payload: bytes) -> None:
    for begin in (b"", b"h", b"e"):
        try:
            decode_kept(begin + payload)
        except BadRecord:
            continue


def test_rows_and_events_come_back_from_their_record_with_every_digit(
    clock: FakeClock,
) -> None:
    row = hold(make_quote("ONE", "-1.2500", additional_data={"note": "x"}), BAD, NOON)
    keeper = Keeper(QualityStore(open_door("sqlite:///none.db")), Scores(clock), clock, 9)
    keeper.tell("quote", ("ONE", "scripted", None), BAD, NOON, 3)
    [event] = keeper._events.take()
    data = encode_kept(row) + encode_kept(event)
    found = [decode_kept(payload) for payload, _ in payloads(data, 0) if payload is not None]
    assert found == [row, event]
    assert isinstance(found[1], QualityEvent)
    assert found[1].found == {"price": Decimal(-1)}
