"""How fast the simulated market makes ticks; load tests need 50,000 a second in all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ticker = pytest.importorskip("tickloom_simulated.ticker")
instrument = pytest.importorskip("tickloom_simulated.instrument")
TICKS = 5_000
PERIOD_NS = 50_000  # 20,000 ticks a second
START_NS = 1_767_366_000 * 1_000_000_000


@pytest.mark.benchmark(group="simulated: making 5000 ticks")
def test_ticks_of_one_symbol(benchmark: BenchmarkFixture) -> None:
    made = ticker.Ticker(instrument.Instrument(7, "SIM.ACME"), PERIOD_NS, START_NS)
    received = datetime(2026, 3, 1, tzinfo=UTC)
    reached = [made.newest(START_NS)]

    def make() -> None:
        first = reached[0]
        for number in range(first, first + TICKS):
            made.quote(number, received)
        reached[0] = first + TICKS

    benchmark.pedantic(make, rounds=20, warmup_rounds=2)
