"""Many callers that miss the same key at once cause one question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Shares one running question among all who ask it.

    A caller that is cancelled leaves the others untouched; the question itself goes on, bounded by
    the time limit of whoever answers it, until :meth:`aclose`.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self.joined = 0

    def is_running(self, key: Hashable) -> bool:
        """True while the question ``key`` has no answer yet."""
        return key in self._running

    async def run(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to the question ``key``, asking only where nobody has asked yet."""
        return await asyncio.shield(self.start(key, ask))

    def start(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Return the task of the question ``key``; it is known to all others from now on.

        Whoever waits for it shields it, as :meth:`run` does.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(_await(ask), name=f"ask {key}")
            self._running[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        else:
            self.joined += 1
        return task

    def _finish(self, key: Hashable, task: asyncio.Task[T]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            # Whoever still waits gets the error; where nobody does it must not be reported twice.
            task.exception()

    async def aclose(self) -> None:
        """Cancel the questions that still run."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _await(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
