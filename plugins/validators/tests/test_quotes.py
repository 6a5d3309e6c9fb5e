"""One fault, one complaint; what is debatable goes on with a flag."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tickloom.model import MarketState, Quality
from tickloom_validators.moment import TimeValidator
from tickloom_validators.options import (
    OrderOptions,
    PriceOptions,
    SessionOptions,
    SpreadOptions,
    TimeOptions,
    VolumeOptions,
)
from tickloom_validators.order import DuplicateValidator, OrderValidator
from tickloom_validators.price import PriceValidator
from tickloom_validators.session import SessionValidator
from tickloom_validators.spread import SpreadValidator
from tickloom_validators.volume import VolumeValidator

DAYS = timedelta(days=30)


def code_of(verdict):
    return verdict and verdict.code


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("0", "not-positive"),
        ("-0.01", "not-positive"),
        ("NaN", "not-a-number"),
        ("sNaN", "not-a-number"),
        ("Infinity", "not-a-number"),
        ("1E+13", "absurd"),
        ("1E-20", "absurd"),
        ("0.00000123", None),
        ("742000", None),
    ],
)
def test_what_cannot_be_a_price_is_kept_back(quote, price, code) -> None:
    verdict = PriceValidator(PriceOptions()).check(quote(price), None)
    assert code_of(verdict) == code
    assert verdict is None or verdict.quality is Quality.QUARANTINED


def test_a_symbol_may_be_allowed_to_go_below_zero(quote) -> None:
    check = PriceValidator(PriceOptions(may_be_negative=("CL=*",))).check
    assert check(quote("-37.63", symbol="CL=F"), None) is None
    assert check(quote("-37.63", symbol="CLX"), None).code == "not-positive"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"open_price": "99", "low_price": "98", "high_price": "101"}, None),
        ({"open_price": "97", "low_price": "98", "high_price": "101"}, "session-range"),
        ({"open_price": "102", "low_price": "98", "high_price": "101"}, "session-range"),
        ({"low_price": "100.5", "high_price": "101"}, "session-range"),
        ({"low_price": "98", "high_price": "99"}, "session-range"),
        ({"low_price": "100.005", "high_price": "101"}, None),
        ({"low_price": "102", "high_price": "99"}, "session-range"),
        ({"low_price": "0", "high_price": "101"}, "zero-session"),
        ({"open_price": "0"}, "zero-session"),
        ({"low_price": "98"}, None),
        ({}, None),
    ],
)
def test_session_prices_fit_together(quote, fields, code) -> None:
    assert code_of(SessionValidator(SessionOptions()).check(quote(**fields), None)) == code


def test_after_hours_the_price_may_leave_the_range_of_the_session(quote) -> None:
    check = SessionValidator(SessionOptions()).check
    fields = {"low_price": "101", "high_price": "103"}
    assert check(quote(market_state=MarketState.POST, **fields), None) is None
    assert check(quote(market_state=MarketState.REGULAR, **fields), None).code == "session-range"


def test_prices_below_zero_have_a_range_as_well(quote) -> None:
    check = SessionValidator(SessionOptions()).check
    fields = {"open_price": "-2", "low_price": "-40", "high_price": "-1"}
    assert check(quote("-37.63", **fields), None) is None
    assert check(quote("-41", **fields), None).code == "session-range"


@pytest.mark.parametrize(
    ("bid", "ask", "code"),
    [
        ("99", "100", None),
        ("101", "100", "crossed"),
        ("100", "100", "locked"),
        ("0", "100", None),
        ("100", "0", None),
    ],
)
def test_bid_and_ask_are_the_right_way_round(quote, bid, ask, code) -> None:
    assert code_of(SpreadValidator(SpreadOptions()).check(quote(bid=bid, ask=ask), None)) == code


@pytest.mark.parametrize(
    ("bid", "ask"), [("NaN", "100"), ("Infinity", "100"), ("99", "NaN"), ("-1", "100")]
)
def test_a_side_that_can_be_none_is_told(quote, bid, ask) -> None:
    check = SpreadValidator(SpreadOptions()).check
    assert code_of(check(quote(bid=Decimal(bid), ask=Decimal(ask)), None)) == "bad-side"


def test_sides_may_be_negative_where_the_price_is(quote) -> None:
    check = SpreadValidator(SpreadOptions()).check
    assert check(quote("-37.63", bid="-37.70", ask="-37.60"), None) is None
    assert check(quote("-37.63", bid="-37.60", ask="-37.70"), None).code == "crossed"


def test_a_locked_book_may_pass(quote) -> None:
    check = SpreadValidator(SpreadOptions(flag_locked=False)).check
    assert check(quote(bid="100", ask="100"), None) is None


@pytest.mark.parametrize(
    ("price", "before", "now", "code"),
    [
        ("102", 500, 500, "no-volume"),
        ("102", 500, 0, "no-volume"),
        ("100.5", 500, 500, None),
        ("102", 500, 501, None),
        ("102", 0, 0, None),
        ("102", None, 0, None),
        ("102", 500, None, None),
        ("100", 500, -1, "negative-volume"),
    ],
)
def test_a_move_needs_volume(quote, price, before, now, code) -> None:
    check = VolumeValidator(VolumeOptions()).check
    assert code_of(check(quote(price, volume=now), quote(ago_s=5, volume=before))) == code


def test_a_price_that_comes_back_from_a_spike_needs_no_volume(quote) -> None:
    spike = replace(quote("130", ago_s=5, volume=500), quality_codes=("spike",))
    assert VolumeValidator(VolumeOptions()).check(quote(volume=500), spike) is None


def test_volumes_of_two_providers_are_not_compared(quote) -> None:
    check = VolumeValidator(VolumeOptions()).check
    assert check(quote("102", volume=5), quote(ago_s=5, volume=5, provider="other")) is None


@pytest.mark.parametrize(
    ("age_s", "fields", "code"),
    [
        (0, {}, None),
        (-4, {}, None),
        (-6, {}, "future"),
        (1_000, {"market_state": MarketState.REGULAR}, "stale"),
        (800, {"market_state": MarketState.REGULAR}, None),
        (1_000, {"market_state": MarketState.REGULAR, "is_real_time": False}, None),
        (8_000, {"market_state": MarketState.REGULAR, "is_real_time": False}, "stale"),
        (200_000, {"market_state": MarketState.CLOSED}, None),
        (900_000, {}, "stale"),
        (900_000, {"provider": "replay"}, None),
    ],
)
def test_times_are_judged_by_age_at_arrival(quote, clock, age_s, fields, code) -> None:
    made = quote(ago_s=age_s, received_at=clock.now(), **fields)
    assert code_of(TimeValidator(TimeOptions(), clock).check(made, None)) == code


def test_a_quote_that_came_after_now_is_told(quote, clock) -> None:
    verdict = TimeValidator(TimeOptions(), clock).check(quote(ago_s=-60), None)
    assert verdict.code == "future"
    assert "now is 2026-01-02T15:00:00" in verdict.reason


def test_a_quote_older_than_the_last_is_out_of_order(quote) -> None:
    check = OrderValidator(OrderOptions()).check
    assert check(quote(ago_s=2), quote(ago_s=1)).code == "out-of-order"
    assert check(quote(ago_s=1), quote(ago_s=1)) is None
    assert OrderValidator(OrderOptions(behind_s=2)).check(quote(ago_s=2), quote(ago_s=1)) is None


def test_the_same_again_is_a_duplicate_and_a_new_bid_is_not(quote) -> None:
    check = DuplicateValidator().check
    assert check(quote(volume=5), quote(volume=5)).code == "duplicate"
    assert check(quote(volume=6), quote(volume=5)) is None
    assert check(quote(bid="99"), quote(bid="98")) is None
    assert check(quote(), quote(provider="other")) is None


def test_a_reason_names_the_values(quote) -> None:
    verdict = SpreadValidator(SpreadOptions()).check(quote(bid="101.5", ask="100.25"), None)
    assert verdict.reason == "bid 101.5 is above ask 100.25"
    assert Decimal("101.5") == quote(bid="101.5").bid


def test_a_verdict_has_the_numbers_of_its_reason(quote, clock) -> None:
    late = TimeValidator(TimeOptions(), clock).check(quote(timestamp=clock.now() - DAYS), None)
    assert late.values["age_s"] > late.values["limit_s"]
    before = quote(ago_s=5, volume=500)
    moved = VolumeValidator(VolumeOptions()).check(quote("102", volume=500), before)
    assert moved.values == {"price": Decimal(102), "before": Decimal(100), "volume": Decimal(500)}
    outside = SessionValidator(SessionOptions()).check(
        quote("120", low_price="90", high_price="110"), None
    )
    assert outside.values == {"price": Decimal(120), "low": Decimal(90), "high": Decimal(110)}
    old = OrderValidator(OrderOptions()).check(quote(ago_s=9), quote(ago_s=5))
    assert old.values["late_s"] == 4
