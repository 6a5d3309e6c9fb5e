"""What all checks cost a quote; ``make bench`` measures it."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from decimal import Decimal

from tickloom.clock import SystemClock
from tickloom.model import MarketState, Quote
from tickloom_validators import make_validators
from tickloom_validators.options import ValidatorOptions

SYMBOLS = 100
EACH = 200
MOST_S = 5e-6


def market() -> list[tuple[Quote, Quote | None]]:
    """Return a quiet day of many symbols, each quote with the one before."""
    noise = random.Random(5)
    now = SystemClock().now() - timedelta(hours=1)
    last: dict[str, Quote] = {}
    pairs = []
    for step in range(EACH):
        for number in range(SYMBOLS):
            symbol = f"S{number}"
            before = last.get(symbol)
            cents = int((before.current_price if before else 100 + number) * 100)
            price = Decimal(max(100, cents + noise.randint(-5, 5))) / 100
            at = now + timedelta(seconds=step, milliseconds=number)
            quote = Quote(
                symbol=symbol,
                provider="example",
                timestamp=at,
                received_at=at + timedelta(milliseconds=40),
                is_real_time=True,
                current_price=price,
                open_price=Decimal(100 + number),
                high_price=Decimal(400),
                low_price=Decimal("0.5"),
                volume=1_000 + step,
                bid=price - Decimal("0.01"),
                ask=price + Decimal("0.01"),
                currency="USD",
                market_state=MarketState.REGULAR,
            )
            pairs.append((quote, before))
            last[symbol] = quote
    return pairs


def test_all_checks_together(benchmark) -> None:
    pairs = market()
    took = []

    def judge() -> None:
        checks = [check.check for check in make_validators(ValidatorOptions(), SystemClock())]
        begin = time.process_time()
        for quote, before in pairs:
            for check in checks:
                check(quote, before)
        took.append((time.process_time() - begin) / len(pairs))

    benchmark.pedantic(judge, rounds=5, warmup_rounds=1)
    benchmark.extra_info["us_a_quote"] = round(min(took) * 1e6, 2)
    if benchmark.enabled:
        assert min(took) <= MOST_S
