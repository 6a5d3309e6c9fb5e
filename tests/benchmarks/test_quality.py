"""What a quote costs that the checks flag or keep back, and what it costs to keep it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from quality.keeping import keeping
from scripted import NOON, ScriptedProvider, make_quote

QUOTES = 1_000


@pytest.mark.benchmark(group="quality: accept (1000 quotes)")
@pytest.mark.parametrize(
    "price", ["50", "5", "200"], ids=["in order", "flagged", "kept in quarantine"]
)
def test_judging_a_quote(benchmark: BenchmarkFixture, tmp_path: Path, price: str) -> None:
    async def run() -> None:
        rounds = 20
        # Each comes once only, as another one would.
        quotes = iter(
            [
                make_quote(f"S{number % 100}", price, timestamp=NOON + timedelta(seconds=number))
                for number in range(QUOTES * (rounds + 3))
            ]
        )
        url = f"sqlite:///{tmp_path / 'bench.db'}"
        queue = {"quarantine_queue": 1_000_000}
        async with keeping(url, ScriptedProvider(), quality=queue) as manager:
            accept = manager.pipeline.accept

            def accept_all() -> None:
                for _ in range(QUOTES):
                    accept(next(quotes))

            benchmark.pedantic(accept_all, rounds=rounds, warmup_rounds=3)

    asyncio.run(run())
