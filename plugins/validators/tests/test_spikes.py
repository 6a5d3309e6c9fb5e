"""Bars that leave their level and come back, and prices that stick out of their bar."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tickloom.model import Bar, HistoricalData, Interval, PriceAdjustment, Timeliness
from tickloom_validators import make_series_validators
from tickloom_validators.options import PriceOptions, ValidatorOptions

BEGIN = datetime(2024, 1, 1, 5, tzinfo=UTC)
ROWS = 120


def walk(seed: int = 1, noise: float = 0.003, interval: Interval = Interval.DAY) -> HistoricalData:
    """Return a quiet series."""
    chance = random.Random(seed)
    close, bars = 100.0, []
    for row in range(ROWS):
        opened, close = close, close * (1 + chance.gauss(0, noise))
        prices = [opened, max(opened, close) * 1.001, min(opened, close) * 0.999, close]
        opened_at, high, low, closed = (Decimal(f"{price:.4f}") for price in prices)
        bars.append(
            Bar(
                timestamp=BEGIN + row * interval.duration,
                open_price=opened_at,
                high_price=high,
                low_price=low,
                close_price=closed,
                volume=1_000,
            )
        )
    return HistoricalData(
        symbol="EXA",
        interval=interval,
        start_date=BEGIN.date(),
        end_date=bars[-1].timestamp.date(),
        provider="example",
        received_at=bars[-1].timestamp + interval.duration,
        data_points=tuple(bars),
        timeliness=Timeliness.END_OF_DAY,
        adjustment=PriceAdjustment.SPLITS,
    )


def changed(history: HistoricalData, rows: range, factor: str, *names: str) -> HistoricalData:
    """Multiply prices of some bars; by default all of each."""
    names = names or ("open_price", "high_price", "low_price", "close_price")
    bars = list(history.data_points)
    for row in rows:
        more = {name: getattr(bars[row], name) * Decimal(factor) for name in names}
        bars[row] = replace(bars[row], **more)
    return replace(history, data_points=tuple(bars))


def judge(history: HistoricalData) -> dict[int, set[str]]:
    """Return the codes of each row that draws any."""
    rows = {bar.timestamp: row for row, bar in enumerate(history.data_points)}
    found: dict[int, set[str]] = {}
    for check in make_series_validators(ValidatorOptions()):
        for finding in check.check_series(history):
            found.setdefault(rows[finding.timestamp], set()).add(finding.code)
    return found


@pytest.mark.parametrize("interval", [Interval.MINUTE, Interval.HOUR, Interval.DAY])
@pytest.mark.parametrize("factor", ["1.08", "0.92", "1.25", "0.75", "3.3", "10"])
@pytest.mark.parametrize("rows", [range(60, 61), range(60, 63)])
def test_a_few_bars_far_from_a_quiet_level_are_told(rows, factor, interval) -> None:
    told = judge(changed(walk(interval=interval), rows, factor))
    assert told == {row: {"bar-spike"} for row in rows}


def test_a_market_in_turmoil_goes_up_and_down_without_complaint() -> None:
    calm, chance = walk(), random.Random(3)
    for row in range(50, 80):
        calm = changed(calm, range(row, row + 1), f"{chance.uniform(0.94, 1.06):.4f}")
    assert judge(calm) == {}


@pytest.mark.parametrize("factor", ["1.2", "0.73", "1.08"])
def test_a_gap_that_stays_is_news(factor) -> None:
    assert judge(changed(walk(), range(60, ROWS), factor)) == {}


def test_a_price_of_before_the_session_that_nobody_traded_at_is_an_offer() -> None:
    history = changed(walk(), range(60, 61), "1.2")
    bars = [
        replace(bar, volume=0 if row % 3 == 0 else 1_000)
        for row, bar in enumerate(history.data_points)
    ]
    assert judge(replace(history, data_points=tuple(bars))) == {}
    # Where nobody says what was traded, as of currencies, every bar counts.
    untold = tuple(replace(bar, volume=None) for bar in bars)
    assert judge(replace(history, data_points=untold)) == {60: {"bar-spike"}}


@pytest.mark.parametrize("factor", ["1.35", "0.7", "5"])
def test_a_long_block_is_told_where_it_ends_with_the_step_that_it_began_with(factor) -> None:
    told = judge(changed(walk(), range(50, 80), factor))
    assert told == {row: {"bar-spike"} for row in range(50, 80)}


def test_a_rise_that_is_lost_again_after_a_month_is_no_fault() -> None:
    history = changed(walk(), range(50, ROWS), "1.35")
    assert judge(changed(history, range(80, ROWS), "0.69")) == {}


@pytest.mark.parametrize("factor", ["1.6", "0.3", "3.5"])
def test_a_far_step_of_the_newest_bar_waits_to_be_confirmed(factor) -> None:
    history = changed(walk(), range(ROWS - 2, ROWS), factor)
    assert judge(history) == {}
    newest = replace(history, data_points=history.data_points[:-1])
    assert judge(newest) == {ROWS - 2: {"bar-unconfirmed"}}


@pytest.mark.parametrize(
    ("name", "factor"), [("high_price", "1.25"), ("high_price", "1.6"), ("low_price", "0.5")]
)
def test_a_high_or_low_that_no_other_price_is_near_to_is_told(name, factor) -> None:
    assert judge(changed(walk(), range(60, 61), factor, name)) == {60: {"bar-spike"}}


def test_wide_bars_of_a_wide_market_are_no_fault() -> None:
    history = walk(noise=0.05)
    for row in range(0, ROWS, 3):
        history = changed(history, range(row, row + 1), "1.3", "high_price")
    assert judge(history) == {}


@pytest.mark.parametrize("interval", [Interval.MINUTE, Interval.DAY])
def test_a_bar_that_begins_in_the_future_is_told(interval) -> None:
    history = walk(interval=interval)
    early = replace(history, received_at=history.data_points[-15].timestamp)
    told = judge(early)
    assert set(told) <= set(range(ROWS - 14, ROWS))
    assert told[ROWS - 1] == {"bar-future"}


def test_a_second_bar_of_a_day_is_told() -> None:
    history = walk()
    again = replace(
        history.data_points[60], timestamp=history.data_points[60].timestamp + timedelta(hours=1)
    )
    bars = (*history.data_points[:61], again, *history.data_points[61:])
    assert judge(replace(history, data_points=bars)) == {61: {"bar-duplicate"}}


def test_bars_of_what_may_cost_less_than_nothing_are_judged_by_their_range_alone() -> None:
    history = replace(changed(walk(), range(60, 61), "-0.3"), symbol="CL=F")
    options = ValidatorOptions(price=PriceOptions(may_be_negative=("CL=*",)))
    [shape, *_] = make_series_validators(options)
    low = history.data_points[60].high_price
    swapped = replace(
        history.data_points[60], low_price=low, high_price=history.data_points[60].low_price
    )
    right = (*history.data_points[:60], swapped, *history.data_points[61:])

    assert [one.code for one in shape.check_series(history)] == ["bar-range"]
    assert shape.check_series(replace(history, data_points=right)) == []
    [strict, *_] = make_series_validators(ValidatorOptions())
    assert [one.code for one in strict.check_series(history)] == ["bar-zero"]


@given(st.integers(0, 2**32), st.sampled_from([0.0005, 0.003, 0.02, 0.06]))
def test_a_walk_without_faults_draws_no_complaint_of_spikes(seed, noise) -> None:
    assert sum("bar-spike" in codes for codes in judge(walk(seed, noise)).values()) == 0
