"""The record of jobs on PostgreSQL, locked by an advisory lock of a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from tickloom.store.failures import explain_postgres
from tickloom.store.job_runs import NEWEST_RUNS, JobRun, by_name

_CONNECT_LIMIT_S = 5.0
_ANSWER_LIMIT_S = 10.0
_CLOSE_LIMIT_S = 3.0
# A host that vanished is noticed after a minute, and its lock is free then.
_NOTICE_DEATH = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# Advisory locks are of the whole database, the tables of one schema of it.
_CLAIM = (
    "SELECT pg_try_advisory_lock(hashtextextended("
    "'tickloom job ' || $1 || ' of ' || to_regclass('jobs')::oid, 0))"
)


class PostgresJobLog:
    """Connects for each question; jobs are rare.

    Args:
        url: ``postgresql://user@host/name``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def claim(self, name: str) -> AsyncIterator[bool]:
        """Hold the job as long as the session lives; gives whether it is ours."""
        async with self._connection() as connection:
            try:
                is_ours = bool(await connection.fetchval(_CLAIM, name))
            except Exception as error:
                raise explain_postgres(error, self._url) from error
            yield is_ours

    async def newest(self, most: int) -> dict[str, list[JobRun]]:
        """Return the last runs of each job, newest first."""
        async with self._explaining() as connection:
            rows = await connection.fetch(NEWEST_RUNS.format("$1"), most)
        return by_name([JobRun(**dict(row)) for row in rows])

    async def begin(self, name: str, replica: str, at: datetime) -> int:
        """Note that a job runs now, and that older runs of it do not."""
        async with self._explaining() as connection, connection.transaction():
            await connection.execute(
                "UPDATE jobs SET result = 'lost' WHERE name = $1 AND result = 'running'", name
            )
            number: int = await connection.fetchval(
                "INSERT INTO jobs (name, replica, started_at, result) "
                "VALUES ($1, $2, $3, 'running') RETURNING id",
                *(name, replica, at),
            )
        return number

    async def finish(self, number: int, at: datetime, result: str, details: str) -> None:
        """Note how a run ended."""
        async with self._explaining() as connection:
            await connection.execute(
                "UPDATE jobs SET finished_at = $2, result = $3, details = $4 WHERE id = $1",
                *(number, at, result, details),
            )

    @asynccontextmanager
    async def _explaining(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._connection() as connection:
            try:
                yield connection
            except Exception as error:
                raise explain_postgres(error, self._url) from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_LIMIT_S,
                command_timeout=_ANSWER_LIMIT_S,
                server_settings=_NOTICE_DEATH,
            )
        except Exception as error:
            raise explain_postgres(error, self._url) from error
        try:
            yield connection
        finally:
            try:
                await connection.close(timeout=_CLOSE_LIMIT_S)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()
