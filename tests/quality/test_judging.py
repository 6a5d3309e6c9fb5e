"""No series of bars goes on without having been inspected."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from barsamples import answer, daily
from tickloom.errors import Unavailable
from tickloom.model import HistoricalData
from tickloom.quality import Judge, SeriesInspector
from tickloom.roles import Finding

HISTORY = answer(daily(date(2026, 1, 5), 3))
FOUND = Finding(timestamp=datetime(2026, 1, 5, 5, tzinfo=UTC), code="odd", reason="it is so")


class Gated:
    """Finds something, once it may; it tells how many ask at the same time."""

    name = "gated"

    def __init__(self, *, is_open: bool) -> None:
        self.may_go = threading.Event()
        self.is_asked = threading.Event()
        self.asked = 0
        self.inside = 0
        self.most_inside = 0
        if is_open:
            self.may_go.set()

    def check_series(self, history: HistoricalData) -> list[Finding]:
        self.asked += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.is_asked.set()
        self.may_go.wait(20)
        time.sleep(0.001)
        self.inside -= 1
        return [FOUND]


class Ready:
    name = "ready"

    def check_series(self, history: HistoricalData) -> list[Finding]:
        return [FOUND]


@pytest.fixture
async def shut() -> AsyncIterator[Gated]:
    check = Gated(is_open=False)
    yield check
    check.may_go.set()


def judge_of(*checks: Gated | Ready, **limits: float) -> Judge:
    return Judge(SeriesInspector({check.name: check for check in checks}), **limits)  # type: ignore[arg-type]


async def begun(judge: Judge, check: Gated) -> asyncio.Task[list[Finding]]:
    task = asyncio.create_task(judge.findings(HISTORY))
    await asyncio.to_thread(check.is_asked.wait, 5)
    return task


async def test_of_many_answers_at_once_every_one_is_inspected_one_at_a_time() -> None:
    check = Gated(is_open=True)
    judge = judge_of(check)
    found = await asyncio.gather(*(judge.findings(HISTORY) for _ in range(50)))
    assert found == [[FOUND]] * 50
    assert (check.asked, check.most_inside) == (50, 1)
    assert (judge.waiting, judge.refused) == (0, 0)


async def test_the_event_loop_goes_on_while_a_check_computes(shut: Gated) -> None:
    judge = judge_of(shut)
    task = await begun(judge, shut)
    # Were the loop held up, nobody would open.
    shut.may_go.set()
    assert await task == [FOUND]


async def test_an_answer_that_waited_too_long_for_its_turn_is_refused_and_counted(
    shut: Gated,
) -> None:
    judge = judge_of(shut, patience_s=0.01)
    first = await begun(judge, shut)
    with pytest.raises(Unavailable, match="cannot be checked now") as refused:
        await judge.findings(HISTORY)
    assert refused.value.retry_after_s == 5
    assert judge.stats()["refused"] == 1
    shut.may_go.set()
    assert await first == [FOUND]
    assert await judge.findings(HISTORY) == [FOUND]


async def test_where_too_many_wait_the_next_one_is_refused_at_once(shut: Gated) -> None:
    judge = judge_of(shut, most_waiting=2)
    first = await begun(judge, shut)
    others = [asyncio.create_task(judge.findings(HISTORY)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="2 other answers that wait"):
        await judge.findings(HISTORY)
    shut.may_go.set()
    assert await asyncio.gather(first, *others) == [[FOUND]] * 3


async def test_who_gives_up_in_the_queue_takes_nobodys_turn(shut: Gated) -> None:
    judge = judge_of(shut)
    first = await begun(judge, shut)
    gone, last = (asyncio.create_task(judge.findings(HISTORY)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    shut.may_go.set()
    assert await asyncio.gather(first, last) == [[FOUND]] * 2
    assert gone.cancelled()
    assert shut.asked == 2


async def test_who_gives_up_while_a_check_computes_does_not_free_the_thread(shut: Gated) -> None:
    judge = judge_of(shut)
    first = await begun(judge, shut)
    second = asyncio.create_task(judge.findings(HISTORY))
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0)
    assert shut.asked == 1
    shut.may_go.set()
    assert await second == [FOUND]
    assert shut.most_inside == 1


async def test_a_check_that_hangs_is_left_out_and_the_others_judge(shut: Gated) -> None:
    judge = judge_of(shut, Ready(), longest_s=0.05)
    assert await judge.findings(HISTORY) == [FOUND]
    assert await judge.findings(HISTORY) == [FOUND]
    assert shut.asked == 1
    stats = judge.stats()
    assert stats["left_out"] == ["gated"]
    assert stats["failed_validators"] == {"gated": 1}
    assert stats["codes"] == {"odd": 2}


async def test_what_a_check_that_hung_says_later_is_heard_by_nobody(shut: Gated) -> None:
    judge = judge_of(shut, Ready(), longest_s=0.05)
    await judge.findings(HISTORY)
    shut.may_go.set()
    while any(thread.name == "tickloom-quality" for thread in threading.enumerate()):
        await asyncio.sleep(0.01)
    assert judge.stats()["inspected_bars"] == len(HISTORY.data_points)
    assert judge.stats()["codes"] == {"odd": 1}


async def test_closing_does_not_wait_for_a_check_that_hangs(shut: Gated) -> None:
    judge = judge_of(shut)
    task = await begun(judge, shut)
    async with asyncio.timeout(1):
        await judge.aclose()
        await judge.aclose()
    with pytest.raises(asyncio.CancelledError):
        await task
