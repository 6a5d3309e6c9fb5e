from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

from tickloom.clock import FakeClock, SystemClock


async def test_the_system_clock_is_aware_and_in_utc() -> None:
    clock = SystemClock()

    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
    await clock.sleep(0)


async def test_a_fake_clock_moves_only_when_it_is_advanced() -> None:
    clock = FakeClock()
    start = clock.now()
    await clock.sleep(0)

    assert clock.now() == start

    await clock.advance(90)

    assert clock.now() - start == timedelta(seconds=90)
    assert clock.monotonic() == 90


async def test_sleepers_wake_in_order_and_a_loop_runs_as_often_as_its_interval_fits() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def tick(name: str, interval_s: float) -> None:
        while True:
            await clock.sleep(interval_s)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(tick("slow", 3)), asyncio.create_task(tick("fast", 2))]
    await clock.advance(6)
    for task in tasks:
        task.cancel()

    assert woken == [("fast", 2), ("slow", 3), ("fast", 4), ("slow", 6), ("fast", 6)]


async def test_a_cancelled_sleeper_does_no_harm() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(2)

    assert task.cancelled()
