"""How fast the simulated market makes ticks; load tests need 50,000 a second."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

walk = pytest.importorskip("tickloom_simulated.walk")
TICKS = 5_000
START_S = 1_767_366_000.0


@pytest.mark.benchmark(group="simulated: making 5000 ticks")
def test_ticks_of_one_symbol(benchmark: BenchmarkFixture) -> None:
    market = walk.Walk("SIM.ACME", 7)
    received = datetime.fromtimestamp(START_S + 100, UTC)
    at_s = [START_S]

    def make() -> None:
        start_s = at_s[0]
        for number in range(TICKS):
            market.tick(start_s + number / 1_000, received)
        at_s[0] = start_s + TICKS / 1_000

    benchmark.pedantic(make, rounds=20, warmup_rounds=2)
