"""Answers that are computed from what is stored."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from barsamples import answer, bar
from historyroom import TODAY, Vendor, ask, encoded, opened
from tickloom.clock import FakeClock
from tickloom.errors import NoData, NotSupported, ProviderUnavailable, UnknownSymbol
from tickloom.history import Histories
from tickloom.model import Dividend, HistoricalData, Interval, PriceAdjustment, Split, begin_of
from tickloom.roles import HistoryRequest

if TYPE_CHECKING:
    from databases import Database

YESTERDAY = TODAY - timedelta(days=1)
UNPLUGGED = ProviderUnavailable("unplugged")


@pytest.mark.parametrize(
    ("interval", "count"),
    [
        (Interval.MINUTES_2, 195),
        (Interval.MINUTES_5, 78),
        (Interval.MINUTES_15, 26),
        (Interval.MINUTES_30, 13),
        (Interval.HOUR, 7),
    ],
)
async def test_longer_bars_are_rolled_up_from_stored_minutes(
    histories: Histories, vendor: Vendor, interval: Interval, count: int
) -> None:
    days = date(2026, 1, 5), date(2026, 1, 6)
    minutes = await histories.history(ask(*days, Interval.MINUTE))
    vendor.failure = UNPLUGGED

    made = await histories.history(ask(*days, interval))
    again = await histories.history(ask(*days, interval))

    assert len(made.data_points) == 2 * count
    assert made.data_points[0].timestamp == minutes.data_points[0].timestamp
    assert sum(one.volume or 0 for one in made.data_points) == 2 * 390 * 100
    assert [one.derived_from for one in made.sources] == [Interval.MINUTE]
    assert encoded(again) == encoded(made)
    assert histories.stats()["rolled_up"] == 2


@pytest.mark.parametrize(("interval", "count"), [(Interval.WEEK, 12), (Interval.MONTH, 3)])
async def test_weeks_and_months_are_rolled_up_from_stored_days_and_today_alone_is_asked_for(
    histories: Histories, vendor: Vendor, interval: Interval, count: int
) -> None:
    await histories.history(ask(date(2026, 9, 1), date(2026, 11, 23)))
    vendor.price = "11"

    made = await histories.history(ask(date(2026, 9, 1), TODAY, interval))

    assert [(one.interval, one.start, one.end) for one in vendor.requests[1:]] == [
        (Interval.DAY, TODAY, TODAY)
    ]
    assert len(made.data_points) == count
    newest = made.data_points[-1]
    assert (newest.open_price, newest.close_price) == (Decimal("10.5"), Decimal(11))


async def test_days_are_not_made_of_minutes(histories: Histories, vendor: Vendor) -> None:
    days = date(2026, 1, 5), date(2026, 1, 6)
    await histories.history(ask(*days, Interval.MINUTE))
    await histories.history(ask(*days))

    assert [one.interval for one in vendor.requests] == [Interval.MINUTE, Interval.DAY]


async def test_minutes_that_are_not_stored_for_all_days_are_not_rolled_up(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 6), date(2026, 1, 9), Interval.MINUTE))
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9), Interval.HOUR))

    assert [one.interval for one in vendor.requests] == [Interval.MINUTE, Interval.HOUR]


async def test_bars_of_two_providers_are_not_rolled_up_into_one(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 7)))
    vendor.fields = {"provider": "other"}
    await histories.history(ask(date(2026, 1, 8), date(2026, 1, 11)))

    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 11), Interval.WEEK))
    assert vendor.requests[-1].interval is Interval.WEEK


class Apple:
    """Daily bars around a dividend and the split of August 2020, unadjusted as they were.

    Closes, the dividend of 0.82 on August 7 and four for one on August 31 are Apple's; of yesterday
    and today there is one bar each.
    """

    CLOSES = (
        (date(2020, 8, 3), "435.75"),
        *((date(2020, 8, 5), "440.25"), (date(2020, 8, 6), "455.61")),
        *((date(2020, 8, 7), "444.45"), (date(2020, 8, 28), "499.23")),
        *((date(2020, 8, 31), "129.04"), (YESTERDAY, "269"), (TODAY, "270")),
    )

    def __init__(self) -> None:
        self.splits = [Split(day=date(2020, 8, 31), ratio=Decimal(4))]
        self.dividends = [Dividend(day=date(2020, 8, 7), amount=Decimal("0.82"), currency="USD")]
        self.requests: list[HistoryRequest] = []
        self.failure: Exception | None = None
        self.fields: dict[str, Any] = {}

    async def __call__(self, request: HistoryRequest) -> HistoricalData:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure

        def inside(day: date) -> bool:
            return request.start <= day <= request.end

        bars = [
            bar(begin_of("AAPL", day), close)
            for day, close in self.CLOSES
            if inside(day) and request.adjustment is PriceAdjustment.NONE
        ]
        if not bars and request.adjustment is PriceAdjustment.NONE:
            raise NoData("there is none")
        values = {
            "start_date": request.start,
            "end_date": request.end,
            "interval": request.interval,
            "adjustment": request.adjustment,
            "splits": tuple(one for one in self.splits if inside(one.day)),
            "dividends": tuple(one for one in self.dividends if inside(one.day)),
        }
        return answer(bars, **(values | self.fields))


SUMMER = date(2020, 8, 5), date(2020, 8, 31)


@pytest.fixture
def apple() -> Apple:
    return Apple()


@pytest.fixture
async def stored(database: Database, apple: Apple, noon: FakeClock) -> Any:
    """Unadjusted days from August 2020 until yesterday are stored."""
    async with opened(database, apple, noon, "scripted") as histories:
        await histories.history(ask(SUMMER[0], YESTERDAY))
        apple.requests.clear()
        yield histories


def closes(history: HistoricalData) -> list[str]:
    return [str(one.close_price) for one in history.data_points]


async def test_prices_are_adjusted_for_splits_from_what_is_stored(
    stored: Histories, apple: Apple
) -> None:
    made = await stored.history(ask(*SUMMER, adjustment=PriceAdjustment.SPLITS))

    assert closes(made) == ["110.0625", "113.9025", "111.1125", "124.8075", "129.04"]
    assert [one.volume for one in made.data_points] == [400] * 4 + [100]
    assert made.adjustment is PriceAdjustment.SPLITS
    # For what happened today, and nothing else.
    [asked] = apple.requests
    assert (asked.start, asked.end) == (TODAY, TODAY)
    assert asked.adjustment is PriceAdjustment.NONE
    assert [(one.day, str(one.amount)) for one in made.dividends] == [(date(2020, 8, 7), "0.205")]


async def test_prices_are_adjusted_for_dividends_too(stored: Histories) -> None:
    made = await stored.history(ask(*SUMMER, adjustment=PriceAdjustment.ALL))

    # 1 - 0.82 / 455.61 for the days before the seventh.
    assert closes(made) == ["109.864411", "113.6975", "111.1125", "124.8075", "129.04"]


async def test_adjusted_prices_come_again_with_all_providers_away(
    stored: Histories, apple: Apple
) -> None:
    request = ask(*SUMMER, adjustment=PriceAdjustment.ALL)
    first = await stored.history(request)
    apple.failure = UNPLUGGED

    assert encoded(await stored.history(request)) == encoded(first)
    assert stored.stats()["adjusted"] == 2


async def test_they_do_so_after_a_restart(
    stored: Histories, apple: Apple, noon: FakeClock, database: Database
) -> None:
    request = ask(*SUMMER, adjustment=PriceAdjustment.SPLITS)
    first = await stored.history(request)
    apple.failure = UNPLUGGED

    async with opened(database, apple, noon, "scripted") as restarted:
        assert encoded(await restarted.history(request)) == encoded(first)


async def test_a_split_of_today_changes_the_past(stored: Histories, apple: Apple) -> None:
    apple.splits.append(Split(day=TODAY, ratio=Decimal(2)))

    made = await stored.history(ask(*SUMMER, adjustment=PriceAdjustment.SPLITS))
    assert closes(made)[-1] == "64.52"


async def test_what_is_known_of_today_is_asked_for_once_in_a_quarter_of_an_hour(
    stored: Histories, apple: Apple, noon: FakeClock
) -> None:
    request = ask(*SUMMER, adjustment=PriceAdjustment.SPLITS)
    for _ in range(3):
        await stored.history(request)
    assert len(apple.requests) == 1

    await noon.advance(901)
    await stored.history(request)
    assert len(apple.requests) == 2


async def test_weeks_are_adjusted_before_they_are_rolled_up(stored: Histories) -> None:
    week = ask(date(2020, 8, 3), date(2020, 8, 9), Interval.WEEK, adjustment=PriceAdjustment.SPLITS)
    # Two days of that week were not asked for.
    await stored.history(ask(date(2020, 8, 3), date(2020, 8, 7)))

    [made] = (await stored.history(week)).data_points
    assert (str(made.high_price), str(made.close_price)) == ("113.9025", "111.1125")
    assert made.volume == 1_600


async def test_adjusted_questions_do_not_spoil_the_dividends_that_were_paid(
    database: Database, apple: Apple, noon: FakeClock
) -> None:
    async with opened(database, apple, noon, "scripted") as histories:
        raw = ask(SUMMER[0], YESTERDAY)
        first = await histories.history(raw)
        apple.dividends = [Dividend(day=date(2020, 8, 7), amount=Decimal("0.205"), currency="USD")]
        adjusted = answer([], adjustment=PriceAdjustment.SPLITS, dividends=tuple(apple.dividends))
        await histories._store.put(adjusted)

        assert (await histories.history(raw)).dividends == first.dividends


@pytest.mark.parametrize("lack", ["a provider that tells", "the days until yesterday"])
async def test_without_the_events_a_provider_is_asked_for_adjusted_prices(
    database: Database, apple: Apple, noon: FakeClock, lack: str
) -> None:
    tellers = [] if lack == "a provider that tells" else ["scripted"]
    until = SUMMER[1] if lack == "the days until yesterday" else YESTERDAY
    async with opened(database, apple, noon, *tellers) as histories:
        await histories.history(ask(SUMMER[0], until))
        await histories.history(ask(*SUMMER, adjustment=PriceAdjustment.SPLITS))

    assert apple.requests[-1].adjustment is PriceAdjustment.SPLITS


async def test_a_dividend_that_cannot_be_leaves_the_adjustment_to_the_provider(
    stored: Histories, apple: Apple
) -> None:
    absurd = Dividend(day=TODAY, amount=Decimal(500), currency="USD")
    apple.dividends.append(absurd)
    await stored.history(ask(*SUMMER, adjustment=PriceAdjustment.ALL))

    assert apple.requests[-1].adjustment is PriceAdjustment.ALL


@pytest.mark.parametrize("adjustment", [PriceAdjustment.SPLITS, PriceAdjustment.ALL])
async def test_adjusted_prices_come_though_the_plugin_of_their_provider_is_gone(
    database: Database, apple: Apple, noon: FakeClock, adjustment: PriceAdjustment
) -> None:
    async with opened(database, apple, noon, "scripted") as histories:
        await histories.history(ask(SUMMER[0], TODAY))
        known = await histories.history(ask(*SUMMER, adjustment=adjustment))
    await noon.advance(86_400)
    apple.requests.clear()
    apple.failure = UnknownSymbol("no provider serves AAPL")

    async with opened(database, apple, noon) as histories:
        first = await histories.history(ask(*SUMMER, adjustment=adjustment))
        second = await histories.history(ask(*SUMMER, adjustment=adjustment))

    assert first.data_points == known.data_points
    assert first.dividends == known.dividends
    assert encoded(second) == encoded(first)
    # Today was not over when it was asked for, so that a split of it may not have been known.
    assert first.incomplete_reason is not None
    assert "2026-11-24 to 2026-11-25" in first.incomplete_reason
    assert "no provider serves AAPL" in first.incomplete_reason


async def test_the_same_goes_for_weeks_and_for_days_up_to_today(
    database: Database, apple: Apple, noon: FakeClock
) -> None:
    async with opened(database, apple, noon, "scripted") as histories:
        await histories.history(ask(date(2020, 8, 3), TODAY))
    apple.failure = UnknownSymbol("no provider serves AAPL")

    async with opened(database, apple, noon) as histories:
        week = await histories.history(
            ask(date(2020, 8, 3), date(2020, 8, 9), Interval.WEEK, PriceAdjustment.SPLITS)
        )
        until_today = await histories.history(
            ask(SUMMER[1], TODAY, adjustment=PriceAdjustment.SPLITS)
        )

    assert closes(week) == ["111.1125"]
    assert closes(until_today) == ["129.04", "269"]
    assert "2026-11-24" in (until_today.incomplete_reason or "")


async def test_another_provider_that_adjusts_comes_before_what_is_stored_of_one_that_is_gone(
    database: Database, apple: Apple, noon: FakeClock
) -> None:
    async with opened(database, apple, noon, "scripted") as histories:
        await histories.history(ask(SUMMER[0], YESTERDAY))
    apple.fields = {"provider": "other", "data_points": (bar(begin_of("AAPL", SUMMER[1]), "7"),)}

    async with opened(database, apple, noon) as histories:
        made = await histories.history(ask(*SUMMER, adjustment=PriceAdjustment.SPLITS))

    assert (made.provider, closes(made)) == ("other", ["7"])
    # Nobody else is asked for the unadjusted days of today.
    assert apple.requests[-1].adjustment is PriceAdjustment.SPLITS


async def test_another_one_that_cannot_adjust_does_not_hide_what_is_stored(
    database: Database, apple: Apple, noon: FakeClock
) -> None:
    async with opened(database, apple, noon, "scripted") as histories:
        await histories.history(ask(SUMMER[0], YESTERDAY))

    async def other(request: HistoryRequest) -> HistoricalData:
        if request.adjustment is not PriceAdjustment.NONE:
            raise NotSupported("it does not adjust")
        return answer([bar(begin_of("AAPL", TODAY), "1")], provider="other")

    async with opened(database, other, noon) as histories:
        made = await histories.history(ask(*SUMMER, adjustment=PriceAdjustment.SPLITS))

    assert closes(made)[-1] == "129.04"
    assert "it does not adjust" in (made.incomplete_reason or "")


async def test_days_whose_events_nobody_took_note_of_need_the_word_of_the_plugin(
    database: Database, apple: Apple, noon: FakeClock
) -> None:
    async with opened(database, apple, noon, "scripted") as histories:
        await histories.history(ask(SUMMER[0], YESTERDAY))
    await database.execute(
        "UPDATE history_ranges SET has_actions = "
        + ("FALSE" if database.kind == "postgresql" else "0")
    )
    request = ask(*SUMMER, adjustment=PriceAdjustment.SPLITS)

    async with opened(database, apple, noon, "scripted") as histories:
        assert closes(await histories.history(request))[-1] == "129.04"
    apple.failure = UnknownSymbol("no provider serves AAPL")
    async with opened(database, apple, noon) as histories:
        with pytest.raises(UnknownSymbol):
            await histories.history(request)


async def test_after_a_week_nobody_knows_what_happened_since(
    database: Database, apple: Apple, noon: FakeClock
) -> None:
    async with opened(database, apple, noon, "scripted") as histories:
        await histories.history(ask(SUMMER[0], YESTERDAY))
    await noon.advance(8 * 86_400)
    apple.failure = UnknownSymbol("no provider serves AAPL")

    async with opened(database, apple, noon) as histories:
        with pytest.raises(UnknownSymbol):
            await histories.history(ask(*SUMMER, adjustment=PriceAdjustment.SPLITS))
