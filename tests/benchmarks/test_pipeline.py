"""What one quote costs on the straight line with nobody subscribed."""

from __future__ import annotations

import asyncio

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from plugged import manager_of
from scripted import ScriptedProvider, make_quote

QUOTES = 1_000


@pytest.mark.benchmark(group="pipeline: accept (1000 quotes)")
def test_accepting_a_quote_that_nobody_waits_for(benchmark: BenchmarkFixture) -> None:
    async def make() -> None:
        manager = manager_of(ScriptedProvider())
        quotes = [
            make_quote(f"S{number % 100}", f"{100 + number}.25", volume=number, bid=None)
            for number in range(QUOTES)
        ]
        accept = manager.pipeline.accept

        def run() -> None:
            for quote in quotes:
                accept(quote)

        benchmark.pedantic(run, rounds=50, warmup_rounds=3)
        assert manager.pipeline.accepted >= QUOTES
        await manager.close()

    asyncio.run(make())
