"""The jobs that keep a database in shape."""

from __future__ import annotations

from tickloom.clock import Clock
from tickloom.errors import StoreUnavailable
from tickloom.jobs.running import Job, JobResult, perform
from tickloom.settings import Settings
from tickloom.store import migrate, open_job_log
from tickloom.store.address import kind_of
from tickloom.store.retention import Expiry, Retention


def _cleanup_job(settings: Settings, clock: Clock, found: list[Expiry] | None = None) -> Job:
    retention = Retention(settings.database.url, settings.retention, clock)

    async def clean() -> JobResult:
        cleaned = await retention.clean()
        if found is not None:
            found.extend(cleaned)
        return result_of(cleaned)

    return Job(name="cleanup", interval_s=settings.jobs.cleanup_interval_s, work=clean)


async def cleanup_now(settings: Settings, replica: str, clock: Clock) -> list[Expiry] | None:
    """Remove what ``[retention]`` does not keep, as a run of the scheduled job.

    Returns:
        What was removed; ``None`` = another process does it now, or other upkeep.

    Raises:
        ConfigError: User, password, database name or file is wrong, or there is no database.
        StoreUnavailable: The database is away.
    """
    log = open_job_log(settings.database.url)
    if log is None:
        return []
    found: list[Expiry] = []
    job = _cleanup_job(settings, clock, found)
    async with log.claim(job.name) as is_ours:
        if not is_ours:
            return None
        result = await perform(log, job, replica, clock)
    if not found:
        raise StoreUnavailable(f"the database cannot be cleaned up: {result.failure}")
    return found


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
        _cleanup_job(settings, clock),
        Job(name="optimize", interval_s=intervals.optimize_interval_s, work=optimize),
    ]
    if kind_of(url) == "postgresql":
        seconds = intervals.partitions_interval_s
        jobs.insert(0, Job(name="partitions", interval_s=seconds, work=make_partitions))
    return jobs
