"""Jobs run when they are due, by one replica at a time, over restarts and deaths."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugged import manager_of
from scripted import ScriptedProvider
from tickloom.clock import FakeClock
from tickloom.errors import StoreUnavailable, TickloomError
from tickloom.jobs import Job, JobResult, Jobs, cleanup_now, perform
from tickloom.settings import DatabaseSettings, JobSettings, Settings, load_settings
from tickloom.store import JobLog, migrate, open_job_log
from tickloom.store.job_runs import JobRun, next_run

if TYPE_CHECKING:
    from databases import Database, Settled

HOUR_S = 3_600.0
HOLD = """
import asyncio, sys
from datetime import UTC, datetime
from tickloom.store import open_job_log
async def hold():
    log = open_job_log(sys.argv[1])
    async with log.claim("tidy") as is_ours:
        await log.begin("tidy", "other", datetime.fromisoformat(sys.argv[2]))
        print(is_ours, flush=True)
        await asyncio.sleep(60)
asyncio.run(hold())
"""


class Counted:
    """A job that counts its runs, and can be held up or made to fail."""

    def __init__(self, interval_s: float = HOUR_S) -> None:
        self.runs = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.started = asyncio.Event()
        self.job = Job(name="tidy", interval_s=interval_s, work=self.work)

    async def work(self) -> JobResult:
        self.runs += 1
        self.started.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return JobResult(details={"runs": self.runs})


async def log_of(database: Database) -> JobLog:
    await migrate(database.url)
    log = open_job_log(database.url)
    assert log is not None
    return log


def jobs_of(log: JobLog, counted: Counted, clock: FakeClock, replica: str = "one") -> Jobs:
    return Jobs(log, [counted.job], replica, clock, random.Random(1))


async def pass_(
    clock: FakeClock, seconds: float, until: Callable[[], object], asleep: int = 1
) -> None:
    """Let time go by from one deadline to the next, but only while so many schedulers sleep.

    The database takes its time by the machine's clock, which must not look like hours.
    """
    end_s = clock.monotonic() + seconds
    while not until() and clock.monotonic() < end_s:
        if len(clock._calls) < asleep:
            await asyncio.sleep(0.002)
            continue
        deadline_s = min(clock._calls[0][0], end_s)
        await clock.advance(deadline_s - clock.monotonic())


async def settle(until: Callable[[], object]) -> None:
    """Wait for the database while time stands still."""
    while not until():
        await asyncio.sleep(0.002)


async def results_of(log: JobLog) -> list[str]:
    return [run.result for run in (await log.newest(20)).get("tidy", [])]


async def test_a_job_that_never_ran_runs_soon_and_then_at_its_interval(
    database: Database, clock: FakeClock
) -> None:
    log, counted = await log_of(database), Counted()
    jobs = jobs_of(log, counted, clock)
    jobs.start()
    begin_s = clock.monotonic()
    await pass_(clock, 120, lambda: counted.runs == 1)
    first = clock.monotonic() - begin_s
    await pass_(clock, 3_500, lambda: counted.runs > 1)
    runs_within = counted.runs
    await pass_(clock, 200, lambda: counted.runs > 1)
    await jobs.aclose()

    assert 5 <= first <= 30
    assert (runs_within, counted.runs) == (1, 2)


async def test_the_last_run_is_told_with_result_duration_and_the_next(
    database: Database, clock: FakeClock
) -> None:
    log, counted = await log_of(database), Counted()
    counted.gate.clear()
    jobs = jobs_of(log, counted, clock)
    jobs.start()
    await pass_(clock, 120, counted.started.is_set)
    assert jobs.stats()["running"] == "tidy"
    started = clock.now()
    await clock.advance(7)
    counted.gate.set()
    await settle(lambda: jobs.stats()["jobs"]["tidy"]["result"] == "done")
    told = jobs.stats()["jobs"]["tidy"]
    await jobs.aclose()

    assert told["duration_s"] == 7
    assert told["last_run"] == started
    assert told["next_run"] == told["last_run"] + timedelta(hours=1)
    assert (told["replica"], told["details"]) == ("one", {"runs": 1})
    assert jobs.stats()["running"] is None


async def test_restarts_neither_skip_nor_repeat_a_job(database: Database, clock: FakeClock) -> None:
    log, counted = await log_of(database), Counted(interval_s=24 * HOUR_S)
    for _ in range(6):
        jobs = jobs_of(log, counted, clock)
        jobs.start()
        await pass_(clock, 120, lambda: False)
        await jobs.aclose()
        await clock.advance(5 * HOUR_S)

    assert counted.runs == 2


async def test_of_several_replicas_one_runs_the_job(database: Database, clock: FakeClock) -> None:
    log = await log_of(database)
    counted = [Counted() for _ in range(3)]
    replicas = [jobs_of(log, one, clock, f"r{n}") for n, one in enumerate(counted)]
    for one in counted:
        one.gate.clear()
    for jobs in replicas:
        jobs.start()
    await pass_(clock, 120, lambda: any(one.runs for one in counted), 2)
    await pass_(clock, 180, lambda: False, 2)
    during = sum(one.runs for one in counted)
    for one in counted:
        one.gate.set()
    await pass_(clock, 600, lambda: False, 3)
    told = {jobs.stats()["jobs"]["tidy"]["replica"] for jobs in replicas}
    for jobs in replicas:
        await jobs.aclose()

    assert during == sum(one.runs for one in counted) == 1
    # All know of it, whoever ran it.
    assert len(told) == 1
    assert await results_of(log) == ["done"]


async def test_a_job_that_fails_is_told_and_tried_again_after_growing_pauses(
    database: Database, clock: FakeClock, warnings_told: list[str]
) -> None:
    log, counted = await log_of(database), Counted()
    counted.failure = StoreUnavailable("the disk is full")
    jobs = jobs_of(log, counted, clock)
    jobs.start()
    await pass_(clock, 600, lambda: counted.runs == 3)
    await settle(lambda: len(clock._calls))
    degraded = jobs.health()
    counted.failure = None
    await pass_(clock, 600, lambda: jobs.stats()["jobs"]["tidy"]["result"] == "done")
    healthy = jobs.health()
    await jobs.aclose()

    assert await results_of(log) == ["done", "failed", "failed", "failed"]
    assert any("the job tidy failed: the disk is full" in line for line in warnings_told)
    assert degraded is not None
    assert (degraded["status"], "tidy" in degraded["reason"]) == ("degraded", True)
    assert healthy is not None
    assert healthy["status"] == "healthy"


async def test_a_defect_of_a_job_does_not_end_the_others(
    database: Database, clock: FakeClock, warnings_told: list[str]
) -> None:
    log, counted = await log_of(database), Counted()
    counted.failure = ZeroDivisionError("oh")
    result = await perform(log, counted.job, "one", clock)

    assert result.failure == "a bug in tickloom: ZeroDivisionError: oh"
    assert await results_of(log) == ["failed"]


async def test_closing_stops_a_job_in_its_middle_and_it_is_due_again(
    database: Database, clock: FakeClock, nothing_is_left: Settled
) -> None:
    log, counted = await log_of(database), Counted()
    counted.gate.clear()
    jobs = jobs_of(log, counted, clock)
    jobs.start()
    await pass_(clock, 120, counted.started.is_set)
    await jobs.aclose()
    await jobs.aclose()
    await nothing_is_left()

    assert await results_of(log) == ["stopped"]
    counted.gate.set()
    again = jobs_of(log, counted, clock)
    again.start()
    await pass_(clock, 180, lambda: again.stats()["jobs"]["tidy"]["result"] == "done")
    await again.aclose()
    assert await results_of(log) == ["done", "stopped"]


async def test_a_job_whose_process_is_killed_is_taken_over(
    database: Database, clock: FakeClock
) -> None:
    log, counted = await log_of(database), Counted()
    jobs = jobs_of(log, counted, clock)
    holder = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", HOLD, database.url, clock.now().isoformat()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        # The wire to the database is a task of this loop.
        assert await asyncio.to_thread(holder.stdout.readline) == "True\n"
        jobs.start()
        await pass_(clock, 300, lambda: counted.runs)
        while_held = counted.runs
    finally:
        holder.kill()
        await asyncio.to_thread(holder.wait)
        holder.stdout.close()
    await pass_(clock, 300, lambda: jobs.stats()["jobs"]["tidy"]["result"] == "done")
    await jobs.aclose()

    assert (while_held, counted.runs) == (0, 1)
    assert await results_of(log) == ["done", "lost"]


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_is_away_is_waited_for(
    database: Database, clock: FakeClock, warnings_told: list[str]
) -> None:
    log, counted = await log_of(database), Counted()
    jobs = jobs_of(log, counted, clock)
    async with database.away():
        jobs.start()
        await pass_(clock, 300, lambda: "reason" in (jobs.health() or {}))
        assert counted.runs == 0
    await pass_(clock, 300, lambda: jobs.stats()["jobs"]["tidy"]["result"] == "done")
    health = jobs.health()
    await jobs.aclose()

    assert counted.runs == 1
    assert health is not None
    assert health["status"] == "healthy"
    assert len([line for line in warnings_told if "cannot be looked after" in line]) == 1


RUN = JobRun(
    name="tidy",
    replica="one",
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    finished_at=None,
    result="failed",
    details=None,
)


def runs(results: Sequence[str]) -> list[JobRun]:
    return [
        JobRun(
            name="tidy",
            replica="one",
            started_at=RUN.started_at,
            finished_at=None,
            result=result,
            details=None,
        )
        for result in results
    ]


@given(
    st.lists(st.sampled_from(["done", "failed", "stopped", "lost", "running"]), min_size=1),
    st.floats(60, 1e6),
)
def test_no_pause_is_longer_than_the_interval_nor_shorter_than_a_minute(
    results: list[str], interval_s: float
) -> None:
    due = next_run(runs(results), interval_s)
    assert due is not None
    pause_s = (due - RUN.started_at).total_seconds()
    assert 60 <= pause_s <= interval_s + 1e-6
    if results[0] == "done":
        assert pause_s == pytest.approx(interval_s)


def test_what_never_ran_is_due_at_once() -> None:
    assert next_run([], HOUR_S) is None


async def test_without_a_database_there_are_no_jobs() -> None:
    assert open_job_log("") is None
    async with manager_of(ScriptedProvider()) as manager:
        assert manager.jobs.health() is None
        assert manager.get_system_stats()["jobs"]["jobs"] == {}


async def test_a_manager_looks_after_its_database(database: Database, clock: FakeClock) -> None:
    tables = {"database": {"url": database.url}}
    async with manager_of(ScriptedProvider(), clock=clock, **tables) as manager:
        names = set(manager.get_system_stats()["jobs"]["jobs"])
        while {job["result"] for job in manager.jobs.stats()["jobs"].values()} != {"done"}:
            await clock.advance(5)
            await asyncio.sleep(0.02)
        told = manager.get_system_stats()["jobs"]["jobs"]
        health = await manager.health_check()

    expected = {"cleanup", "optimize"} | (
        {"partitions"} if database.kind == "postgresql" else set()
    )
    assert names == expected
    assert {job["result"] for job in told.values()} == {"done"}
    assert health["components"]["jobs"]["status"] == "healthy"


async def test_jobs_can_be_left_to_others(database: Database) -> None:
    tables = {"database": {"url": database.url}, "jobs": {"enabled": False}}
    async with manager_of(ScriptedProvider(), **tables) as manager:
        assert manager.jobs.health() is None


async def test_a_cleanup_by_hand_counts_as_a_run_and_not_two_run_at_once(
    database: Database, clock: FakeClock
) -> None:
    log = await log_of(database)
    settings = Settings(database=DatabaseSettings(url=database.url))
    async with log.claim("cleanup") as is_ours:
        assert is_ours
        assert await cleanup_now(settings, "cli", clock) is None
    found = await cleanup_now(settings, "cli", clock)

    assert found is not None
    [run] = (await log.newest(5))["cleanup"]
    assert (run.replica, run.result, json.loads(run.details or "")) == ("cli", "done", {})


def test_a_job_that_would_never_rest_is_refused() -> None:
    with pytest.raises(TickloomError, match="cleanup_interval_s"):
        load_settings(environment={"TICKLOOM_JOBS__CLEANUP_INTERVAL_S": "1"})
    assert JobSettings().cleanup_interval_s == 24 * HOUR_S
