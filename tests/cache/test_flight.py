from __future__ import annotations

import asyncio

import pytest

from tickloom.cache import SingleFlight


class Asked:
    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        await self.gate.wait()
        return self.count


async def test_a_thousand_callers_at_once_ask_once() -> None:
    flight: SingleFlight[int] = SingleFlight()
    asked = Asked()
    callers = [asyncio.create_task(flight.run("AAPL", asked)) for _ in range(1_000)]
    await asyncio.sleep(0)
    asked.gate.set()

    assert await asyncio.gather(*callers) == [1] * 1_000
    assert asked.count == 1
    assert flight.joined == 999


async def test_the_next_caller_after_an_answer_asks_anew() -> None:
    flight: SingleFlight[int] = SingleFlight()
    asked = Asked()
    asked.gate.set()

    assert await flight.run("AAPL", asked) == 1
    assert await flight.run("AAPL", asked) == 2


async def test_every_caller_gets_the_error_and_the_next_one_asks_anew() -> None:
    flight: SingleFlight[int] = SingleFlight()
    calls = 0

    async def fail() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        raise LookupError("no")

    results = await asyncio.gather(
        *(flight.run("AAPL", fail) for _ in range(3)), return_exceptions=True
    )

    assert [type(result) for result in results] == [LookupError] * 3
    assert calls == 1
    with pytest.raises(LookupError):
        await flight.run("AAPL", fail)
    assert calls == 2


async def test_a_cancelled_caller_leaves_the_others_their_answer() -> None:
    flight: SingleFlight[int] = SingleFlight()
    asked = Asked()
    first = asyncio.create_task(flight.run("AAPL", asked))
    second = asyncio.create_task(flight.run("AAPL", asked))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    asked.gate.set()

    assert await second == 1
    assert first.cancelled()


async def test_closing_cancels_what_runs_and_leaves_no_task() -> None:
    flight: SingleFlight[int] = SingleFlight()
    asked = Asked()
    caller = asyncio.create_task(flight.run("AAPL", asked))
    await asyncio.sleep(0)
    await flight.aclose()

    with pytest.raises(asyncio.CancelledError):
        await caller
    assert len(asyncio.all_tasks()) == 1
