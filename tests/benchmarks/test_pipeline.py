"""What one quote costs on the straight line with nobody subscribed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from plugged import manager_of
from scripted import ScriptedProvider, make_quote

QUOTES = 1_000


@pytest.mark.benchmark(group="pipeline: accept (1000 quotes)")
@pytest.mark.parametrize("stored", [False, True], ids=["stored nowhere", "queued for SQLite"])
def test_accepting_a_quote_that_nobody_waits_for(
    benchmark: BenchmarkFixture, tmp_path: Path, stored: bool
) -> None:
    async def run() -> None:
        url = f"sqlite:///{tmp_path / 'bench.db'}" if stored else ""
        async with manager_of(ScriptedProvider(), database={"url": url}) as manager:
            quotes = [
                make_quote(f"S{number % 100}", f"{100 + number}.25", volume=number)
                for number in range(QUOTES)
            ]
            accept = manager.pipeline.accept

            def accept_all() -> None:
                for quote in quotes:
                    accept(quote)

            benchmark.pedantic(accept_all, rounds=60, warmup_rounds=3)
            assert manager.pipeline.accepted >= QUOTES
            assert manager.get_system_stats()["storage"]["dropped"] == 0

    asyncio.run(run())
