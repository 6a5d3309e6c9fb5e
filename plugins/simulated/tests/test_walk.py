from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tickloom.model import Quote
from tickloom_simulated.level import Level
from tickloom_simulated.walk import Walk

START_S = 1_767_366_000.0
SEEDS = st.integers(min_value=-(2**40), max_value=2**40)
GAPS = st.lists(st.floats(min_value=0.0001, max_value=50_000), min_size=1, max_size=60)


def walk(seed: int, gaps: list[float], symbol: str = "SIM.ACME") -> list[Quote]:
    made, at_s = Walk(symbol, seed), START_S
    quotes = []
    for gap in gaps:
        at_s += gap
        quotes.append(made.tick(at_s, datetime.fromtimestamp(at_s + 1, UTC)))
    return quotes


@given(SEEDS, GAPS)
def test_every_quote_is_sound_whatever_the_seed_and_the_times(seed: int, gaps: list[float]) -> None:
    for quote in walk(seed, gaps):
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.low_price is not None
        assert quote.high_price is not None
        assert quote.open_price is not None
        assert 0 < quote.bid < quote.ask
        assert quote.bid <= quote.current_price <= quote.ask
        assert quote.low_price <= quote.current_price <= quote.high_price
        assert quote.low_price <= quote.open_price <= quote.high_price
        assert quote.current_price.as_tuple().exponent == -2
        assert quote.price_change == quote.current_price - quote.previous_close  # type: ignore[operator]
        exact = 100 * quote.price_change / quote.previous_close  # type: ignore[operator]
        assert abs(quote.price_change_percent - exact) <= Decimal("0.005")  # type: ignore[operator]
        assert min(quote.bid_size, quote.ask_size, quote.last_size) > 0  # type: ignore[type-var]
        assert quote.timestamp <= quote.received_at
        assert quote.is_real_time is False


@given(SEEDS, GAPS)
def test_volume_grows_by_each_trade_and_begins_anew_with_the_day(
    seed: int, gaps: list[float]
) -> None:
    before: Quote | None = None
    for quote in walk(seed, gaps):
        same_day = before is not None and before.timestamp.date() == quote.timestamp.date()
        start = before.volume if before is not None and same_day else 0
        assert quote.volume == start + quote.last_size  # type: ignore[operator]
        before = quote


@given(SEEDS, GAPS)
def test_the_same_seed_and_symbol_give_the_same_ticks(seed: int, gaps: list[float]) -> None:
    assert walk(seed, gaps) == walk(seed, gaps)


def test_another_seed_or_symbol_gives_another_market() -> None:
    gaps = [0.5] * 50
    prices = [
        [quote.current_price for quote in quotes]
        for quotes in (walk(1, gaps), walk(2, gaps), walk(1, gaps, "SIM.GLOBEX"))
    ]

    assert prices[0] != prices[1]
    assert prices[0] != prices[2]


def test_the_live_price_stays_near_the_fair_price() -> None:
    level = Level("SIM.ACME", 7)
    for quote in walk(7, [0.5] * 5_000):
        fair = level.cents(quote.timestamp.timestamp()) / 100
        assert abs(float(quote.current_price) / fair - 1) < 0.005


@given(SEEDS, st.floats(min_value=0, max_value=4e9))
def test_the_fair_price_is_positive_and_moves_little_in_a_second(seed: int, at_s: float) -> None:
    level = Level("SIM.ACME", seed)
    now, soon = level.cents(at_s), level.cents(at_s + 1)

    assert now > 100
    assert abs(soon / now - 1) < 0.001


@given(SEEDS, st.integers(0, 50), st.integers(0, 10**9))
def test_noise_lies_within_its_bounds(seed: int, kind: int, index: int) -> None:
    assert -1 <= Level("SIM.ACME", seed).noise(kind, index) < 1


def test_prices_vary_like_a_market_and_not_like_a_line() -> None:
    changes = [
        float(after.current_price - before.current_price)
        for before, after in zip(walk(7, [0.5] * 2_000), walk(7, [0.5] * 2_000)[1:], strict=False)
    ]
    ups = sum(change > 0 for change in changes)
    downs = sum(change < 0 for change in changes)

    assert ups > 400
    assert downs > 400
    assert 0.5 < ups / downs < 2
