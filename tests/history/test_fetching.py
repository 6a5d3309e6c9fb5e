"""Answers that nobody gives, out of bars that are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from historyroom import TODAY, Vendor, ask, encoded, opened
from tickloom.clock import FakeClock
from tickloom.errors import NotSupported, ProviderUnavailable
from tickloom.history import Histories, Page, make_token
from tickloom.model import HistoricalData, Interval, PriceAdjustment, Split, begin_of
from tickloom.roles import HistoryRequest
from tickloom.store import HistoryStore, open_backend

if TYPE_CHECKING:
    from databases import Database

WEEK = date(2026, 1, 5), date(2026, 1, 9)
SPLITS = PriceAdjustment.SPLITS


class Plain:
    """A vendor of unadjusted bars of some intervals."""

    def __init__(self, vendor: Vendor, *intervals: Interval) -> None:
        self.vendor = vendor
        self.intervals = intervals or (Interval.DAY, Interval.MINUTE)
        self.refused = 0

    async def __call__(self, request: HistoryRequest) -> HistoricalData:
        if request.adjustment is not PriceAdjustment.NONE or request.interval not in self.intervals:
            self.refused += 1
            raise NotSupported(f"no {request.interval} adjusted for {request.adjustment}")
        return await self.vendor(request)

    def asked(self) -> list[tuple[str, date, date]]:
        return [(one.interval.value, one.start, one.end) for one in self.vendor.requests]


@pytest.fixture
def plain(vendor: Vendor) -> Plain:
    vendor.fields = {"splits": (Split(day=date(2026, 1, 7), ratio=Decimal(4)),)}
    return Plain(vendor)


@pytest.fixture
async def fetching(database: Database, plain: Plain, noon: FakeClock) -> AsyncIterator[Histories]:
    async with opened(database, plain, noon, "scripted") as histories:
        yield histories


def closes(history: HistoricalData) -> list[str]:
    return [str(one.close_price) for one in history.data_points]


async def test_unadjusted_days_until_today_are_asked_for_where_nobody_adjusts(
    fetching: Histories, plain: Plain
) -> None:
    made = await fetching.history(ask(*WEEK, adjustment=SPLITS))

    assert closes(made) == ["2.625", "2.625", "10.5", "10.5", "10.5"]
    assert made.adjustment is SPLITS
    assert plain.asked() == [("1d", WEEK[0], TODAY)]
    assert fetching.stats()["adjusted"] == 1


async def test_of_stored_days_only_those_that_are_missing_are_asked_for(
    fetching: Histories, plain: Plain
) -> None:
    await fetching.history(ask(*WEEK))
    await fetching.history(ask(*WEEK, adjustment=SPLITS))

    assert plain.asked()[1:] == [("1d", date(2026, 1, 12), TODAY)]


async def test_what_was_asked_for_answers_again_with_all_providers_away(
    fetching: Histories, plain: Plain
) -> None:
    request = ask(*WEEK, adjustment=SPLITS)
    first = await fetching.history(request)
    plain.vendor.failure = ProviderUnavailable("unplugged")

    again = await fetching.history(request)
    assert encoded(again) == encoded(first)


async def test_minutes_are_asked_for_besides_the_days_that_tell_of_splits(
    fetching: Histories, plain: Plain
) -> None:
    made = await fetching.history(
        ask(date(2026, 1, 6), date(2026, 1, 7), Interval.MINUTE, adjustment=SPLITS)
    )

    assert {len(closes(made)), *closes(made)[389:391]} == {780, "2.625", "10.5"}
    assert plain.asked() == [
        ("1d", date(2026, 1, 6), TODAY),
        ("1m", date(2026, 1, 6), date(2026, 1, 7)),
    ]


async def test_weeks_are_adjusted_out_of_days_that_are_asked_for(
    fetching: Histories, plain: Plain
) -> None:
    [week] = (await fetching.history(ask(*WEEK, Interval.WEEK, SPLITS))).data_points

    assert (str(week.open_price), str(week.close_price)) == ("2.625", "10.5")
    assert week.volume == 2 * 400 + 3 * 100


async def test_without_a_database_prices_are_adjusted_all_the_same(
    plain: Plain, noon: FakeClock
) -> None:
    histories = Histories(
        HistoryStore(open_backend(""), noon),
        plain,
        noon,
        tells_actions=["scripted"].__contains__,
        tellers=lambda _symbol: ["scripted"],
    )
    made = await histories.history(ask(*WEEK, adjustment=SPLITS))

    assert closes(made) == ["2.625", "2.625", "10.5", "10.5", "10.5"]
    await histories.aclose()


async def test_a_provider_that_does_not_tell_of_splits_is_of_no_use_for_it(
    database: Database, plain: Plain, noon: FakeClock
) -> None:
    async with opened(database, plain, noon) as histories:
        with pytest.raises(NotSupported, match="adjusted for splits"):
            await histories.history(ask(*WEEK, adjustment=SPLITS))

    assert plain.asked() == []


async def test_the_one_that_tells_of_splits_is_asked_and_nobody_else(
    database: Database, plain: Plain, noon: FakeClock
) -> None:
    plain.vendor.fields |= {"provider": "second"}
    async with opened(database, plain, noon, "second") as histories:
        made = await histories.history(ask(*WEEK, adjustment=SPLITS))

    assert made.provider == "second"
    assert [one.provider for one in plain.vendor.requests] == ["second"]


async def test_another_one_is_asked_where_the_first_has_no_bar_of_these_days(
    database: Database, vendor: Vendor, noon: FakeClock
) -> None:
    async def two(request: HistoryRequest) -> HistoricalData:
        if request.adjustment is not PriceAdjustment.NONE:
            raise NotSupported("unadjusted only")
        start = request.start if request.provider == "second" else date(2026, 6, 1)
        vendor.fields = {"provider": request.provider}
        return await vendor(
            HistoryRequest(symbol="AAPL", start=max(start, request.start), end=request.end)
        )

    async with opened(database, two, noon, "first", "second") as histories:
        made = await histories.history(ask(*WEEK, adjustment=SPLITS))

    assert (made.provider, len(made.data_points)) == ("second", 5)


async def test_why_the_days_cannot_be_had_is_told(fetching: Histories, plain: Plain) -> None:
    plain.vendor.failure = ProviderUnavailable("unplugged")

    with pytest.raises(ProviderUnavailable, match="unplugged"):
        await fetching.history(ask(*WEEK, adjustment=SPLITS))


async def test_minutes_are_asked_for_and_rolled_up_where_nobody_gives_the_interval(
    fetching: Histories, plain: Plain
) -> None:
    made = await fetching.history(ask(*WEEK, Interval.MINUTES_15))
    plain.vendor.failure = ProviderUnavailable("unplugged")
    again = await fetching.history(ask(*WEEK, Interval.MINUTES_15))

    assert len(made.data_points) == 5 * 26
    assert [one.derived_from for one in made.sources] == [Interval.MINUTE]
    assert plain.asked() == [("1m", *WEEK)]
    assert encoded(again) == encoded(made)


async def test_of_stored_minutes_only_the_days_that_are_missing_are_asked_for(
    fetching: Histories, plain: Plain
) -> None:
    await fetching.history(ask(WEEK[0], date(2026, 1, 8), Interval.MINUTE))
    made = await fetching.history(ask(*WEEK, Interval.HOUR))

    assert plain.asked()[1:] == [("1m", date(2026, 1, 9), date(2026, 1, 9))]
    assert len(made.data_points) == 5 * 7


async def test_a_page_asks_for_the_minutes_of_its_own_days_at_most(
    fetching: Histories, plain: Plain
) -> None:
    await fetching.history(ask(date(2026, 1, 6), date(2026, 1, 7), Interval.MINUTE))
    request = ask(*WEEK, Interval.HOUR)
    token = make_token(request, "asc", begin_of("AAPL", date(2026, 1, 7)))
    await fetching.open(request, Page(after=token))

    assert plain.asked()[1:] == [("1m", date(2026, 1, 8), date(2026, 1, 9))]


async def test_months_are_made_of_days_that_are_asked_for(
    fetching: Histories, plain: Plain
) -> None:
    made = await fetching.history(ask(date(2026, 1, 1), date(2026, 3, 31), Interval.MONTH))

    assert len(made.data_points) == 3
    assert plain.asked() == [("1d", date(2026, 1, 1), date(2026, 3, 31))]


async def test_rolled_up_minutes_are_adjusted_where_nobody_does_either(
    fetching: Histories, plain: Plain
) -> None:
    made = await fetching.history(ask(*WEEK, Interval.HOUR, SPLITS))

    assert closes(made) == ["2.625"] * 14 + ["10.5"] * 21
    assert [one[0] for one in plain.asked()] == ["1d", "1m"]


async def test_without_a_database_hours_begin_with_the_session_too(
    plain: Plain, noon: FakeClock
) -> None:
    histories = Histories(HistoryStore(open_backend(""), noon), plain, noon)
    made = await histories.history(ask(WEEK[0], WEEK[0], Interval.HOUR))

    opening = begin_of("AAPL", WEEK[0]) + timedelta(hours=9, minutes=30)
    assert [one.timestamp for one in made.data_points[:2]] == [
        opening,
        opening + timedelta(hours=1),
    ]
    await histories.aclose()


async def test_more_minutes_than_fit_are_not_asked_for_and_the_way_out_is_told(
    fetching: Histories, plain: Plain
) -> None:
    with pytest.raises(NotSupported, match="no 1h") as told:
        await fetching.history(ask(date(2025, 1, 1), date(2025, 12, 31), Interval.HOUR))

    assert plain.asked() == []
    # 250 sessions.
    assert "360000 bars of 1m" in str(told.value)
    assert "at most 100000" in str(told.value)
    assert "interval=1m" in str(told.value)


async def test_of_more_minutes_than_fit_those_that_are_stored_do_not_count(
    fetching: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickloom.history.fetching._MOST_BARS", 3 * 1_440)
    await fetching.history(ask(WEEK[0], date(2026, 1, 7), Interval.MINUTE))

    with pytest.raises(NotSupported, match="7200 bars of 1m"):
        await fetching.history(ask(date(2026, 2, 2), date(2026, 2, 6), Interval.HOUR))
    assert len((await fetching.history(ask(*WEEK, Interval.HOUR))).data_points) == 5 * 7


async def test_where_nobody_has_shorter_bars_either_the_first_refusal_is_told(
    fetching: Histories, plain: Plain
) -> None:
    plain.intervals = (Interval.DAY,)

    with pytest.raises(NotSupported, match="no 15m"):
        await fetching.history(ask(*WEEK, Interval.MINUTES_15))


async def test_days_of_two_providers_are_asked_of_one_for_a_week(
    fetching: Histories, plain: Plain
) -> None:
    await fetching.history(ask(WEEK[0], date(2026, 1, 7)))
    plain.vendor.fields = {"provider": "other"}
    made = await fetching.history(ask(WEEK[0], date(2026, 1, 11), Interval.WEEK))

    assert [one.provider for one in made.sources] == ["other"]
    assert plain.asked()[-1] == ("1d", WEEK[0], date(2026, 1, 11))


async def test_hours_of_each_day_are_of_the_provider_that_has_its_minutes(
    fetching: Histories, plain: Plain
) -> None:
    await fetching.history(ask(date(2026, 1, 8), WEEK[1], Interval.MINUTE))
    plain.vendor.fields = {"provider": "other"}
    first = await fetching.history(ask(*WEEK, Interval.HOUR))
    plain.vendor.failure = ProviderUnavailable("unplugged")
    again = await fetching.history(ask(*WEEK, Interval.HOUR))

    assert [one.provider for one in first.sources] == ["other", "scripted"]
    assert plain.asked()[1:] == [("1m", WEEK[0], date(2026, 1, 7))]
    assert len(first.data_points) == 5 * 7
    assert encoded(again) == encoded(first)


async def test_stored_minutes_are_adjusted_though_they_are_too_many_to_ask_for(
    fetching: Histories, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickloom.history.fetching._MOST_BARS", 3 * 1_440)
    await fetching.history(ask(*WEEK, Interval.MINUTE))
    made = await fetching.history(ask(*WEEK, Interval.HOUR, SPLITS))

    assert closes(made) == ["2.625"] * 14 + ["10.5"] * 21
    assert plain.asked()[1:] == [("1d", WEEK[0], TODAY)]
