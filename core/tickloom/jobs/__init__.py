"""Upkeep of the database on a schedule, each job by one replica at a time."""

from tickloom.jobs.running import Job, JobResult, perform
from tickloom.jobs.scheduler import Jobs
from tickloom.jobs.upkeep import cleanup_now, upkeep_jobs

__all__ = ["Job", "JobResult", "Jobs", "cleanup_now", "perform", "upkeep_jobs"]
