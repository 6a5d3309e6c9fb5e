import asyncio
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tickloom.clock import SystemClock
from tickloom.model import Quote
from tickloom_replay.collection import load_library
from tickloom_replay.options import ReplaySettings, find_zone
from tickloom_replay.provider import ReplayProvider

OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HEADER = "timestamp,open,high,low,close,volume\n"


def _prices(quotes: Iterable[Quote]) -> list[int]:
    return [int(quote.current_price) for quote in quotes]


async def test_a_recording_without_usable_rows_does_not_spin(
    tmp_path: Path, make_provider: Any
) -> None:
    (tmp_path / "A.csv").write_text("date,close\n2026-01-05,x\n")
    stream = await make_provider(tmp_path, speed=0).open_stream()
    await stream.subscribe(["A"])
    (player,) = stream._players.values()

    await asyncio.wait_for(player, 20)

    await stream.aclose()


async def test_a_file_that_goes_away_is_told_and_the_others_play(
    tmp_path: Path, play: Any, bars: Any
) -> None:
    bars("A", 5, 6)
    bars("B", 1, 2)
    provider, stream, listener = await play([], loop=False, speed=0)
    (tmp_path / "A.csv").unlink()

    await stream.subscribe(["A", "B"])

    assert _prices(await listener.reach(2)) == [1, 2]
    assert provider.bad_rows == {"A.csv": 1}
    await stream.aclose()


async def test_closing_ends_every_iteration_and_may_be_done_twice(
    play: Any, listen: Any, bars: Any
) -> None:
    bars("A", 5, 6)
    provider, stream, listener = await play(["A"])
    other = listen(stream)

    await asyncio.sleep(0)
    await stream.aclose()
    await stream.aclose()
    await provider.aclose()

    await asyncio.wait_for(asyncio.gather(listener.task, other.task), 20)


@pytest.mark.parametrize("turns", [0, 1, 5, 200])
def test_closing_leaves_no_task_and_no_thread(tmp_path: Path, turns: int, bars: Any) -> None:
    bars("A", *range(1_000, 9_000))
    options = ReplaySettings(path=tmp_path, speed=0)
    before = set(threading.enumerate())

    async def run() -> None:
        provider = ReplayProvider(load_library(tmp_path, find_zone("UTC")), options, SystemClock())
        stream = await provider.open_stream()
        await stream.subscribe(["A"])
        for _ in range(turns):
            await asyncio.sleep(0)
        await provider.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())

    assert set(threading.enumerate()) == before


async def test_a_slow_reader_loses_nothing(tmp_path: Path, make_provider: Any, bars: Any) -> None:
    bars("A", *range(1_000, 6_000))
    stream = await make_provider(tmp_path, speed=0, loop=False).open_stream()
    await stream.subscribe(["A"])
    prices: list[int] = []

    async with asyncio.timeout(20):
        while len(prices) < 5_000:
            for _ in range(50):
                await asyncio.sleep(0)
            prices.extend(_prices(await anext(stream)))

    assert prices == list(range(1_000, 6_000))
    await stream.aclose()
