"""The record of jobs in a SQLite file, locked by a second file beside it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tickloom.errors import StoreUnavailable
from tickloom.store.address import sqlite_path
from tickloom.store.failures import explain_sqlite
from tickloom.store.job_runs import NEWEST_RUNS, JobRun, by_name

T = TypeVar("T")

_LOCK_WAIT_S = 2.0


class SqliteJobLog:
    """Opens the file for each question; jobs are rare.

    One job at a time runs on a file, whichever it is, since a file has one writer.

    Args:
        url: ``sqlite:///file``.
    """

    def __init__(self, url: str) -> None:
        self._path = sqlite_path(url)
        # It stays empty. SQLite's own locks work alike on all systems, and end with the process.
        self._lock = Path(f"{self._path}-jobs")

    @asynccontextmanager
    async def claim(self, name: str) -> AsyncIterator[bool]:  # noqa: ARG002 - as its twin
        """Hold the file of the lock; gives whether it is ours."""
        trying = asyncio.create_task(self._explaining(self._try_lock))
        try:
            connection = await asyncio.shield(trying)
        except asyncio.CancelledError:
            # The thread goes on, and what it locks nobody would open again.
            left = await trying
            if left is not None:
                left.close()
            raise
        try:
            yield connection is not None
        finally:
            if connection is not None:
                # Closing does not wait for anything.
                connection.close()

    def _try_lock(self) -> sqlite3.Connection | None:
        connection = sqlite3.connect(
            self._lock, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return None
            raise
        except BaseException:
            connection.close()
            raise
        return connection

    async def newest(self, most: int) -> dict[str, list[JobRun]]:
        """Return the last runs of each job, newest first."""
        rows = await self._call(
            lambda connection: connection.execute(NEWEST_RUNS.format("?"), (most,)).fetchall()
        )
        return by_name([_run(row) for row in rows])

    async def begin(self, name: str, replica: str, at: datetime) -> int:
        """Note that a job runs now, and that older runs of it do not."""

        def note(connection: sqlite3.Connection) -> int:
            connection.execute(
                "UPDATE jobs SET result = 'lost' WHERE name = ? AND result = 'running'", (name,)
            )
            added = connection.execute(
                "INSERT INTO jobs (name, replica, started_at, result) VALUES (?, ?, ?, 'running')",
                (name, replica, _text(at)),
            )
            return int(added.lastrowid or 0)

        return await self._call(note)

    async def finish(self, number: int, at: datetime, result: str, details: str) -> None:
        """Note how a run ended."""
        await self._call(
            lambda connection: connection.execute(
                "UPDATE jobs SET finished_at = ?, result = ?, details = ? WHERE id = ?",
                (_text(at), result, details, number),
            )
        )

    async def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            if not self._path.is_file():
                raise StoreUnavailable("there is no database file", found=str(self._path))
            opened = sqlite3.connect(self._path, timeout=_LOCK_WAIT_S)
            with closing(opened) as connection, connection:
                return work(connection)

        return await self._explaining(run)

    async def _explaining(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except Exception as error:
            raise explain_sqlite(error, self._path) from error


def _run(row: tuple[Any, ...]) -> JobRun:
    name, replica, started_at, finished_at, result, details = row
    return JobRun(
        name=name,
        replica=replica,
        started_at=datetime.fromisoformat(started_at),
        finished_at=None if finished_at is None else datetime.fromisoformat(finished_at),
        result=result,
        details=details,
    )


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(" ", "microseconds")
