"""How many rows came and how many are done with, and waits with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from tickloom.clock import Clock


class Progress:
    """Counts rows in their order, so that one can wait until all that came so far are settled.

    Attributes:
        accepted: Rows that came.
        settled: Rows that are written or rejected.
        urgent: So many rows shall not wait for a full batch.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.settled = 0
        self.urgent = 0
        self._more = asyncio.Condition()

    @property
    def is_urgent(self) -> bool:
        """True while some of the urgent rows are not settled."""
        return self.settled < self.urgent

    async def settle(self, rows: int) -> None:
        """Count rows as settled and wake those who wait for them."""
        async with self._more:
            self.settled += rows
            self._more.notify_all()

    async def reach(self, target: int) -> None:
        """Wait until ``target`` rows are settled."""
        async with self._more:
            await self._more.wait_for(lambda: self.settled >= target)


async def within(clock: Clock, limit_s: float, work: Coroutine[Any, Any, Any]) -> None:
    """Wait for ``work``, which is cancelled after ``limit_s`` seconds of ``clock``."""
    # asyncio's own time limits know only the machine's clock.
    tasks = [asyncio.create_task(work), asyncio.create_task(clock.sleep(limit_s))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
