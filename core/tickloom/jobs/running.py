"""One run of one job, and its record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from loguru import logger
from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import TickloomError
from tickloom.model import encode_json
from tickloom.store.job_log import JobLog

_NOTE_LIMIT_S = 2.0


class JobResult(Struct, frozen=True, kw_only=True):
    """How a run ended.

    Attributes:
        details: What was done, fit for JSON.
        failure: Why not all of it was; ``None`` = it was.
    """

    details: dict[str, Any] = {}
    failure: str | None = None


class Job(Struct, frozen=True, kw_only=True):
    """Work that is done again and again.

    Attributes:
        name: Under which it is recorded and locked.
        interval_s: Seconds from start to start.
        work: Does it once; may raise, and may be cancelled.
    """

    name: str
    interval_s: float
    work: Callable[[], Awaitable[JobResult]]


async def perform(log: JobLog, job: Job, replica: str, clock: Clock) -> JobResult:
    """Run a job that was claimed, and note how it ended.

    A failure is told and returned, not raised.

    Raises:
        TickloomError: The run cannot be recorded.
    """
    number = await log.begin(job.name, replica, clock.now())
    try:
        result = await job.work()
    except asyncio.CancelledError:
        try:
            async with asyncio.timeout(_NOTE_LIMIT_S):
                await log.finish(number, clock.now(), "stopped", "{}")
        except (TickloomError, TimeoutError) as error:
            logger.warning("that the job {} was stopped cannot be recorded: {}", job.name, error)
        raise
    except TickloomError as error:
        result = JobResult(failure=str(error))
    except Exception as error:  # noqa: BLE001 - a defect of one job must not end the others
        result = JobResult(failure=f"a bug in tickloom: {type(error).__name__}: {error}")
    if result.failure is not None:
        logger.warning("the job {} failed: {}", job.name, result.failure)
    failure = {} if result.failure is None else {"failure": result.failure}
    word = "done" if result.failure is None else "failed"
    details = encode_json(result.details | failure).decode()
    await log.finish(number, clock.now(), word, details)
    return result
