"""Removes old rows from a SQLite file, in bites that hold up no writer for long."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Self, TypeVar

import msgspec

from tickloom.clock import Clock
from tickloom.errors import StoreUnavailable, TickloomError
from tickloom.store.address import sqlite_path
from tickloom.store.failures import explain_sqlite
from tickloom.store.retention_kinds import Tally, Target, first_claims

T = TypeVar("T")

# A writer waits a second for the lock; so do we, since its transactions are short.
_LOCK_WAIT_S = 2.0
# A bite is made as large as fits into this time. On a busy machine one may take four times as
# long, and a writer is to be held up for no more than 0.1 s.
_BITE_S = 0.02
_FEWEST_ROWS, _MOST_ROWS = 20, 5_000
_FIRST_ROWS = 100
_SHORTEST_PAUSE_S = 0.02
_FREED_PAGES = 128
# Rows of an index that are looked at, instead of all of them, while others wait.
_ANALYSED_ROWS = 400
_SAMPLED_ROWS = 200


class SqliteExpirer:
    """One connection in one thread for one pass; to be entered as a context.

    Args:
        url: ``sqlite:///file``; the file has to exist.
        clock: For the pauses.
        is_only_read: Nothing is written, not even a lock.
    """

    def __init__(self, url: str, clock: Clock, *, is_only_read: bool) -> None:
        self._path = sqlite_path(url)
        self._clock = clock
        self._mode = "ro" if is_only_read else "rw"
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tickloom-upkeep")
        self._opened: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._call(self._connect)
        except BaseException as error:
            # Where we are cancelled the thread goes on to open the file, and then closes it.
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)
            if isinstance(error, Exception):
                raise self.explain(error) from error
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._opened is not None:
            # What still runs after a cancellation would be waited for.
            self._opened.interrupt()
            await self._call(self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        connection, self._opened = self._opened, None
        if connection is not None:
            connection.close()

    def explain(self, error: Exception) -> TickloomError:
        """Return the error of ours for what a method raised."""
        return explain_sqlite(error, self._path)

    def _connect(self) -> None:
        if not self._path.is_file():
            raise StoreUnavailable(
                "there is no database file",
                found=str(self._path),
                fix="Check database.url, or run tickloom migrate to make it.",
            )
        address = f"{self._path.resolve().as_uri()}?mode={self._mode}"
        self._opened = sqlite3.connect(
            address,
            uri=True,
            timeout=_LOCK_WAIT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        if self._mode == "rw":
            # Nobody waits for the disk behind a bite: what a power cut brings back goes with the
            # next cleanup, and what others write is confirmed by their own commits.
            self._opened.execute("PRAGMA synchronous = NORMAL")

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            raise StoreUnavailable(f"the database file {self._path} is not open")
        return self._opened

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def columns(self, table: str) -> set[str]:
        """Return the names of a table's columns; empty = there is no such table."""
        # The hidden ones too, since generated columns are among them.
        rows = await self._call(lambda: self._all(f"PRAGMA table_xinfo({table})"))
        return {row[1] for row in rows}

    async def measure(self, target: Target, cutoff: date, tally: Tally) -> None:
        """Count what is older than ``cutoff``, and look for the oldest that is not."""
        await self._call(lambda: self._measure(target, cutoff, tally))

    def _measure(self, target: Target, cutoff: date, tally: Tally) -> None:
        rows = 0
        for where, values in self._parts(target):
            old = f"FROM {target.table} WHERE {where} AND {target.column} < ?"
            kept = f"FROM {target.table} WHERE {where} AND {target.column} >= ?"
            [[count]] = self._all(f"SELECT count(*) {old}", *values, cutoff)
            [[oldest]] = self._all(f"SELECT min({target.column}) {kept}", *values, cutoff)
            rows += count
            tally.keep(None if oldest is None else _moment(oldest))
        tally.rows += rows
        tally.bytes += rows * self._row_bytes(target.table) if rows else 0

    def _row_bytes(self, table: str) -> int:
        columns = [row[1] for row in self._all(f"PRAGMA table_info({table})")]
        # An octet for the header of each value; NULL has no more than that.
        widths = " + ".join(f"coalesce(length(CAST({name} AS BLOB)), 0) + 1" for name in columns)
        [[mean]] = self._all(
            f"SELECT avg({widths}) FROM (SELECT * FROM {table} LIMIT {_SAMPLED_ROWS})"  # noqa: S608 - own names
        )
        return round(mean or 0)

    async def expire(self, target: Target, cutoff: date, tally: Tally) -> None:
        """Remove what is older than ``cutoff``; the tally counts what is gone so far."""
        size = await self._call(lambda: self._row_bytes(target.table))
        bite = _FIRST_ROWS
        for where, values in await self._call(lambda: list(self._parts(target))):
            while True:
                gone, took_s = await self._call(
                    lambda: self._bite(target, where, values, cutoff, bite)  # noqa: B023 - awaited at once
                )
                if not gone:
                    break
                tally.rows += gone
                tally.bytes += gone * size
                bite = next_bite(bite, took_s)
                # As long as it took, so that others get at least half of the time.
                await self._clock.sleep(max(took_s, _SHORTEST_PAUSE_S))

    def _parts(self, target: Target) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield conditions, each of which the primary key or an index answers for one stretch."""
        more = f" AND {target.where}" if target.where else ""
        if not target.series:
            yield f"1{more}", ()
            return
        names = ", ".join(target.series)
        places = ", ".join("?" * len(target.series))
        after: tuple[Any, ...] = ("",) * len(target.series)
        # From one series to the next by the key, instead of through all their rows.
        following = (
            f"SELECT {names} FROM {target.table} WHERE ({names}) > ({places}) "  # noqa: S608 - own names
            f"ORDER BY {names} LIMIT 1"
        )
        while found := self._all(following, *after):
            [after] = found
            if target.intervals and after[target.series.index("interval")] not in target.intervals:
                continue
            yield " AND ".join(f"{name} = ?" for name in target.series) + more, after

    def _bite(
        self, target: Target, where: str, values: Sequence[Any], cutoff: date, rows: int
    ) -> tuple[int, float]:
        """Remove about so many rows; return how many, and how long others had to wait."""
        column = target.column
        rows_of = f"FROM {target.table} WHERE {where} AND {column}"
        with self._writing() as began_s:
            # Up to the time of the last row of the bite, since a table by key has no row number.
            found = self._all(
                f"SELECT {column} {rows_of} < ? ORDER BY {column} LIMIT 1 OFFSET ?",
                *values,
                cutoff,
                rows,
            )
            until = found[0][0] if found else _text(cutoff)
            sign = "<=" if found else "<"
            delete = f"DELETE {rows_of} {sign} ?"
            gone = self._connection.execute(delete, (*values, until)).rowcount
            if gone:
                self._cut_ranges(target, cutoff)
        return gone, time.perf_counter() - began_s()

    @contextmanager
    def _writing(self) -> Iterator[Callable[[], float]]:
        self._connection.execute("BEGIN IMMEDIATE")
        # Only from here on do others wait for us.
        began_s = time.perf_counter()
        try:
            yield lambda: began_s
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _cut_ranges(self, target: Target, cutoff: date) -> None:
        for day, intervals in first_claims(target.intervals, cutoff).items():
            names, first = msgspec.json.encode(intervals).decode(), day.isoformat()
            among = "interval IN (SELECT value FROM json_each(?))"
            delete = f"DELETE FROM history_ranges WHERE {among} AND last_day < ?"  # noqa: S608 - own names
            self._connection.execute(delete, (names, first))
            update = f"UPDATE history_ranges SET first_day = ? WHERE {among} AND first_day < ?"  # noqa: S608 - own names
            self._connection.execute(update, (first, names, first))

    async def tidy(self, tables: Iterable[str]) -> None:  # noqa: ARG002 - as its twin
        """Give free pages back to the disk, empty the log of writes, and update statistics."""
        await self._call(lambda: self._all("PRAGMA wal_checkpoint(PASSIVE)"))
        [[left]] = await self._call(lambda: self._all("PRAGMA freelist_count"))
        [[mode]] = await self._call(lambda: self._all("PRAGMA auto_vacuum"))
        # 2 = incremental; a file of an older version keeps its free pages for new rows.
        while left and mode == 2:  # noqa: PLR2004 - told above
            await self._call(self._free_pages)
            left = max(0, left - _FREED_PAGES)
            await self._clock.sleep(_SHORTEST_PAUSE_S)
        await self._call(self._finish)

    def _free_pages(self) -> None:
        # The statement stops after each page, and only a script is gone on with to its end.
        self._connection.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")

    def _finish(self) -> None:
        self._all(f"PRAGMA analysis_limit = {_ANALYSED_ROWS}")
        self._all("PRAGMA optimize")
        # Readers are not waited for: while one reads, the next time does it.
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._all("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_S * 1_000:.0f}")

    def _all(self, query: str, *values: Any) -> list[Any]:
        bound = [_text(value) if isinstance(value, date) else value for value in values]
        return self._connection.execute(query, bound).fetchall()


def next_bite(rows: int, took_s: float) -> int:
    """Return how many rows to remove at once after a bite of ``rows`` held up others so long.

    Smaller at once, larger step by step: one that was fast may have been lucky.
    """
    fitting = int(rows * _BITE_S / max(took_s, 0.001))
    return min(max(fitting, _FEWEST_ROWS), rows + rows // 4 + 1, _MOST_ROWS)


def _text(day: date) -> str:
    # As text a day comes before all times of it, and after all of the day before.
    return day.isoformat()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
