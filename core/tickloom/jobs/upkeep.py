"""The jobs that keep a database in shape."""

from __future__ import annotations

from tickloom.clock import Clock
from tickloom.jobs.running import Job, JobResult
from tickloom.settings import Settings
from tickloom.store import migrate
from tickloom.store.address import kind_of
from tickloom.store.retention import Expiry, Retention


def cleanup_job(settings: Settings, clock: Clock) -> Job:
    """Return the job that removes what ``[retention]`` does not keep."""
    retention = Retention(settings.database.url, settings.retention, clock)

    async def clean() -> JobResult:
        return result_of(await retention.clean())

    return Job(name="cleanup", interval_s=settings.jobs.cleanup_interval_s, work=clean)


def result_of(found: list[Expiry]) -> JobResult:
    """Return what was removed, by kind, and which kinds failed."""
    failures = [f"{expiry.kind}: {expiry.error}" for expiry in found if expiry.error is not None]
    return JobResult(
        details={
            expiry.kind: {"rows": expiry.rows, "partitions": expiry.partitions}
            for expiry in found
            if expiry.rows or expiry.partitions
        },
        failure="; ".join(failures) or None,
    )


def upkeep_jobs(settings: Settings, clock: Clock) -> list[Job]:
    """Return the jobs that the database of the settings needs; none where there is none."""
    url, intervals = settings.database.url, settings.jobs
    if not url or not intervals.enabled:
        return []
    retention = Retention(url, settings.retention, clock)

    async def make_partitions() -> JobResult:
        # With the schema up to date this makes what is needed soon, and nothing else.
        await migrate(url)
        return JobResult()

    async def optimize() -> JobResult:
        await retention.optimize()
        return JobResult()

    jobs = [
        cleanup_job(settings, clock),
        Job(name="optimize", interval_s=intervals.optimize_interval_s, work=optimize),
    ]
    if kind_of(url) == "postgresql":
        seconds = intervals.partitions_interval_s
        jobs.insert(0, Job(name="partitions", interval_s=seconds, work=make_partitions))
    return jobs
