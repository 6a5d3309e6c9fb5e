"""One run of a scheduled job, and when the next one is due. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from msgspec import Struct

RUN_COLUMNS = "name, replica, started_at, finished_at, result, details"
NEWEST_RUNS = (
    f"SELECT {RUN_COLUMNS} FROM (SELECT *, row_number() OVER "  # noqa: S608 - own names
    "(PARTITION BY name ORDER BY started_at DESC, id DESC) AS place FROM jobs) AS placed "
    "WHERE place <= {} ORDER BY name, place"
)
"""Asks for the last runs of each job, with a place for how many."""

_FIRST_RETRY_S = 60.0


class JobRun(Struct, frozen=True, kw_only=True):
    """A row of ``jobs``.

    Attributes:
        name: Of the job.
        replica: Who ran it.
        started_at: When, aware UTC.
        finished_at: When it ended, aware UTC; ``None`` = it runs, or nobody saw its end.
        result: ``running``, ``done``, ``failed``, ``stopped`` as its process was closed, or
            ``lost`` as its process died.
        details: What was done or why it failed, as JSON; ``None`` = it has not ended.
    """

    name: str
    replica: str
    started_at: datetime
    finished_at: datetime | None
    result: str
    details: str | None


def failures_in_row(runs: Sequence[JobRun]) -> int:
    """Return how many of the last runs, newest first, did not come to a good end."""
    return sum(1 for _ in takewhile(lambda run: run.result != "done", runs))


def next_run(runs: Sequence[JobRun], interval_s: float) -> datetime | None:
    """Return when a job is due, aware UTC; ``None`` = at once, since it never ran.

    After a failure it is tried again a minute after its start, then after two, four and so on, but
    not later than it would have been due anyway.

    Args:
        runs: Its last ones, newest first.
        interval_s: Seconds from start to start.
    """
    if not runs:
        return None
    failures = failures_in_row(runs)
    pause_s = min(interval_s, _FIRST_RETRY_S * 2.0 ** (failures - 1)) if failures else interval_s
    return runs[0].started_at + timedelta(seconds=pause_s)


def by_name(runs: Sequence[JobRun]) -> dict[str, list[JobRun]]:
    """Return runs under the names of their jobs, in the order given."""
    found: dict[str, list[JobRun]] = {}
    for run in runs:
        found.setdefault(run.name, []).append(run)
    return found
