"""The host's own adjustment of recorded days, against the factors that Lean recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from historyroom import opened
from tickloom.clock import FakeClock
from tickloom.history import Histories
from tickloom.model import Dividend, HistoricalData, Interval, PriceAdjustment, Split
from tickloom.roles import HistoryRequest
from tickloom_replay.collection import load_library
from tickloom_replay.options import ReplaySettings, find_zone
from tickloom_replay.provider import ReplayProvider

if TYPE_CHECKING:
    from databases import Database

NOW = datetime(2021, 4, 1, 1, tzinfo=UTC)
BEGIN, END = date(2014, 4, 1), date(2021, 3, 31)
SPLITS = (
    Split(day=date(2014, 6, 9), ratio=Decimal(7)),
    Split(day=date(2020, 8, 31), ratio=Decimal(4)),
)
# As Apple paid them, by ex-date.
DIVIDENDS = {
    "3.29": ["2014-05-08"],
    "0.47": ["2014-08-07", "2014-11-06", "2015-02-05"],
    "0.52": ["2015-05-07", "2015-08-06", "2015-11-05", "2016-02-04"],
    "0.57": ["2016-05-05", "2016-08-04", "2016-11-03", "2017-02-09"],
    "0.63": ["2017-05-11", "2017-08-10", "2017-11-10", "2018-02-09"],
    "0.73": ["2018-05-11", "2018-08-10", "2018-11-08", "2019-02-08"],
    "0.77": ["2019-05-10", "2019-08-09", "2019-11-07", "2020-02-07"],
    "0.82": ["2020-05-08", "2020-08-07"],
    "0.205": ["2020-11-06", "2021-02-05"],
}


@pytest.fixture
def replay(recorded: Path) -> ReplayProvider:
    settings = ReplaySettings(path=recorded / "replay" / "lean", timezone="America/New_York")
    library = load_library(settings.path, find_zone(settings.timezone))
    return ReplayProvider(library, settings, FakeClock(NOW))


@pytest.fixture
async def histories(database: Database, replay: ReplayProvider) -> AsyncIterator[Histories]:
    """Recorded unadjusted days are stored, with what Apple did in them."""
    clock = FakeClock(NOW)
    paid = [
        Dividend(day=date.fromisoformat(day), amount=Decimal(amount), currency="USD")
        for amount, days in DIVIDENDS.items()
        for day in days
    ]

    async def ask(request: HistoryRequest) -> HistoricalData:
        assert request.adjustment is PriceAdjustment.NONE
        answer: HistoricalData = await replay.get_history(request)
        return replace(answer, currency="USD", splits=SPLITS, dividends=tuple(paid))

    async with opened(database, ask, clock, "replay") as histories:
        await histories.history(_ask(PriceAdjustment.NONE))
        yield histories


def _ask(adjustment: PriceAdjustment, interval: Interval = Interval.DAY) -> HistoryRequest:
    return HistoryRequest(
        symbol="AAPL", start=BEGIN, end=END, interval=interval, adjustment=adjustment
    )


async def test_splits_of_2014_and_2020_are_those_of_the_recorded_factors(
    histories: Histories, replay: ReplayProvider
) -> None:
    expected = (await replay.get_history(_ask(PriceAdjustment.SPLITS))).data_points

    made = (await histories.history(_ask(PriceAdjustment.SPLITS))).data_points

    assert len(made) == len(expected) > 1_700
    for one, other in zip(made, expected, strict=True):
        assert one.timestamp == other.timestamp
        # The recorded factor of 2014 has eight decimal places: 0.03571430 for a twenty-eighth.
        assert abs(one.close_price / other.close_price - 1) < Decimal("0.00001")
        assert abs(Decimal(one.volume or 0) / Decimal(other.volume or 1) - 1) < Decimal("0.00001")
    assert made[-1].close_price == Decimal("122.15")


async def test_dividends_make_the_recorded_price_factors(
    histories: Histories, replay: ReplayProvider
) -> None:
    expected = (await replay.get_history(_ask(PriceAdjustment.ALL))).data_points

    made = (await histories.history(_ask(PriceAdjustment.ALL))).data_points

    for one, other in zip(made, expected, strict=True):
        assert abs(one.close_price / other.close_price - 1) < Decimal("0.00001")


async def test_bars_that_are_split_adjusted_are_not_adjusted_again(histories: Histories) -> None:
    first = await histories.history(_ask(PriceAdjustment.SPLITS))
    again = await histories.history(_ask(PriceAdjustment.SPLITS))
    raw = await histories.history(_ask(PriceAdjustment.NONE))

    assert again.data_points == first.data_points
    by_day = {bar.timestamp.date(): bar for bar in raw.data_points}
    assert by_day[date(2014, 6, 6)].close_price == Decimal("645.57")
    assert by_day[date(2020, 8, 28)].close_price == Decimal("499.23")


async def test_months_are_adjusted_and_rolled_up(histories: Histories) -> None:
    days = (await histories.history(_ask(PriceAdjustment.SPLITS))).data_points
    months = (await histories.history(_ask(PriceAdjustment.SPLITS, Interval.MONTH))).data_points

    august = [bar for bar in days if bar.timestamp.strftime("%Y-%m") == "2020-08"]
    [made] = [bar for bar in months if bar.timestamp.strftime("%Y-%m") == "2020-08"]
    assert made.high_price == max(bar.high_price for bar in august)
    assert made.volume == sum(bar.volume or 0 for bar in august)
    assert len(months) == 84
