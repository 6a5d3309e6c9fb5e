"""Measures whether something holds up the event loop."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

_STEP_S = 0.005


class LoopLag:
    """``async with LoopLag() as lag`` sleeps in short steps and keeps the worst delay.

    Attributes:
        worst_s: The longest time in seconds by which a step came too late.
    """

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._measure(), name="loop lag")
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What blocked last is seen only when the step that it held up has come.
        await asyncio.sleep(_STEP_S)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _measure(self) -> None:
        while True:
            before_s = time.perf_counter()
            await asyncio.sleep(_STEP_S)
            self.worst_s = max(self.worst_s, time.perf_counter() - before_s - _STEP_S)
