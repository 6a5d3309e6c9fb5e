"""History from the store, and from providers where the store lacks it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from barsamples import RECEIVED, answer, daily
from historyroom import TODAY, Vendor, ask, encoded, look, opened
from tickloom.clock import FakeClock
from tickloom.errors import (
    NoData,
    NotSupported,
    ProviderUnavailable,
    TickloomError,
    UnknownSymbol,
)
from tickloom.history import Histories
from tickloom.model import Dividend, Interval, Split
from tickloom.store import HistoryStore, open_backend

if TYPE_CHECKING:
    from databases import Database


async def test_the_same_question_again_has_the_same_bytes_and_asks_no_provider(
    histories: Histories, vendor: Vendor
) -> None:
    vendor.fields = {
        "splits": (Split(day=date(2026, 1, 7), ratio=Decimal(4)),),
        "dividends": (Dividend(day=date(2026, 1, 9), amount=Decimal("0.260"), currency="USD"),),
    }
    request = ask(date(2026, 1, 1), date(2026, 1, 31))
    first = await histories.history(request)
    vendor.failure = ProviderUnavailable("unplugged")
    second = await histories.history(request)

    assert encoded(second) == encoded(first)
    assert vendor.asked == [(date(2026, 1, 1), date(2026, 1, 31))]
    stats = histories.stats()
    assert (stats["from_store"], stats["from_providers"]) == (1, 1)


async def test_only_the_days_that_are_missing_are_asked_for(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 12), date(2026, 1, 16)))
    vendor.asked.clear()

    whole = await histories.history(ask(date(2026, 1, 5), date(2026, 1, 25)))

    # Weekends and holidays at the edges are not worth a question.
    assert vendor.asked == [
        (date(2026, 1, 5), date(2026, 1, 9)),
        (date(2026, 1, 20), date(2026, 1, 23)),
    ]
    assert [bar.timestamp.day for bar in whole.data_points] == [
        *range(5, 10),
        *range(12, 17),
        *range(20, 24),
    ]
    assert histories.stats()["in_part"] == 1


async def test_today_is_asked_for_each_time(histories: Histories, vendor: Vendor) -> None:
    request = ask(date(2026, 11, 16), TODAY)
    await histories.history(request)
    vendor.price = "11"

    again = await histories.history(request)

    assert vendor.asked[1:] == [(TODAY, TODAY)]
    assert [str(bar.close_price) for bar in again.data_points[-2:]] == ["10.5", "11"]


async def test_a_day_that_has_nothing_yet_does_not_spoil_those_before_it(
    histories: Histories, vendor: Vendor
) -> None:
    first = await histories.history(ask(date(2026, 11, 16), date(2026, 11, 23)))
    vendor.failure = NoData("nothing today")

    again = await histories.history(ask(date(2026, 11, 16), TODAY))
    assert again.data_points == first.data_points


async def test_a_part_that_nobody_answers_is_an_error_and_no_hole(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
    vendor.failure = ProviderUnavailable("unplugged")

    with pytest.raises(ProviderUnavailable):
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 16)))


async def test_bars_of_two_providers_in_one_currency_are_joined_and_told_apart(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
    vendor.fields, vendor.price = {"provider": "other", "exchange": "XYZ"}, "11"
    request = ask(date(2026, 1, 5), date(2026, 1, 23))

    first = await histories.history(request)
    vendor.failure = ProviderUnavailable("unplugged")
    again = await histories.history(request)

    assert [(one.first_day.day, one.last_day.day, one.provider) for one in first.sources] == [
        (5, 11, "scripted"),
        (12, 23, "other"),
    ]
    assert (first.provider, first.exchange) == ("other", "XYZ")
    assert [str(bar.close_price) for bar in first.data_points] == ["10.5"] * 5 + ["11"] * 10
    assert vendor.asked[1] == (date(2026, 1, 12), date(2026, 1, 23))
    assert encoded(again) == encoded(first)


async def test_bars_in_two_currencies_are_never_joined(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
    vendor.fields, vendor.price = {"currency": "GBp"}, "1050"

    whole = await histories.history(ask(date(2026, 1, 5), date(2026, 1, 16)))

    assert {str(bar.close_price) for bar in whole.data_points} == {"1050"}
    assert vendor.asked[-1] == (date(2026, 1, 5), date(2026, 1, 16))
    assert [one.currency for one in whole.sources] == ["GBp"]


async def test_ranges_that_came_at_different_times_are_told_the_same_way_each_time(
    histories: Histories, vendor: Vendor, noon: FakeClock
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 7)))
    vendor.fields = {"received_at": noon.now()}
    request = ask(date(2026, 1, 5), date(2026, 1, 11))

    first = await histories.history(request)
    vendor.failure = ProviderUnavailable("unplugged")

    assert encoded(await histories.history(request)) == encoded(first)
    [source] = first.sources
    assert (source.first_day, source.last_day) == (request.start, request.end)
    assert source.received_at == RECEIVED == first.received_at


async def test_what_was_stored_answers_after_a_restart(
    histories: Histories, vendor: Vendor, noon: FakeClock, database: Database
) -> None:
    request = ask(date(2026, 1, 1), date(2026, 1, 31))
    first = await histories.history(request)
    await histories.aclose()
    vendor.failure = ProviderUnavailable("unplugged")

    async with opened(database, vendor, noon) as restarted:
        assert encoded(await restarted.history(request)) == encoded(first)


async def test_finished_days_are_not_asked_for_again_because_of_an_adjusted_close(
    histories: Histories, vendor: Vendor, noon: FakeClock
) -> None:
    vendor.bar_fields = {"adjusted_close": Decimal("10.1")}
    request = ask(date(2026, 1, 5), date(2026, 1, 9))
    first = await histories.history(request)
    await noon.advance(86_400)

    later = await histories.history(request)

    assert len(vendor.asked) == 1
    assert {bar.adjusted_close for bar in first.data_points} == {Decimal("10.1")}
    # A split or a dividend in between would have changed it.
    assert {bar.adjusted_close for bar in later.data_points} == {None}


async def test_a_holiday_is_no_gap(histories: Histories, vendor: Vendor) -> None:
    await histories.history(ask(date(2026, 1, 12), date(2026, 1, 16)))
    await histories.history(ask(date(2026, 1, 20), date(2026, 1, 23)))
    vendor.failure = ProviderUnavailable("unplugged")

    whole = await histories.history(ask(date(2026, 1, 10), date(2026, 1, 25)))
    assert len(whole.data_points) == 9


async def test_bars_of_days_that_were_not_asked_for_are_dropped_counted_and_told(
    histories: Histories, vendor: Vendor, warnings_told: list[str]
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
    vendor.early, vendor.price = 10, "99"

    whole = await histories.history(ask(date(2026, 1, 5), date(2026, 1, 16)))

    assert [str(bar.close_price) for bar in whole.data_points] == ["10.5"] * 5 + ["99"] * 5
    assert histories.stats()["outside"] == 6
    [told] = warnings_told
    assert "6 bars of AAPL outside of 2026-01-12 to 2026-01-16" in told


async def test_a_second_bar_of_one_time_is_dropped_counted_and_told_as_such(
    histories: Histories, vendor: Vendor, warnings_told: list[str]
) -> None:
    request = ask(date(2026, 1, 5), date(2026, 1, 9))
    given = await vendor(request)
    late = replace(given.data_points[-1], close_price=Decimal(11))
    vendor.fields = {"data_points": (*given.data_points, given.data_points[0], late)}

    whole = await histories.history(request)

    assert [str(bar.close_price) for bar in whole.data_points] == ["10.5"] * 4 + ["11"]
    assert (histories.stats()["twice"], histories.stats()["outside"]) == (2, 0)
    [told] = warnings_told
    assert "2 bars of AAPL of times that other bars of the answer have" in told
    vendor.failure = ProviderUnavailable("unplugged")
    assert encoded(await histories.history(request)) == encoded(whole)


async def test_only_bars_of_other_days_are_no_answer(histories: Histories, vendor: Vendor) -> None:
    vendor.early, vendor.late = 7, -5

    with pytest.raises(NoData, match="bars of other days"):
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))


async def test_five_days_and_quarters_are_passed_on(histories: Histories, vendor: Vendor) -> None:
    for _ in range(2):
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9), Interval.QUARTER))

    assert len(vendor.asked) == 2


@pytest.mark.parametrize("interval", [Interval.WEEK, Interval.MONTH])
async def test_only_the_week_or_month_that_runs_is_asked_for_again(
    histories: Histories, vendor: Vendor, interval: Interval
) -> None:
    request = ask(date(2026, 9, 1), TODAY, interval)
    first = await histories.history(request)
    again = await histories.history(request)

    running = date(2026, 11, 23) if interval is Interval.WEEK else date(2026, 11, 1)
    assert vendor.asked[1:] == [(running, TODAY)]
    assert again.data_points == first.data_points


async def test_a_week_begins_in_the_range_or_is_not_in_the_answer(
    histories: Histories, vendor: Vendor
) -> None:
    whole = await histories.history(ask(date(2026, 1, 6), date(2026, 1, 14), Interval.WEEK))

    assert [bar.timestamp.day for bar in whole.data_points] == [12]
    # All of it, or nobody would know that it is complete.
    assert vendor.asked == [(date(2026, 1, 12), date(2026, 1, 18))]
    with pytest.raises(NoData, match="Weeks begin on Monday"):
        await histories.history(ask(date(2026, 1, 6), date(2026, 1, 9), Interval.WEEK))


async def test_minutes_before_the_first_bar_may_have_been_cut_off(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 7), date(2026, 1, 9), Interval.MINUTE))
    await histories.history(ask(date(2026, 1, 7), date(2026, 1, 9), Interval.MINUTE))
    assert len(vendor.asked) == 1

    store = histories._store
    bars = daily(date(2026, 2, 4), 3)
    given = answer(
        bars, start_date=date(2026, 2, 2), end_date=date(2026, 2, 6), interval=Interval.MINUTE
    )
    await store.put(given)

    request = ask(date(2026, 2, 2), date(2026, 2, 6), Interval.MINUTE)
    [left] = (await look(store, request, store._clock)).missing
    assert (left.first, left.last) == (date(2026, 2, 2), date(2026, 2, 3))


async def test_a_database_that_is_away_costs_no_answer_and_is_tried_again(
    histories: Histories,
    vendor: Vendor,
    database: Database,
    noon: FakeClock,
    warnings_told: list[str],
) -> None:
    request = ask(date(2026, 1, 5), date(2026, 1, 9))
    await histories.history(request)
    await database.execute("ALTER TABLE history_ranges RENAME TO elsewhere")
    for _ in range(3):
        assert len((await histories.history(request)).data_points) == 5

    [told] = warnings_told
    assert "history_ranges" in told
    assert histories.stats()["failures"] == 1

    await database.execute("ALTER TABLE elsewhere RENAME TO history_ranges")
    await noon.advance(15)
    vendor.failure = ProviderUnavailable("unplugged")
    assert len((await histories.history(request)).data_points) == 5


async def test_bars_that_cannot_be_read_are_asked_for(
    histories: Histories, vendor: Vendor, database: Database, warnings_told: list[str]
) -> None:
    request = ask(date(2026, 1, 5), date(2026, 1, 9))
    first = await histories.history(request)
    # The ranges still say that all is there.
    await database.execute("ALTER TABLE bars RENAME TO elsewhere")

    assert (await histories.history(request)).data_points == first.data_points
    assert len(vendor.asked) == 2
    assert "bars" in warnings_told[0]


async def test_events_that_cannot_be_read_cost_no_answer(
    histories: Histories, vendor: Vendor, database: Database
) -> None:
    request = ask(date(2026, 1, 5), date(2026, 1, 9))
    first = await histories.history(request)
    await database.execute("ALTER TABLE corporate_actions RENAME TO elsewhere")

    assert (await histories.history(request)).data_points == first.data_points
    assert len(vendor.asked) == 2


async def test_who_should_have_answered_is_told(histories: Histories, vendor: Vendor) -> None:
    vendor.fields = {"fallback_from": "first", "fallback_reason": "it is away"}

    whole = await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
    assert (whole.fallback_from, whole.fallback_reason) == ("first", "it is away")


async def test_without_a_database_every_question_goes_to_a_provider(
    vendor: Vendor, noon: FakeClock
) -> None:
    histories = Histories(HistoryStore(open_backend(""), noon), vendor, noon)
    for _ in range(2):
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))

    assert len(vendor.asked) == 2
    await histories.aclose()


NOBODY = [
    ProviderUnavailable("unplugged"),
    UnknownSymbol("no provider serves AAPL"),
    NotSupported("no provider offers history"),
]


@pytest.mark.parametrize("nobody", NOBODY, ids=lambda error: type(error).__name__)
async def test_stored_months_are_answered_though_nobody_is_there_for_today(
    histories: Histories, vendor: Vendor, nobody: TickloomError
) -> None:
    whole = await histories.history(ask(date(2026, 10, 1), TODAY))
    vendor.failure = nobody

    again = await histories.history(ask(date(2026, 10, 1), TODAY))

    assert again.data_points == whole.data_points[:-1]
    assert again.incomplete_reason is not None
    assert "2026-11-24" in again.incomplete_reason
    assert str(nobody) in again.incomplete_reason
    assert (await histories.history(ask(date(2026, 10, 1), TODAY))) == again


@pytest.mark.parametrize("nobody", NOBODY, ids=lambda error: type(error).__name__)
async def test_older_days_that_are_missing_are_not_passed_over(
    histories: Histories, vendor: Vendor, nobody: TickloomError
) -> None:
    await histories.history(ask(date(2026, 10, 1), date(2026, 10, 30)))
    vendor.failure = nobody

    with pytest.raises(type(nobody)) as caught:
        await histories.history(ask(date(2026, 9, 1), date(2026, 10, 30)))
    assert str(caught.value) == f"2026-09-01 to 2026-09-30 of AAPL are not stored: {nobody}"


@pytest.mark.parametrize("interval", [Interval.DAY, Interval.MINUTES_5])
async def test_days_that_nobody_has_bars_of_are_asked_for_once(
    histories: Histories, vendor: Vendor, interval: Interval
) -> None:
    await histories.history(ask(date(2026, 10, 5), date(2026, 10, 30), interval))
    vendor.failure = NoData("there is none")
    request = ask(date(2026, 9, 1), date(2026, 10, 30), interval)
    first = await histories.history(request)
    asked = len(vendor.asked)
    vendor.failure = ProviderUnavailable("unplugged")

    assert encoded(await histories.history(request)) == encoded(first)
    assert len(vendor.asked) == asked


async def test_the_newest_days_without_a_bar_may_still_get_one(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 10, 5), date(2026, 11, 20)))
    vendor.failure = NoData("there is none yet")
    request = ask(date(2026, 10, 5), TODAY)
    await histories.history(request)
    vendor.failure = None

    assert (await histories.history(request)).data_points[-1].timestamp.day == TODAY.day
