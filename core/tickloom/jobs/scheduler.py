"""Runs jobs when they are due, unless another replica does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from loguru import logger
from msgspec.json import decode

from tickloom.clock import Clock
from tickloom.errors import TickloomError
from tickloom.jobs.running import Job, perform
from tickloom.store.job_log import JobLog
from tickloom.store.job_runs import JobRun, failures_in_row, next_run

# Replicas that start together, and restarts one after the other, spread over this.
_FIRST_PAUSE_S = (5.0, 30.0)
# A job whose replica died is taken over after this at the latest.
_LONGEST_PAUSE_S = 60.0
_SHORTEST_PAUSE_S = 1.0
_JITTER_S = 5.0
_REMEMBERED_RUNS = 12
# The second try comes a minute after the first, so that one failure alone is no news.
_UNHEALTHY_FAILURES = 2


class Jobs:
    """One task that runs jobs one after the other.

    When a job is due is counted from its last run in the database, whoever ran it, so that
    restarts neither skip nor repeat one.

    Args:
        log: Where runs are recorded; ``None`` = there is no database, and nothing to do.
        jobs: What is done.
        replica: Our name in the record.
        clock: For times and pauses.
        jitter: Spreads the replicas.
    """

    def __init__(
        self,
        log: JobLog | None,
        jobs: Sequence[Job],
        replica: str,
        clock: Clock,
        jitter: random.Random,
    ) -> None:
        self._log = log
        self._jobs = tuple(jobs) if log is not None else ()
        self._replica = replica
        self._clock = clock
        self._jitter = jitter
        self._task: asyncio.Task[None] | None = None
        self._runs: dict[str, list[JobRun]] = {}
        self._running: str | None = None
        self._failure: str | None = None

    def start(self) -> None:
        """Begin; calling it twice is allowed."""
        if self._jobs and self._task is None:
            self._task = asyncio.create_task(self._run(), name="jobs")

    async def aclose(self) -> None:
        """Stop, also in the middle of a job, which is then due again; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        await self._clock.sleep(self._jitter.uniform(*_FIRST_PAUSE_S))
        while True:
            for job in self._jobs:
                try:
                    await self._attend_to(job)
                except TickloomError as error:
                    if self._failure is None:
                        logger.warning("jobs cannot be looked after now: {}", error)
                    self._failure = str(error)
                    break
                except Exception as error:  # noqa: BLE001 - a defect must not end the only owner
                    logger.warning("jobs cannot be looked after now: {!r}", error)
                    self._failure = repr(error)
                    break
                self._failure = None
            await self._clock.sleep(self._pause_s())

    async def _attend_to(self, job: Job) -> None:
        log = self._log
        if log is None or not await self._is_due(log, job):
            return
        async with log.claim(job.name) as is_ours:
            # Another replica may have run it while we asked.
            if not is_ours or not await self._is_due(log, job):
                return
            self._running = job.name
            try:
                await perform(log, job, self._replica, self._clock)
            finally:
                self._running = None
        self._runs = await log.newest(_REMEMBERED_RUNS)

    async def _is_due(self, log: JobLog, job: Job) -> bool:
        self._runs = await log.newest(_REMEMBERED_RUNS)
        due = next_run(self._runs.get(job.name, ()), job.interval_s)
        return due is None or due <= self._clock.now()

    def _pause_s(self) -> float:
        now = self._clock.now()
        pause_s = _LONGEST_PAUSE_S
        for job in self._jobs:
            due = next_run(self._runs.get(job.name, ()), job.interval_s)
            if due is not None:
                pause_s = min(pause_s, (due - now).total_seconds())
        return max(pause_s, _SHORTEST_PAUSE_S) + self._jitter.uniform(0, _JITTER_S)

    def stats(self) -> dict[str, Any]:
        """Return the last run of each job, by whichever replica, and when the next one is due.

        ``last_run``, ``result``, ``duration_s`` and ``next_run`` are ``None`` where not known.
        """
        return {
            "replica": self._replica,
            "running": self._running,
            "jobs": {job.name: self._tell(job) for job in self._jobs},
        }

    def _tell(self, job: Job) -> dict[str, Any]:
        runs = self._runs.get(job.name, [])
        last = runs[0] if runs else None
        ended = last.finished_at if last else None
        duration_s = (ended - last.started_at).total_seconds() if last and ended else None
        return {
            "interval_s": job.interval_s,
            "last_run": last.started_at if last else None,
            "result": last.result if last else None,
            "duration_s": duration_s,
            "replica": last.replica if last else None,
            "next_run": next_run(runs, job.interval_s),
            "details": decode(last.details) if last and last.details else {},
        }

    def health(self) -> dict[str, Any] | None:
        """Return the component of the health check; ``None`` = there are no jobs."""
        if not self._jobs:
            return None
        failing = [
            job.name
            for job in self._jobs
            if failures_in_row(self._runs.get(job.name, ())) >= _UNHEALTHY_FAILURES
        ]
        report: dict[str, Any] = {"status": "healthy", "jobs": self.stats()["jobs"]}
        if self._failure is not None:
            report |= {"status": "degraded", "reason": self._failure}
        elif failing:
            reason = f"{', '.join(failing)} failed {_UNHEALTHY_FAILURES} times in a row or more"
            report |= {"status": "degraded", "reason": reason}
        return report
