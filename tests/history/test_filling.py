"""History from the store, and from providers where the store lacks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from barsamples import RECEIVED, answer, daily
from tickloom.clock import FakeClock
from tickloom.errors import NoData, ProviderUnavailable, TickloomError
from tickloom.history import Histories, may_trade
from tickloom.model import Dividend, HistoricalData, Interval, Split, encode_history
from tickloom.roles import HistoryRequest
from tickloom.store import HistoryStore, open_backend

if TYPE_CHECKING:
    from databases import Database

TODAY = date(2026, 11, 24)  # a Tuesday


class Vendor:
    """Gives a bar for each weekday, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[date, date]] = []
        self.failure: TickloomError | None = None
        self.fields: dict[str, Any] = {}
        self.price = "10.5"

    async def __call__(self, request: HistoryRequest) -> HistoricalData:
        self.asked.append((request.start, request.end))
        if self.failure is not None:
            raise self.failure
        days = (min(request.end, TODAY) - request.start).days + 1
        bars = daily(request.start, days, self.price)
        return answer(
            [bar for bar in bars if bar.timestamp.weekday() < 5],
            start_date=request.start,
            end_date=request.end,
            interval=request.interval,
            exchange="NMS",
            **self.fields,
        )


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def noon() -> FakeClock:
    return FakeClock(RECEIVED + timedelta(hours=5))


@pytest.fixture
async def histories(
    database: Database, vendor: Vendor, noon: FakeClock
) -> AsyncIterator[Histories]:
    store = HistoryStore(open_backend(database.url), noon, may_trade)
    histories = Histories(store, vendor, noon)
    yield histories
    await histories.aclose()


def ask(first: date, last: date, interval: Interval = Interval.DAY) -> HistoryRequest:
    return HistoryRequest(symbol="AAPL", start=first, end=last, interval=interval)


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

    assert b"".join(encode_history(second)) == b"".join(encode_history(first))
    assert vendor.asked == [(date(2026, 1, 1), date(2026, 1, 31))]
    stats = histories.stats()
    assert (stats["from_store"], stats["from_providers"]) == (1, 1)


async def test_only_the_days_that_are_missing_are_asked_for(
    histories: Histories, vendor: Vendor
) -> None:
    await histories.history(ask(date(2026, 1, 12), date(2026, 1, 16)))
    vendor.asked.clear()

    whole = await histories.history(ask(date(2026, 1, 5), date(2026, 1, 25)))

    # Weekends at the edges are not worth a question.
    assert vendor.asked == [
        (date(2026, 1, 5), date(2026, 1, 9)),
        (date(2026, 1, 19), date(2026, 1, 23)),
    ]
    assert [bar.timestamp.day for bar in whole.data_points] == [
        *range(5, 10),
        *range(12, 17),
        *range(19, 24),
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


@pytest.mark.parametrize("other", [{"provider": "other"}, {"currency": "GBp"}], ids=str)
async def test_bars_of_two_providers_or_units_are_never_joined(
    histories: Histories, vendor: Vendor, other: dict[str, Any]
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
    vendor.fields, vendor.price = other, "1050"

    whole = await histories.history(ask(date(2026, 1, 5), date(2026, 1, 16)))

    assert {str(bar.close_price) for bar in whole.data_points} == {"1050"}
    assert vendor.asked[-1] == (date(2026, 1, 5), date(2026, 1, 16))


@pytest.mark.parametrize("interval", [Interval.WEEK, Interval.MONTH, Interval.QUARTER])
async def test_weeks_and_longer_are_passed_on(
    histories: Histories, vendor: Vendor, interval: Interval
) -> None:
    for _ in range(2):
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9), interval))

    assert len(vendor.asked) == 2


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

    [left] = await store.missing(ask(date(2026, 2, 2), date(2026, 2, 6), Interval.MINUTE))
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


async def test_without_a_database_every_question_goes_to_a_provider(
    vendor: Vendor, noon: FakeClock
) -> None:
    histories = Histories(HistoryStore(open_backend(""), noon), vendor, noon)
    for _ in range(2):
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))

    assert len(vendor.asked) == 2
    await histories.aclose()


@pytest.mark.parametrize(
    ("symbol", "day", "expected"),
    [
        ("AAPL", date(2026, 1, 2), True),
        ("AAPL", date(2026, 1, 3), False),
        ("EURUSD=X", date(2026, 1, 4), False),
        ("BTC-USD", date(2026, 1, 4), True),
        ("TEVA.TA", date(2025, 1, 5), True),
        ("SIM.ACME", date(2026, 1, 4), True),
        ("AAPL", date(1950, 1, 7), True),
    ],
)
def test_weekends_are_known_where_there_are_some(symbol: str, day: date, expected: bool) -> None:
    assert may_trade(symbol, day) is expected
