"""What is stored of a question for history, and what is missing, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from barsamples import RECEIVED, answer, bar, daily
from historyroom import bars_of, look
from tickloom.clock import FakeClock
from tickloom.errors import NoSession, StoreUnavailable
from tickloom.history.planning import Look
from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Split,
    begin_of,
)
from tickloom.roles import HistoryRequest
from tickloom.store import BarBatch, Days, HistoryStore, Kept, open_backend
from tickloom.store.ranges import alone

if TYPE_CHECKING:
    from databases import Database, Settled

TODAY = date(2026, 11, 24)  # a Tuesday
DAY = timedelta(days=1)
JANUARY = Days(date(2026, 1, 1), date(2026, 1, 31))


def january(first: int, last: int) -> Days:
    return Days(date(2026, 1, first), date(2026, 1, last))


def ask(days: Days = JANUARY, **fields: Any) -> HistoryRequest:
    return HistoryRequest(symbol="AAPL", start=days.first, end=days.last, **fields)


def of(days: Days, bars: tuple[Bar, ...] | None = None, **fields: Any) -> HistoricalData:
    if bars is None:
        bars = daily(days.first, (days.last - days.first).days + 1)
    return answer(bars, start_date=days.first, end_date=days.last, **fields)


def is_weekday(symbol: str, day: date) -> bool:
    return day.weekday() < 5


async def stored(store: HistoryStore, request: HistoryRequest) -> Look:
    return await look(store, request, store._clock)


async def missing(store: HistoryStore, request: HistoryRequest) -> list[Days]:
    return list((await stored(store, request)).missing)


@pytest.fixture
def noon() -> FakeClock:
    return FakeClock(RECEIVED + timedelta(hours=5))


@pytest.fixture
async def store(database: Database, noon: FakeClock) -> AsyncIterator[HistoryStore]:
    store = HistoryStore(open_backend(database.url), noon, is_weekday)
    yield store
    await store.aclose()


async def test_nothing_is_stored_at_first(store: HistoryStore) -> None:
    found = await stored(store, ask(january(5, 9)))

    assert (found.stretches, found.missing) == ((), (january(5, 9),))


async def test_what_was_put_comes_back_and_nothing_is_missing(store: HistoryStore) -> None:
    split = Split(day=date(2026, 1, 7), ratio=Decimal(4))
    paid = Dividend(day=date(2026, 1, 9), amount=Decimal("0.26"), currency="USD")
    given = of(JANUARY, splits=(split,), dividends=(paid,), exchange="NMS")

    assert await store.put(given) == Kept(stored=31)
    found = await stored(store, ask())

    assert await bars_of(store, found) == given.data_points
    assert found.missing == ()
    [range_] = found.stretches
    assert await store.events(ask(), [(range_.provider, range_.days)]) == ((split,), (paid,))
    assert (range_.days, range_.provider, range_.currency) == (JANUARY, "scripted", "USD")
    assert (range_.exchange, range_.received_at) == ("NMS", RECEIVED)


async def test_ranges_remember_whether_all_splits_and_dividends_were_told(
    store: HistoryStore,
) -> None:
    await store.put(of(january(5, 9)), has_actions=True)
    await store.put(of(january(10, 16)))

    found = await store.ranges(ask(january(5, 16)))
    assert [(range_.days, range_.has_actions) for range_ in found] == [
        (january(5, 9), True),
        (january(10, 16), False),
    ]


async def test_only_the_days_between_are_missing(store: HistoryStore) -> None:
    await store.put(of(january(5, 9)), of(january(19, 23)))

    assert await missing(store, ask(january(5, 30))) == [january(12, 16), january(26, 30)]
    found = await stored(store, ask(january(7, 20)))
    assert found.missing == (january(12, 16),)
    assert await bars_of(store, found) == daily(date(2026, 1, 7), 3) + daily(date(2026, 1, 19), 2)


async def test_a_day_without_a_bar_between_two_is_not_asked_for_again(store: HistoryStore) -> None:
    bars = daily(date(2026, 1, 5), 1) + daily(date(2026, 1, 9), 1)
    await store.put(of(january(5, 9), bars))

    found = await stored(store, ask(january(5, 9)))
    assert (await bars_of(store, found), found.missing) == (bars, ())


@pytest.mark.parametrize("interval", [Interval.DAY, Interval.MINUTE])
async def test_days_beyond_the_bars_of_one_provider_are_not_complete_on_its_word(
    store: HistoryStore, interval: Interval
) -> None:
    await store.put(of(JANUARY, daily(date(2026, 1, 14), 3), interval=interval))

    # The venue is closed on the weekend after them, and on the Monday, which is a holiday.
    left = [january(2, 13), january(20, 30)]
    assert await missing(store, ask(interval=interval)) == left
    await store.put(of(january(19, 23), (), interval=interval))
    assert await missing(store, ask(interval=interval)) == left


async def test_days_that_one_provider_alone_denies_count_for_its_bars_alone(
    store: HistoryStore,
) -> None:
    batch = BarBatch(
        history=of(january(5, 9), (), provider=alone("lab")), complete=(january(5, 9),)
    )
    await store.keep([batch])

    assert await missing(store, ask(january(5, 9), provider="lab")) == []
    assert await missing(store, ask(january(5, 9), provider="other")) == [january(5, 9)]
    assert await missing(store, ask(january(5, 9))) == [january(5, 9)]


async def test_a_weekend_is_never_asked_for(store: HistoryStore) -> None:
    with pytest.raises(NoSession):
        await missing(store, ask(january(3, 4)))
    assert await missing(store, ask(january(3, 11))) == [january(5, 9)]


async def test_today_and_the_future_are_neither_stored_nor_complete(store: HistoryStore) -> None:
    days = Days(TODAY - 2 * DAY, TODAY + DAY)

    assert await store.put(of(days)) == Kept(stored=2, unfinished=2)
    # Nobody has bars of tomorrow.
    assert await missing(store, ask(days)) == [Days(TODAY, TODAY)]
    assert await store.put(of(Days(TODAY, TODAY))) == Kept(unfinished=1)


async def test_the_day_of_the_venue_counts_and_not_that_of_utc(
    store: HistoryStore, noon: FakeClock
) -> None:
    await noon.advance(9 * 3600)
    assert noon.now().date() == TODAY + DAY
    days = Days(TODAY, TODAY)

    assert await store.put(of(days)) == Kept(unfinished=1)
    assert await missing(store, ask(days)) == [days]


async def test_recent_days_after_the_last_bar_may_still_get_one(store: HistoryStore) -> None:
    days = Days(TODAY - 6 * DAY, TODAY - DAY)
    await store.put(of(days, daily(days.first, 2)))

    # Wednesday and Thursday have bars; Friday, and Monday, are waited for.
    assert await missing(store, ask(days)) == [Days(TODAY - 4 * DAY, TODAY - DAY)]


async def test_a_weekend_after_the_last_bar_is_complete_at_once(store: HistoryStore) -> None:
    friday = TODAY - 4 * DAY
    days = Days(friday, TODAY - 2 * DAY)
    await store.put(of(days, daily(friday, 1)))

    [range_] = await store.ranges(ask(days))
    assert range_.days == days


async def test_bars_of_days_that_were_not_asked_for_leave_the_answer_incomplete(
    store: HistoryStore,
) -> None:
    bars = daily(date(2026, 1, 4), 6)

    assert await store.put(of(january(5, 9), bars)) == Kept(stored=5, outside=1)
    assert await missing(store, ask(january(5, 9))) == [january(5, 9)]


async def test_adjusted_prices_count_only_on_the_day_on_which_they_were_given(
    store: HistoryStore, noon: FakeClock
) -> None:
    fields = {"adjustment": PriceAdjustment.ALL}
    await store.put(of(january(5, 9), **fields), of(january(12, 16)))

    assert await missing(store, ask(january(5, 9), **fields)) == []
    await noon.advance(86_400)
    assert await missing(store, ask(january(5, 9), **fields)) == [january(5, 9)]
    assert await missing(store, ask(january(12, 16))) == []


async def test_bars_that_carry_an_adjusted_close_stay_but_that_one_is_of_its_day(
    store: HistoryStore, noon: FakeClock
) -> None:
    bars = tuple(replace(one, adjusted_close=Decimal("9.5")) for one in daily(date(2026, 1, 5), 5))
    await store.put(of(january(5, 9), bars))

    [range_] = await store.ranges(ask(january(5, 9)))
    assert range_.is_rewritten
    await noon.advance(86_400)
    found = await stored(store, ask(january(5, 9)))
    assert [one.is_stale for one in found.stretches] == [True]
    assert found.missing == ()


async def test_only_weeks_and_months_that_are_over_and_whole_are_kept(
    store: HistoryStore,
) -> None:
    begins = [date(2026, month, 1) for month in (9, 10, 11)]
    bars = tuple(bar(begin_of("AAPL", day)) for day in begins)
    given = of(Days(date(2026, 9, 1), TODAY), bars, interval=Interval.MONTH)

    assert await store.put(given) == Kept(stored=2, unfinished=1)
    # A month that is touched is asked for as a whole.
    asked = ask(Days(date(2026, 9, 15), TODAY), interval=Interval.MONTH)
    found = await stored(store, asked)
    assert await bars_of(store, found) == bars[:2]
    assert found.missing == (Days(date(2026, 11, 1), date(2026, 11, 30)),)


async def test_a_bar_of_a_month_stands_for_all_of_its_days(store: HistoryStore) -> None:
    october = Days(date(2026, 10, 1), date(2026, 11, 22))
    given = of(october, (bar(begin_of("AAPL", october.first)),), interval=Interval.MONTH)
    await store.put(given)

    days = Days(date(2026, 10, 1), date(2026, 10, 31))
    assert await missing(store, ask(days, interval=Interval.MONTH)) == []


@pytest.mark.parametrize("interval", [Interval.DAYS_5, Interval.QUARTER])
async def test_periods_that_begin_anywhere_are_not_kept(
    store: HistoryStore, interval: Interval
) -> None:
    assert await store.put(of(january(5, 9), interval=interval)) == Kept(unfinished=5)
    assert await missing(store, ask(january(5, 9), interval=interval)) == [january(5, 9)]


async def test_each_range_says_whose_bars_it_has(store: HistoryStore) -> None:
    mine = of(january(1, 20))
    theirs = of(january(10, 31), daily(date(2026, 1, 10), 22, "99"), provider="other")
    await store.put(mine, theirs)

    found = await stored(store, ask())
    assert [(range_.provider, range_.days) for range_ in found.stretches] == [
        ("scripted", january(1, 9)),
        ("other", january(10, 31)),
    ]
    assert await bars_of(store, found) == mine.data_points[:9] + theirs.data_points
    assert found.missing == ()


async def test_prices_in_another_unit_fill_no_gap(store: HistoryStore) -> None:
    await store.put(
        of(january(1, 20), currency="GBp"), of(january(21, 31), provider="b", currency="GBP")
    )

    found = await stored(store, ask())
    assert [range_.provider for range_ in found.stretches] == ["scripted"]
    assert found.missing == (january(21, 30),)


async def test_ten_thousand_good_bars_are_stored_and_one_with_a_nul_in_its_symbol_is_told(
    store: HistoryStore, warnings_told: list[str]
) -> None:
    good = [of(january(5, 5), symbol=f"S{n}") for n in range(10_000)]
    bad = of(january(5, 5), symbol="BAD\0")

    kept = await store.put(*good[:6_000], bad, *good[6_000:])

    assert kept == Kept(stored=10_000, rejected=1)
    assert store.stats()["rejected"] == 1
    [told] = warnings_told
    assert "BAD" in told
    assert "NUL" in told
    assert "\0" not in told
    for symbol in ("S0", "S5999", "S6000", "S9999"):
        request = HistoryRequest(symbol=symbol, start=date(2026, 1, 5), end=date(2026, 1, 5))
        found = await stored(store, request)
        assert len(await bars_of(store, found)) == 1
        assert found.missing == ()


async def test_a_bad_bar_costs_itself_and_the_word_that_its_days_are_complete(
    store: HistoryStore,
) -> None:
    bars = list(daily(date(2026, 1, 1), 31))
    bars[7] = bar(bars[7].timestamp, volume=2**63)
    paid = Dividend(day=date(2026, 1, 9), amount=Decimal(1))
    given = of(JANUARY, tuple(bars), dividends=(paid,))

    assert await store.put(given) == Kept(stored=30, rejected=1)
    assert await missing(store, ask()) == [january(2, 30)]


async def test_bars_beyond_one_write_are_stored_whole(store: HistoryStore) -> None:
    begin = begin_of("AAPL", date(2026, 1, 1))
    bars = tuple(bar(begin + timedelta(minutes=n)) for n in range(31 * 1440))
    given = of(JANUARY, bars, interval=Interval.MINUTE)

    assert await store.put(given) == Kept(stored=31 * 1440)
    found = await stored(store, ask(interval=Interval.MINUTE))
    assert await bars_of(store, found) == bars


async def test_a_database_that_was_away_is_opened_again(
    store: HistoryStore, database: Database
) -> None:
    await store.put(of(january(5, 9)))
    async with database.away():
        with pytest.raises(StoreUnavailable):
            await store.put(of(january(12, 16)))

    assert await store.put(of(january(12, 16))) == Kept(stored=5)
    assert await missing(store, ask(january(5, 16))) == []


async def test_nothing_is_left_after_the_history_store_was_closed(
    database: Database, noon: FakeClock, nothing_is_left: Settled
) -> None:
    store = HistoryStore(open_backend(database.url), noon)
    await store.put(of(january(5, 9)))
    await store.aclose()
    await store.aclose()

    await nothing_is_left()


async def test_without_a_database_everything_is_missing(noon: FakeClock) -> None:
    store = HistoryStore(open_backend(""), noon)

    assert await store.put(of(january(5, 9))) == Kept()
    assert await missing(store, ask(january(5, 9))) == [january(5, 9)]
    await store.aclose()


async def test_a_question_from_the_first_day_of_the_calendar_is_answered(
    store: HistoryStore,
) -> None:
    days = Days(date.min, date.max)
    await store.put(of(days, daily(date(2026, 1, 5), 5)))

    found = await stored(store, ask(days))
    assert len(await bars_of(store, found)) == 5
    assert found.missing[0].first == date(1800, 1, 1)
