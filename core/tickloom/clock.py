"""Time as a thing that is passed in: the system's clock and a fake one for tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Cancellable(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Let it never come; where it has come already nothing changes."""
        ...


class Clock(Protocol):
    """What the rest of the program knows of time."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``; zero or less only gives way to other tasks."""
        ...

    def call_later(self, seconds: float, call: Callable[[], object]) -> Cancellable:
        """Call ``call`` on the running event loop after ``seconds``, unless it is cancelled."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(max(0.0, seconds))

    def call_later(self, seconds: float, call: Callable[[], object]) -> Cancellable:
        """Call ``call`` on the running event loop after ``seconds``."""
        return asyncio.get_running_loop().call_later(max(0.0, seconds), call)


class _FakeCall:
    """A call that a fake clock makes once its time has come."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self._call = None

    def __call__(self) -> None:
        if self._call is not None:
            self._call()


class FakeClock:
    """A clock that stands still until :meth:`advance` is called.

    Args:
        start: The first answer of :meth:`now`, aware. Default 2026-01-02 15:00 UTC, a Friday on
            which New York is open.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
        self._elapsed_s = 0.0
        self._order = itertools.count()
        self._calls: list[tuple[float, int, _FakeCall]] = []

    def now(self) -> datetime:
        """Return the start plus all that was advanced."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        """Wait until :meth:`advance` has passed ``seconds``."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not awake.done():
                awake.set_result(None)

        self.call_later(seconds, wake)
        await awake

    def call_later(self, seconds: float, call: Callable[[], object]) -> Cancellable:
        """Call ``call`` once :meth:`advance` has passed ``seconds``."""
        later = _FakeCall(call)
        heapq.heappush(self._calls, (self._elapsed_s + seconds, next(self._order), later))
        return later

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers in the order of their deadlines.

        Each woken task runs until it waits again before the next one is woken, so a loop that
        sleeps 1 s runs ten times in ``advance(10)``.
        """
        end = self._elapsed_s + seconds
        await _settle()
        while self._calls and self._calls[0][0] <= end:
            self._elapsed_s, _, call = heapq.heappop(self._calls)
            call()
            await _settle()
        self._elapsed_s = end
        await _settle()


async def _settle() -> None:
    # A woken task may need several turns of the loop to reach its next wait.
    for _ in range(20):
        await asyncio.sleep(0)
