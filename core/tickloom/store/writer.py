"""The bounded queue between the pipeline and the database, and the one task that empties it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import BadRecord, ConfigError, StoreUnavailable, TickloomError
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings
from tickloom.store.backend import Backend
from tickloom.store.rows import Record

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
_OPEN_LIMIT_S = 5.0
_WARNING_INTERVAL_S = 10.0
_END_LIMIT_S = 1.0
_READ_LIMIT_S = 5.0


class QuoteWriter:
    """Writes quotes in batches; the caller never waits.

    While the database is away the rows stay in the queue and are tried again after a pause that
    grows from 0.5 to 15 s. When the queue is full the newest rows are dropped and counted. A row
    that the database refuses is rejected and counted; the others of its batch are written.

    Args:
        backend: Where to write; the writer owns it from now on.
        settings: Sizes of queue and batch.
        clock: For ages, pauses and limits.
    """

    def __init__(self, backend: Backend, settings: DatabaseSettings, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        # Without a database nothing is queued, which would only be counted and forgotten.
        self._stores = backend.name != "none"
        self._limit = settings.queue_rows
        self._batch_rows = settings.batch_rows
        self._batch_age_s = settings.batch_age_s
        self._queue: deque[tuple[float, Record]] = deque()
        # What was taken from the queue and is not settled yet, newest part first.
        self._parts: list[list[Record]] = []
        self._parts_since_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._due = asyncio.Event()
        self._tried_to_open = asyncio.Event()
        self._closing = asyncio.Event()
        self._settled_more = asyncio.Condition()
        self._is_open = False
        self._failure: Exception | None = None
        self._failures_in_row = 0
        self._warned_s: dict[str, float] = {}
        # Numbers of rows: accepted into the queue, done with, and those that shall not wait.
        self._accepted = 0
        self._settled = 0
        self._urgent = 0
        self._written = 0
        self._dropped = 0
        self._rejected = 0
        self._unwritten = 0
        self._failed_writes = 0
        self._last_error = ""

    def enqueue(self, quote: Quote, epoch: str = "") -> None:
        """Queue a quote; when the queue is full or closed, drop and count it.

        Args:
            quote: As published.
            epoch: The epoch that ``quote.sequence`` belongs to.
        """
        if not self._stores:
            return
        queue = self._queue
        if len(queue) >= self._limit or self._closing.is_set():
            self._drop()
            return
        queue.append((self._clock.monotonic(), (quote, epoch)))
        self._accepted += 1
        self._arrived.set()
        if len(queue) >= self._batch_rows:
            self._due.set()

    async def start(self) -> None:
        """Begin to write; returns once the database was opened or could not be, 5 s at most.

        A database that is away is no error here: :meth:`health` tells, and it is tried again.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="write to the database")
            await self._within(_OPEN_LIMIT_S, self._tried_to_open.wait())

    async def flush(self, limit_s: float = 10.0) -> bool:
        """Write what is queued now without waiting for a full batch; True where all is settled.

        Settled is written or rejected; False = not within ``limit_s`` seconds.
        """
        if self._task is None:
            return not self._queue
        target = self._urgent = self._accepted
        self._due.set()
        await self._within(limit_s, self._until_settled(target))
        return self._settled >= target

    async def read_since(self, symbol: str, since: datetime, most: int) -> list[Record]:
        """Return the newest stored quotes of a symbol from ``since`` on, with what was queued.

        Raises:
            StoreUnavailable: The database is away, or what is queued could not be written.
        """
        if not await self.flush(_READ_LIMIT_S):
            raise StoreUnavailable(f"the newest quotes are not stored yet: {self._last_error}")
        return await self._backend.read_quotes(symbol, since, most)

    async def aclose(self, limit_s: float = 10.0) -> None:
        """Write what is left, within ``limit_s`` seconds, and close; may be called twice.

        What could not be written is counted in ``unwritten`` and told.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        try:
            await self.flush(limit_s)
        finally:
            await self._end()
        self._unwritten = self._queued()
        self._queue.clear()
        self._parts.clear()
        if self._unwritten:
            logger.warning(
                "{} rows were not written before the end: {}",
                self._unwritten,
                self._last_error or "there was no time left",
            )

    async def _end(self) -> None:
        tasks = [] if self._task is None else [self._task]
        for task in tasks:
            task.cancel()
            await asyncio.wait([task], timeout=_END_LIMIT_S)
        # This cuts a connection on which the task may still hang.
        await self._backend.aclose()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stats(self) -> dict[str, Any]:
        """Return counts of rows since the start.

        ``queued`` wait to be written; ``written`` are stored; ``dropped`` found the queue full or
        closed; ``rejected`` were refused by the database; ``unwritten`` were left at the end;
        ``failed_writes`` counts failures of the database; ``lag_s`` is how long the oldest row has
        waited, in seconds; ``last_error`` is empty while there was none.
        """
        return {
            "backend": self._backend.name,
            "queued": self._queued(),
            "written": self._written,
            "dropped": self._dropped,
            "rejected": self._rejected,
            "unwritten": self._unwritten,
            "failed_writes": self._failed_writes,
            "lag_s": self._lag_s(),
            "last_error": self._last_error,
        }

    async def health(self) -> dict[str, Any]:
        """Ask the database, and return status, backend, URL, schema version and, if bad, a reason.

        ``degraded`` = it is away and the rows wait; ``unhealthy`` = rows are being lost, or it
        stays away until somebody corrects the settings.
        """
        report: dict[str, Any] = {
            "status": "healthy",
            "backend": self._backend.name,
            "url": self._backend.url,
            "schema_version": None,
        }
        failure = self._failure
        if failure is None:
            try:
                report["schema_version"] = await self._backend.ping()
            except TickloomError as error:
                failure = error
        if failure is not None:
            is_lasting = isinstance(failure, ConfigError) or len(self._queue) >= self._limit
            report["status"] = "unhealthy" if is_lasting else "degraded"
            report["reason"] = str(failure)
        return report

    async def _run(self) -> None:
        while True:
            await self._open()
            await self._arrived.wait()
            if len(self._queue) < self._batch_rows and self._settled >= self._urgent:
                age_s = self._clock.monotonic() - self._queue[0][0]
                await self._within(self._batch_age_s - age_s, self._due.wait())
            self._due.clear()
            await self._write(self._take())
            if not self._queue:
                self._arrived.clear()

    async def _open(self) -> None:
        while not self._is_open:
            try:
                await self._backend.open()
            except Exception as error:  # noqa: BLE001 - a defect must not end the only writer
                await self._fail(error)
            else:
                self._is_open = True
                self._recover()
            self._tried_to_open.set()

    def _take(self) -> list[Record]:
        self._parts_since_s = self._queue[0][0]
        rows = min(len(self._queue), self._batch_rows)
        return [self._queue.popleft()[1] for _ in range(rows)]

    async def _write(self, batch: list[Record]) -> None:
        # A part that is refused is halved until the bad row stands alone, so that only it is lost.
        self._parts = [batch]
        while self._parts:
            part = self._parts[-1]
            try:
                await self._open()
                stored = await self._backend.write(part)
            except BadRecord as error:
                self._parts.pop()
                if len(part) > 1:
                    middle = len(part) // 2
                    self._parts += [part[middle:], part[:middle]]
                    continue
                self._reject(part[0], error)
            except Exception as error:  # noqa: BLE001 - a defect must not end the only writer
                self._is_open = False
                await self._fail(error)
                continue
            else:
                self._parts.pop()
                self._written += stored
                self._recover()
            async with self._settled_more:
                self._settled += len(part)
                self._settled_more.notify_all()

    async def _fail(self, error: Exception) -> None:
        if self._task is not None and self._task.cancelling():
            # A driver that fails to roll back after a cancellation hides it behind its own error.
            raise asyncio.CancelledError
        self._failed_writes += 1
        self._failure = error
        self._last_error = str(error)
        self._warn(
            "away", "the database cannot be written, {} rows wait: {}", self._queued(), error
        )
        self._tried_to_open.set()
        pause_s = min(_FIRST_PAUSE_S * 2.0**self._failures_in_row, _LONGEST_PAUSE_S)
        self._failures_in_row = min(self._failures_in_row + 1, 10)
        if self._closing.is_set():
            await self._clock.sleep(_FIRST_PAUSE_S)
        else:
            await self._within(pause_s, self._closing.wait())

    def _recover(self) -> None:
        if self._failure is not None:
            logger.info("the database is back; {} rows wait", self._queued())
        self._failure = None
        self._failures_in_row = 0

    def _drop(self) -> None:
        self._dropped += 1
        self._warn(
            "full", "the queue for the database is full or closed; {} rows dropped", self._dropped
        )

    def _reject(self, record: Record, error: BadRecord) -> None:
        self._rejected += 1
        self._last_error = str(error)
        self._warn(
            "bad",
            "{} rows rejected, the last one a quote of {!r} by {!r}: {}",
            self._rejected,
            record[0].symbol,
            record[0].provider,
            error,
        )

    def _warn(self, kind: str, text: str, *values: object) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._warned_s.get(kind, -_WARNING_INTERVAL_S) >= _WARNING_INTERVAL_S:
            self._warned_s[kind] = now_s
            logger.warning(text, *values)

    def _queued(self) -> int:
        return len(self._queue) + sum(map(len, self._parts))

    def _lag_s(self) -> float:
        if self._parts:
            return self._clock.monotonic() - self._parts_since_s
        return self._clock.monotonic() - self._queue[0][0] if self._queue else 0.0

    async def _until_settled(self, target: int) -> None:
        async with self._settled_more:
            await self._settled_more.wait_for(lambda: self._settled >= target)

    async def _within(self, limit_s: float, work: Coroutine[Any, Any, Any]) -> None:
        # asyncio's own time limits know only the machine's clock.
        tasks = [asyncio.create_task(work), asyncio.create_task(self._clock.sleep(limit_s))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
