"""Which jobs ran when, and the lock that lets one replica run one of them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from tickloom.store.address import kind_of
from tickloom.store.job_log_postgres import PostgresJobLog
from tickloom.store.job_log_sqlite import SqliteJobLog
from tickloom.store.job_runs import JobRun


class JobLog(Protocol):
    """The table ``jobs``. Every method raises errors of :mod:`tickloom.errors` only."""

    def claim(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold the job ``name``; gives whether it is ours, without waiting for it.

        A holder that dies lets go: the operating system or the server sees to it.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away.
        """
        ...

    async def newest(self, most: int) -> dict[str, list[JobRun]]:
        """Return the last ``most`` runs of each job, newest first.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away, or was never migrated.
        """
        ...

    async def begin(self, name: str, replica: str, at: datetime) -> int:
        """Note that a job that was claimed runs now, and that older runs of it do not.

        Returns:
            The number of the run.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away.
        """
        ...

    async def finish(self, number: int, at: datetime, result: str, details: str) -> None:
        """Note how a run ended.

        Raises:
            ConfigError: User, password, database name or file is wrong.
            StoreUnavailable: The database is away.
        """
        ...


def open_job_log(url: str) -> JobLog | None:
    """Return the log of the database at ``url``; ``None`` = nothing is stored there.

    Raises:
        ConfigError: The URL names no database that can be used.
    """
    match kind_of(url):
        case "sqlite":
            return SqliteJobLog(url)
        case "postgresql":
            return PostgresJobLog(url)
        case _:
            return None
