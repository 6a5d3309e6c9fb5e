"""File work in threads, so that the event loop never waits for a disk, and none is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event as Flag
from typing import TypeVar

T = TypeVar("T")

# A reader looks at its flag on every megabyte; only a disk that hangs takes longer.
_STOP_TIMEOUT_S = 5.0


async def run_in_thread(work: Callable[[], T], halt: Flag) -> T:
    """Return what ``work`` returns; when cancelled, ``halt`` is set and the end is awaited."""
    job = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.wait({job})
    except asyncio.CancelledError:
        await finish(job, halt)
        raise
    return job.result()


async def finish(job: asyncio.Task[T], halt: Flag) -> None:
    """Set ``halt`` and wait for the end of ``job``, at most 5 s; what it says is left unsaid."""
    halt.set()
    if not job.done():
        await asyncio.wait({job}, timeout=_STOP_TIMEOUT_S)
    if job.done() and not job.cancelled():
        job.exception()
