"""File work in threads, so that the event loop never waits for a disk, and none is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from itertools import islice
from threading import Event as Flag
from typing import TypeVar

from tickloom_replay.event import Event
from tickloom_replay.timeline import Moment, group_moments

T = TypeVar("T")

_CHUNK_MOMENTS = 256
# A reader looks at its flag on every line; only a disk that hangs takes longer.
_STOP_TIMEOUT_S = 5.0


async def run_in_thread(work: Callable[[Flag], T]) -> T:
    """Return what ``work`` returns; when cancelled, its flag is set and its end is awaited."""
    halt = Flag()
    job = asyncio.create_task(asyncio.to_thread(work, halt))
    try:
        await asyncio.wait({job})
    finally:
        await _end(job, halt)
    return job.result()


async def read_ahead(
    open_events: Callable[[Flag], Generator[Event, None, None]],
) -> AsyncGenerator[list[Moment], None]:
    """Yield the moments of the events in chunks, reading one chunk ahead in a thread."""
    halt = Flag()
    events = open_events(halt)
    moments = group_moments(events)
    job = _take(moments)
    try:
        while True:
            await asyncio.wait({job})
            chunk = job.result()
            if not chunk:
                return
            job = _take(moments)
            yield chunk
    finally:
        await _end(job, halt)
        # A reader that still runs cannot be closed from here; its flag ends it.
        if job.done():
            events.close()


def _take(moments: Iterator[Moment]) -> asyncio.Task[list[Moment]]:
    return asyncio.create_task(asyncio.to_thread(lambda: list(islice(moments, _CHUNK_MOMENTS))))


async def _end(job: asyncio.Task[T], halt: Flag) -> None:
    halt.set()
    if not job.done():
        await asyncio.wait({job}, timeout=_STOP_TIMEOUT_S)
    if job.done() and not job.cancelled():
        job.exception()
