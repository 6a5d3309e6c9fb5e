"""What was kept back, told and counted, in both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from databases import Database, Settled
from scripted import make_quote
from tickloom.model import Bar, HistoricalData, Interval, Quality, Quote, Timeliness
from tickloom.roles import Verdict
from tickloom.store.door import NoDoor, open_door
from tickloom.store.quality import Page, QualityStore
from tickloom.store.quality_rows import Counts, Held, QualityEvent, hold, identity

NOW = datetime(2026, 1, 2, 17, 0, tzinfo=UTC)
HOUR = NOW.replace(minute=0)


@pytest.fixture
async def store(database: Database, nothing_is_left: Settled) -> AsyncIterator[QualityStore]:
    store = QualityStore(open_door(database.url))
    yield store
    await store.aclose()
    await nothing_is_left()


def kept(symbol: str = "EXA", after_s: int = 0, **fields: Any) -> Held:
    price = fields.pop("price", "-1.50")
    quote = make_quote(symbol, price, **fields)
    now = NOW + timedelta(seconds=after_s)
    values = {"price": Decimal("-1.50")}
    verdict = Verdict(Quality.QUARANTINED, "not-positive", "the price is -1.50", values)
    return hold(quote, verdict, now)


def event(**fields: Any) -> QualityEvent:
    values: dict[str, Any] = {
        "id": identity("one"),
        "at": NOW,
        "last_at": NOW,
        "symbol": "EXA",
        "provider": "scripted",
        "kind": "quote",
        "code": "crossed",
        "quality": Quality.FLAGGED,
        "reason": "bid 2 is above ask 1",
    }
    return QualityEvent(**(values | fields))


async def test_a_quote_comes_back_with_every_field_and_digit(
    store: QualityStore, full_quote: Quote
) -> None:
    quote = replace(full_quote, additional_data={"exact": "1.10", "nul": "a\0b"})
    values = {"level": Decimal("1.500")}
    row = hold(quote, Verdict(Quality.QUARANTINED, "spike", "so it is", values), NOW)
    await store.hold([row])
    [found] = await store.held(Page(most=10))
    assert found == row
    assert found.quote is not None
    assert str(found.quote.bid) == str(quote.bid)
    assert str(found.found["level"]) == "1.500"


async def test_a_bar_comes_back_with_its_series(store: QualityStore) -> None:
    zero = Decimal("0.00")
    bar = Bar(timestamp=NOW, open_price=zero, high_price=zero, low_price=zero, close_price=zero)
    series = HistoricalData(
        symbol="EXA",
        interval=Interval.DAY,
        start_date=NOW.date(),
        end_date=NOW.date(),
        provider="example",
        received_at=NOW,
        data_points=(bar,),
        timeliness=Timeliness.END_OF_DAY,
        currency="GBp",
    )
    row = hold(series, Verdict(Quality.QUARANTINED, "bar-zero", "the close is 0"), NOW)
    await store.hold([row])
    assert await store.find_held(row.id) == row
    assert (row.interval, row.timestamp) == ("1d", NOW)


async def test_what_is_given_again_and_again_is_one_row(store: QualityStore) -> None:
    first = kept()
    later = kept(after_s=5, received_at=NOW + timedelta(seconds=5))
    await store.hold([first, later])
    await store.hold([later])
    assert await store.held(Page(most=10)) == [first]


async def test_signs_that_no_database_takes_are_kept_in_the_quote_only(
    store: QualityStore,
) -> None:
    row = kept(symbol="EX\0A" + "A" * 40)
    await store.hold([row])
    [found] = await store.held(Page(most=10))
    assert found.symbol == ("EX\ufffdA" + "A" * 40)[:32]
    assert found.quote is not None
    assert found.quote.symbol == "EX\0A" + "A" * 40


async def test_pages_follow_each_other_without_a_hole_or_a_twin(store: QualityStore) -> None:
    rows = [kept(f"S{number}", after_s=number // 3) for number in range(10)]
    await store.hold(rows)
    page, found = Page(most=4), []
    while piece := await store.held(page):
        found += piece
        page = replace(page, before=(piece[-1].created_at, piece[-1].id))
    assert sorted(found, key=lambda row: row.id) == sorted(rows, key=lambda row: row.id)
    assert found == sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)


async def test_rows_are_found_by_symbol_provider_code_and_state(store: QualityStore) -> None:
    one, two = kept("ONE"), kept("TWO", provider="other")
    await store.hold([one, two])
    await store.decide(two.id, "dropped", "me", NOW)
    assert await store.held(Page(most=9, symbol="ONE", state="held")) == [one]
    assert [row.id for row in await store.held(Page(most=9, provider="other"))] == [two.id]
    assert await store.held(Page(most=9, code="other")) == []
    assert [row.id for row in await store.held(Page(most=9, state="dropped"))] == [two.id]


async def test_of_two_who_decide_at_once_one_gets_the_row(
    store: QualityStore, database: Database
) -> None:
    row = kept()
    await store.hold([row])
    other = QualityStore(open_door(database.url))
    try:
        found = await asyncio.gather(
            *(one.decide(row.id, "released", "me", NOW) for one in (store, other, store, other))
        )
    finally:
        await other.aclose()
    [decided] = [one for one in found if one is not None]
    assert decided == replace(row, state="released", decided_at=NOW, decided_by="me")


async def test_a_decision_can_be_undone(store: QualityStore) -> None:
    row = kept()
    await store.hold([row])
    await store.decide(row.id, "released", "me", NOW)
    await store.undo(row.id)
    assert await store.find_held(row.id) == row


async def test_what_is_told_again_within_a_minute_is_counted(store: QualityStore) -> None:
    later = NOW + timedelta(seconds=30)
    await store.tell([event(times=2, timestamp=NOW)])
    await store.tell([event(times=3, last_at=later, reason="another")])
    [found] = await store.events(Page(most=10))
    assert found == event(times=5, last_at=later, timestamp=NOW)


async def test_events_are_found_by_kind(store: QualityStore) -> None:
    other = event(id=identity("two"), kind="comparison", interval="1d")
    await store.tell([event(), other])
    assert await store.events(Page(most=10, kind="comparison", symbol="EXA")) == [other]


async def test_counts_of_an_hour_add_up_and_the_shares_follow(store: QualityStore) -> None:
    key = ("scripted", "EXA")
    await store.count(HOUR, {key: Counts(asked=2, answered=1, judged=3, valid=3)})
    await store.count(HOUR, {key: Counts(asked=2, answered=2, compared=4, agreed=3)})
    [found] = await store.scores(HOUR, "EXA", None, 10)
    assert found.counts == Counts(
        asked=4, answered=3, judged=3, valid=3, compared=4, agreed=3, dated=0, timely=0
    )
    assert (found.completeness, found.agreement, found.validity) == (0.75, 0.75, 1.0)
    assert found.timeliness is None
    assert await store.scores(HOUR + timedelta(hours=1), None, None, 10) == []


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_was_away_is_opened_again(
    store: QualityStore, database: Database
) -> None:
    await store.hold([kept()])
    async with database.away():
        with pytest.raises(Exception, match="database"):
            await store.hold([kept("TWO")])
    await store.hold([kept("TWO")])
    assert len(await store.held(Page(most=9))) == 2


async def test_without_a_database_nothing_is_kept() -> None:
    store = QualityStore(NoDoor())
    await store.hold([kept()])
    assert not store.keeps
    assert await store.held(Page(most=9)) == []
    await store.aclose()
