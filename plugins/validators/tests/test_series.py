"""Each fault of a series is told at its bars, and a clean series draws no complaint."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tickloom.clock import FakeClock
from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quality,
    Split,
    Timeliness,
)
from tickloom.roles import PluginSettings, SeriesValidator
from tickloom.testing import SeriesValidatorContract
from tickloom_validators import make_series_validators, tickloom_series_validators
from tickloom_validators.options import ValidatorOptions

BEGIN = datetime(2024, 1, 1, 5, tzinfo=UTC)
PAID = (40, 130)


def day_of(row: int) -> date:
    return (BEGIN + timedelta(days=row)).date()


def series(
    seed=1,
    rows=200,
    noise=0.01,
    paid=Decimal("1.50"),
    at=PAID,
    volume=1_000,
    start=100.0,
    **more,
):
    """Return a clean walk with dividends that show in price and adjusted close."""
    chance = random.Random(seed)
    close, bars, dividends = start, [], []
    for row in range(rows):
        before = close
        if row in at:
            dividends.append(Dividend(day=day_of(row), amount=paid))
            before -= float(paid)
        close = before * (1 + chance.gauss(0, noise))
        opened = before * (1 + chance.gauss(0, noise / 3))
        low, high = min(opened, close) * 0.998, max(opened, close) * 1.002
        prices = [Decimal(f"{price:.4f}") for price in (opened, high, low, close)]
        bars.append(
            Bar(
                timestamp=BEGIN + timedelta(days=row),
                open_price=prices[0],
                high_price=prices[1],
                low_price=prices[2],
                close_price=prices[3],
                volume=volume,
            )
        )
    share = Decimal(1)
    for row in range(rows - 1, -1, -1):
        bars[row] = replace(bars[row], adjusted_close=bars[row].close_price * share)
        if row in at and row:
            share *= 1 - paid / bars[row - 1].close_price
    return HistoricalData(
        symbol="EXA",
        interval=Interval.DAY,
        start_date=day_of(0),
        end_date=day_of(rows - 1),
        provider="example",
        received_at=BEGIN + timedelta(days=rows),
        data_points=tuple(bars),
        timeliness=Timeliness.END_OF_DAY,
        adjustment=PriceAdjustment.SPLITS,
        dividends=tuple(dividends),
        **more,
    )


def times(bar: Bar, factor: str) -> Bar:
    by = Decimal(factor)
    return replace(
        bar,
        open_price=bar.open_price * by,
        high_price=bar.high_price * by,
        low_price=bar.low_price * by,
        close_price=bar.close_price * by,
        adjusted_close=bar.adjusted_close * by,
    )


def scaled(history: HistoricalData, rows: range, factor: str) -> HistoricalData:
    bars = [
        times(bar, factor) if row in rows else bar for row, bar in enumerate(history.data_points)
    ]
    return replace(history, data_points=tuple(bars))


def changed(history: HistoricalData, row: int, **fields) -> HistoricalData:
    bars = list(history.data_points)
    bars[row] = replace(bars[row], **fields)
    return replace(history, data_points=tuple(bars))


def adjusted(history: HistoricalData, rows: range, factor: Decimal) -> HistoricalData:
    for row in rows:
        close = history.data_points[row].adjusted_close
        history = changed(history, row, adjusted_close=close * factor)
    return history


def judge(history: HistoricalData) -> dict[int, set[str]]:
    """Return the codes of each row that draws any."""
    found: dict[int, set[str]] = {}
    for check in make_series_validators(ValidatorOptions()):
        for finding in check.check_series(history):
            row = round((finding.timestamp - BEGIN) / timedelta(days=1))
            found.setdefault(row, set()).add(finding.code)
    return found


def only(code: str, *rows: int) -> dict[int, set[str]]:
    return {row: {code} for row in rows}


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_series_draws_no_complaint(seed) -> None:
    assert judge(series(seed)) == {}


def test_few_bars_or_none_draw_no_complaint() -> None:
    for rows in (0, 1, 2):
        assert judge(replace(series(), data_points=series().data_points[:rows])) == {}


@pytest.mark.parametrize("factor", ["100", "0.01"])
@pytest.mark.parametrize("rows", [range(60, 61), range(60, 90), range(180, 200), range(5)])
def test_bars_in_another_unit_are_told_each(factor, rows) -> None:
    assert judge(scaled(series(), rows, factor)) == only("bar-unit", *rows)


def test_the_level_that_is_traded_is_right_even_where_it_is_shorter() -> None:
    history = scaled(series(rows=30, at=()), range(20), "0.01")
    for row in range(20):
        history = changed(history, row, volume=0)
    assert judge(history) == only("bar-unit", *range(20))


def test_pence_are_right_where_nothing_else_decides() -> None:
    history = scaled(series(rows=30, at=(), volume=None), range(20), "0.01")
    assert judge(replace(history, currency="GBp")) == only("bar-unit", *range(20))
    assert judge(replace(history, currency="GBP")) == only("bar-unit", *range(20, 30))


@pytest.mark.parametrize("name", ["open_price", "low_price", "close_price"])
def test_a_single_price_in_another_unit_is_told(name) -> None:
    history = series()
    price = getattr(history.data_points[60], name) / 100
    assert set(judge(changed(history, 60, **{name: price}))) == {60}


@pytest.mark.parametrize("ratio", ["2", "0.1", "10", "1.5", "0.76"])
@pytest.mark.parametrize("late", [-3, 0, 3])
def test_what_a_known_split_did_not_reach_is_told(ratio, late) -> None:
    history = scaled(series(at=()), range(80 + late), ratio)
    split = Split(day=day_of(80), ratio=Decimal(ratio))
    assert judge(replace(history, splits=(split,))) == only("bar-split", *range(80 + late))


def test_bars_that_a_known_split_reached_too_early_are_told() -> None:
    history = scaled(series(at=()), range(70, 72), "0.2")
    split = Split(day=day_of(75), ratio=Decimal("0.2"))
    assert judge(replace(history, splits=(split,))) == only("bar-split", 70, 71)


def test_a_split_that_all_bars_account_for_draws_no_complaint() -> None:
    assert judge(replace(series(), splits=(Split(day=day_of(75), ratio=Decimal(4)),))) == {}


def test_events_before_the_first_bar_and_after_the_last_concern_nobody() -> None:
    history = scaled(series(at=()), range(3), "4")
    splits = tuple(Split(day=day_of(row), ratio=Decimal(4)) for row in (-400, 300))
    dividends = tuple(Dividend(day=day_of(row), amount=Decimal(9)) for row in (-400, 300))
    told = judge(replace(history, splits=splits, dividends=dividends))
    assert told == only("bar-possible-split", 3)


def test_unadjusted_prices_break_at_a_split_and_should() -> None:
    split = Split(day=day_of(75), ratio=Decimal(4))
    clean = series(at=())
    raw = replace(clean, splits=(split,), adjustment=PriceAdjustment.NONE)
    bars = [
        replace(times(bar, "4"), adjusted_close=bar.adjusted_close) if row < 75 else bar
        for row, bar in enumerate(clean.data_points)
    ]
    assert judge(replace(raw, data_points=tuple(bars))) == {}
    without = tuple(replace(bar, adjusted_close=None) for bar in clean.data_points)
    assert judge(replace(raw, data_points=without)) == only("bar-split", *range(75))


def test_a_split_that_nobody_told_is_told_as_possible() -> None:
    assert judge(scaled(series(at=()), range(80), "4")) == only("bar-possible-split", 80)


def test_a_short_block_at_another_level_is_told() -> None:
    assert judge(scaled(series(at=()), range(80, 83), "1.7")) == only("bar-spike", 80, 81, 82)


def test_a_crash_is_no_fault() -> None:
    assert judge(scaled(series(at=()), range(80), "1.7")) == {}


@pytest.mark.parametrize("factor", ["100", "0.01"])
def test_a_dividend_in_another_unit_than_its_adjustment_is_told(factor) -> None:
    history = series(paid=Decimal("0.8"))
    wrong = replace(history.dividends[0], amount=history.dividends[0].amount * Decimal(factor))
    told = judge(replace(history, dividends=(wrong, history.dividends[1])))
    assert set(told) == {PAID[0]}
    assert told[PAID[0]] & {"dividend-unit", "dividend-absurd", "adjustment-alone"}


def test_a_dividend_above_the_price_is_told_with_all_that_it_makes_negative() -> None:
    history = series(paid=Decimal(150), at=(40,))
    clean = series(at=())
    bars = [
        replace(bar, adjusted_close=-bar.close_price / 2) if row < 40 else bar
        for row, bar in enumerate(clean.data_points)
    ]
    told = judge(replace(clean, data_points=tuple(bars), dividends=history.dividends))
    assert told == only("dividend-absurd", 40) | only("adjustment-negative", *range(40))


def test_a_large_dividend_that_the_price_does_not_show_is_told() -> None:
    history = series(at=())
    share = 1 - Decimal(20) / history.data_points[39].close_price
    history = adjusted(history, range(40), share)
    dividend = Dividend(day=day_of(40), amount=Decimal(20))
    assert judge(replace(history, dividends=(dividend,))) == only("dividend-large", 40)


def test_a_large_dividend_a_day_early_is_told_at_both_days() -> None:
    history = series(paid=Decimal(15), at=(40,))
    share = 1 - Decimal(15) / history.data_points[38].close_price
    early = adjusted(history, range(39, 40), 1 / share)
    moved = replace(history.dividends[0], day=day_of(39))
    told = judge(replace(early, dividends=(moved,)))
    assert told[39] == {"dividend-large"}
    assert "dividend-day" in told[40]


def test_dividends_of_a_hundredth_of_what_the_price_falls_by_are_told() -> None:
    rows = tuple(range(20, 200, 20))
    history = series(paid=Decimal(2), at=rows, noise=0.006)
    small = tuple(replace(one, amount=one.amount / 100) for one in history.dividends)
    bars = tuple(replace(bar, adjusted_close=None) for bar in history.data_points)
    assert judge(replace(history, dividends=small, data_points=bars)) == only(
        "dividend-small", *rows
    )


@pytest.mark.parametrize(
    ("factor", "code"), [("0", "adjustment-missing"), ("2", "adjustment-twice")]
)
def test_an_adjustment_that_is_missing_or_made_twice_is_told(factor, code) -> None:
    history = series()
    before = history.data_points[PAID[0] - 1].close_price
    right = 1 - Decimal("1.50") / before
    wrong = 1 - Decimal(factor) * Decimal("1.50") / before
    assert judge(adjusted(history, range(PAID[0]), wrong / right)) == only(code, PAID[0])


def test_an_adjustment_without_a_dividend_is_told() -> None:
    assert judge(adjusted(series(), range(70), Decimal("0.97"))) == only("adjustment-alone", 70)


def test_the_second_of_two_like_dividends_is_told() -> None:
    assert judge(series(at=(40, 43))) == only("dividend-twice", 43)
    assert judge(series(at=(40, 71))) == {}


@pytest.mark.parametrize(
    ("fields", "code", "quality"),
    [
        ({"low_price": Decimal(150)}, "bar-range", Quality.FLAGGED),
        ({"high_price": Decimal(50)}, "bar-range", Quality.FLAGGED),
        ({"open_price": Decimal(0)}, "bar-zero", Quality.FLAGGED),
        ({"close_price": Decimal(0)}, "bar-zero", Quality.QUARANTINED),
        ({"close_price": Decimal(-3)}, "bar-zero", Quality.QUARANTINED),
        ({"high_price": Decimal("NaN")}, "bar-nan", Quality.QUARANTINED),
        ({"high_price": Decimal("1E+20")}, "bar-absurd", Quality.QUARANTINED),
        ({"volume": -1}, "bar-volume", Quality.FLAGGED),
    ],
)
def test_a_bar_that_cannot_be_is_told(fields, code, quality) -> None:
    [shape, *_] = make_series_validators(ValidatorOptions())
    [finding] = shape.check_series(changed(series(), 60, **fields))
    assert (finding.code, finding.quality) == (code, quality)
    assert finding.timestamp == BEGIN + timedelta(days=60)


def test_a_move_without_volume_is_told_where_volume_is_usual() -> None:
    history = scaled(series(at=()), range(80, 200), "1.1")
    assert judge(changed(history, 80, volume=0)) == only("bar-no-volume", 80)
    assert judge(scaled(series(at=(), volume=0), range(80, 200), "1.1")) == {}


def test_bars_out_of_order_and_twice_are_told() -> None:
    [shape, *_] = make_series_validators(ValidatorOptions())
    bars = list(series().data_points[:5])
    twice = replace(series(), data_points=(*bars, bars[4]))
    assert [finding.code for finding in shape.check_series(twice)] == ["bar-duplicate"]
    behind = replace(series(), data_points=(*bars[:3], bars[4], bars[3]))
    assert [finding.code for finding in shape.check_series(behind)] == ["bar-order"]


def test_a_reason_names_the_values() -> None:
    history = adjusted(series(), range(PAID[0]), Decimal(1))
    finding = make_series_validators(ValidatorOptions())[0].check_series(
        changed(history, 60, low_price=Decimal(150))
    )[0]
    assert "low is 150" in finding.reason
    assert finding.values["low"] == Decimal(150)


def test_the_hook_hands_over_what_is_switched_on() -> None:
    loaded = PluginSettings("validators", FakeClock(), lambda kind: kind())
    checks = tickloom_series_validators(loaded)
    assert [check.name for check in checks] == ["bar-shape", "bar-level", "bar-dividend"]
    assert all(isinstance(check, SeriesValidator) for check in checks)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.01, 0.03]))
def test_a_clean_walk_is_rarely_flagged(seed, noise) -> None:
    assert len(judge(series(seed, rows=1_000, noise=noise))) <= 1


DESERVING = {
    "bar-shape": changed(series(), 60, low_price=Decimal(0)),
    "bar-level": scaled(series(), range(60, 61), "100"),
    "bar-dividend": adjusted(series(), range(PAID[0]), Decimal("0.5")),
}


class _Contract(SeriesValidatorContract):
    clock = FakeClock()
    good = (series(),)
    check: str

    def make(self):
        [check] = [
            check
            for check in make_series_validators(ValidatorOptions())
            if check.name == self.check
        ]
        return check


def _contract(name):
    parts = {"check": name, "bad": (DESERVING[name],), "__module__": __name__}
    return type("Test" + name.title().replace("-", ""), (_Contract,), parts)


globals().update({contract.__name__: contract for contract in map(_contract, DESERVING)})
