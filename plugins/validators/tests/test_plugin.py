"""The hook, the contract, and what holds for any quotes at all."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tickloom_validators as plugin
from tickloom.clock import FakeClock
from tickloom.model import MarketState, Quality, Quote
from tickloom.roles import PluginSettings
from tickloom.testing import ValidatorContract
from tickloom_validators import make_validators
from tickloom_validators.options import LevelOptions, ValidatorOptions

CLOCK = FakeClock()
NAMES = [
    "price",
    "session",
    "spread",
    "unit",
    "split",
    "spike",
    "volume",
    "time",
    "order",
    "duplicate",
]


def made(price, ago_s=0, **more):
    at = CLOCK.now() - timedelta(seconds=ago_s)
    fields = {"timestamp": at, "received_at": at, "is_real_time": True} | more
    fields = {"symbol": "EXA.ONE", "provider": "example"} | fields
    return Quote(current_price=Decimal(price), **fields)


def one(name):
    [check] = [check for check in make_validators(ValidatorOptions(), CLOCK) if check.name == name]
    return check


BEFORE = made("100", ago_s=5, volume=500)
DESERVING = {
    "price": (made("-1"), BEFORE),
    "session": (made("100", low_price=Decimal(101), high_price=Decimal(102)), BEFORE),
    "spread": (made("100", bid=Decimal(101), ask=Decimal(100)), BEFORE),
    "unit": (made("10000"), BEFORE),
    "split": (made("25"), BEFORE),
    "spike": (made("170"), BEFORE),
    "volume": (made("110", volume=500), BEFORE),
    "time": (made("100", ago_s=-60), BEFORE),
    "order": (made("100", ago_s=9), BEFORE),
    "duplicate": (BEFORE, BEFORE),
}


class _Contract(ValidatorContract):
    clock = CLOCK
    check: str

    def make(self):
        return one(self.check)


def _contract(name):
    return type(
        f"Test{name.capitalize()}",
        (_Contract,),
        {"check": name, "bad": (DESERVING[name],), "__module__": __name__},
    )


globals().update({f"Test{name.capitalize()}": _contract(name) for name in NAMES})


def load(**tables):
    settings = PluginSettings(
        "validators", CLOCK, lambda kind: msgspec.convert(tables, kind, strict=True)
    )
    return plugin.tickloom_validators(settings)


def test_all_checks_run_unless_told_otherwise_and_the_one_that_keeps_back_is_first() -> None:
    assert [check.name for check in load()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_check_can_be_switched_off(name) -> None:
    assert [check.name for check in load(**{name: {"enabled": False}})] == [
        other for other in NAMES if other != name
    ]


def test_a_misspelt_key_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="treshold"):
        load(spread={"treshold": 1})


PRICES = st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.sampled_from(
    [Decimal(0), Decimal("1E-30"), Decimal("1E+30"), Decimal(100), Decimal(10_000)]
)
TIMES = st.datetimes(timezones=st.just(CLOCK.now().tzinfo))
OTHERS = st.none() | PRICES
COUNTS = st.none() | st.integers(-5, 10**12)
QUOTES = st.builds(
    Quote,
    symbol=st.sampled_from(["A", "B", "C", "D", "E"]),
    provider=st.sampled_from(["one", "two"]),
    timestamp=TIMES | st.just(CLOCK.now()),
    received_at=TIMES | st.just(CLOCK.now()),
    is_real_time=st.booleans(),
    current_price=PRICES,
    open_price=OTHERS,
    high_price=OTHERS,
    low_price=OTHERS,
    bid=OTHERS,
    ask=OTHERS,
    volume=COUNTS,
    currency=st.sampled_from([None, "GBP", "GBp", "USD"]),
    market_state=st.none() | st.sampled_from(MarketState),
)


@settings(deadline=None)
@given(st.lists(QUOTES, max_size=40))
def test_any_quotes_are_judged_with_bounded_memory(quotes) -> None:
    options = ValidatorOptions(level=LevelOptions(window=5, symbols=3))
    checks = make_validators(options, CLOCK)
    last: dict[str, Quote] = {}
    for quote in quotes:
        verdicts = [check.check(quote, last.get(quote.symbol)) for check in checks]
        assert verdicts == [check.check(quote, last.get(quote.symbol)) for check in checks]
        if not any(v and v.quality is Quality.QUARANTINED for v in verdicts):
            last[quote.symbol] = quote
    book = next(check for check in checks if check.name == "spike")._book
    assert len(book) <= 3
    assert all(len(track.window) <= 5 for track in book._tracks.values())
    assert all(
        len(track.waiting) <= options.level.unit_confirmations for track in book._tracks.values()
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_a_clean_walk_with_steps_of_one_percent_is_never_kept_back_and_rarely_flagged(seed) -> None:
    noise = random.Random(seed)
    checks = make_validators(ValidatorOptions(), CLOCK)
    price, previous, flagged = 100.0, None, 0
    for step in range(1_000):
        price *= 1 + noise.gauss(0, 0.01)
        quote = made(f"{price:.4f}", ago_s=2_000 - step, volume=step)
        verdicts = [verdict for check in checks if (verdict := check.check(quote, previous))]
        assert all(verdict.quality is Quality.FLAGGED for verdict in verdicts)
        flagged += bool(verdicts)
        previous = quote
    assert flagged <= 20
