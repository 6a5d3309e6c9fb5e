"""What bars add to the cost of a quote on the straight line."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from outlets import FakeOutlet
from plugged import manager_of
from scripted import ScriptedProvider, make_quote
from tickloom.stream import Connection, WireFormat
from tickloom.stream.bar import BAR_CHANNELS
from tickloom.stream.wanted import Wish

QUOTES, SYMBOLS = 1_000, 100


@pytest.mark.benchmark(group="bars: accept (1000 quotes of 100 symbols)")
@pytest.mark.parametrize(
    "channels", [(), ("bars.1m",), tuple(BAR_CHANNELS)], ids=["none", "one interval", "all five"]
)
def test_accepting_a_quote_of_which_bars_are_built(
    benchmark: BenchmarkFixture, channels: tuple[str, ...]
) -> None:
    async def run() -> None:
        async with manager_of(ScriptedProvider()) as manager:
            hub = manager.stream_manager.hub
            outlet = FakeOutlet()
            connection = Connection(WireFormat.JSON, 1_000_000)
            connection.use(outlet)
            hub.attach(connection)
            if channels:
                hub.subscribe(connection, "*", Wish(channels=frozenset(channels)))
            begin = datetime.now(UTC) - timedelta(minutes=1)
            numbers = itertools.count()

            def quotes_of_a_round() -> tuple[tuple[object, ...], dict[str, object]]:
                outlet.writes.clear()
                made = [
                    make_quote(
                        f"S{number % SYMBOLS}",
                        f"{100 + number % 50}.25",
                        timestamp=begin + timedelta(milliseconds=number),
                        received_at=begin,
                        volume=number,
                    )
                    for number in itertools.islice(numbers, QUOTES)
                ]
                return (made,), {}

            def accept_all(quotes: list[object]) -> None:
                for quote in quotes:
                    manager.pipeline.accept(quote)  # type: ignore[arg-type]
                hub.flush()

            benchmark.pedantic(accept_all, setup=quotes_of_a_round, rounds=30, warmup_rounds=2)
            assert manager.stream_manager.bars.told["forming"] >= SYMBOLS * len(channels)

    asyncio.run(run())
