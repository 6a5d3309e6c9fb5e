"""The bounded queue between the pipeline and the database, and the one task that empties it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import BadRecord, StoreUnavailable
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings
from tickloom.store.backend import Backend
from tickloom.store.journal import Journal, Unfit
from tickloom.store.progress import Progress, within
from tickloom.store.pulse import Pulse, takes_nothing
from tickloom.store.rows import Record
from tickloom.store.spill import Spill
from tickloom.store.telling import Telling

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
_OPEN_LIMIT_S = 5.0
_END_LIMIT_S = 1.0
_READ_LIMIT_S = 5.0
# A write that takes longer is taken for an outage.
_STUCK_S = 5.0
_KEEP_LIMIT_S = 2.0

Rejected = Callable[[Record, BadRecord], object]


class QuoteWriter:
    """Writes quotes in batches; the caller never waits.

    While the database is away it is tried again after a pause that grows from 0.5 to 15 s, and the
    rows wait: in the journal once they are as old as a batch may be, in the queue where there is
    none or it is full. They are written in the order in which they came. When the queue is full the
    newest rows are dropped and counted. A row that the database refuses is rejected and counted;
    the others of its batch are written.

    Args:
        backend: Where to write; the writer owns it from now on.
        settings: Sizes of queue and batch.
        clock: For ages, pauses and limits.
        journal: Where rows wait on disk; owned from now on. ``None`` = in memory only.
        rejected: Called with each row that is rejected, and why; it must not raise or wait.
    """

    def __init__(
        self,
        backend: Backend,
        settings: DatabaseSettings,
        clock: Clock,
        journal: Journal[Record] | None = None,
        rejected: Rejected | None = None,
    ) -> None:
        self._backend = backend
        self._pulse = Pulse(backend, clock)
        self._clock = clock
        # Without a database nothing is queued, which would only be counted and forgotten.
        self._stores = backend.name != "none"
        self._limit = settings.queue_rows
        self._batch_rows = settings.batch_rows
        self._batch_age_s = settings.batch_age_s
        self._queue: deque[tuple[float, Record]] = deque()
        self._rejected_to = rejected
        # What was taken and is not settled yet, newest part first.
        self._parts: list[list[Record]] = []
        self._parts_since_s = 0.0
        self._parts_are_kept = False
        self._begun_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Event()
        # The queue is nearly full, or the database is away.
        self._trouble = asyncio.Event()
        self._crowd = max(1, settings.queue_rows * 3 // 4)
        self._due = asyncio.Event()
        self._tried_to_open = asyncio.Event()
        self._closing = asyncio.Event()
        self._is_open = False
        self._failure: Exception | None = None
        self._is_stuck = False
        self._failures_in_row = 0
        self._telling = Telling(clock)
        self._spill = None
        if self._stores and journal is not None:
            self._spill = Spill(journal, self._queue, settings, clock, self)
        self._progress = Progress()
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
        self._progress.accepted += 1
        self._arrived.set()
        if len(queue) >= self._batch_rows:
            self._due.set()
        if len(queue) >= self._crowd:
            self._trouble.set()

    async def start(self) -> None:
        """Begin to write; returns once the database was opened or could not be, 5 s at most.

        A database that is away is no error here: :meth:`health` tells, and it is tried again.
        """
        if self._tasks:
            return
        if self._spill is not None:
            await self._spill.open()
            keeping = self._spill.run(self._trouble, self._crowd)
            self._tasks.append(asyncio.create_task(keeping, name="write to the journal"))
        self._tasks.append(asyncio.create_task(self._run(), name="write to the database"))
        await within(self._clock, _OPEN_LIMIT_S, self._tried_to_open.wait())

    async def flush(self, limit_s: float = 10.0) -> bool:
        """Write what is queued now without waiting for a full batch; True where all is settled.

        Settled is written or rejected; False = not within ``limit_s`` seconds.
        """
        if not self._tasks:
            return not self._queue
        found = 0 if self._spill is None else self._spill.found
        target = self._progress.urgent = self._progress.accepted + found
        self._due.set()
        await within(self._clock, limit_s, self._progress.reach(target))
        return self._progress.settled >= target

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

        What could not be written goes to the journal; what is in neither is counted in
        ``unwritten`` and told.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._trouble.set()
        is_hopeless = self._spill is not None and self._failure is not None
        try:
            await self.flush(min(limit_s, _FIRST_PAUSE_S) if is_hopeless else limit_s)
        finally:
            await self._end()
        if self._spill is not None:
            if await self._put_aside() or self._parts_are_kept:
                self._parts.clear()
            await self._spill.aclose(_KEEP_LIMIT_S)
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
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_END_LIMIT_S)
        await self._pulse.aclose()
        # This cuts a connection on which the task may still hang.
        await self._backend.aclose()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stats(self) -> dict[str, Any]:
        """Return counts of rows since the start.

        ``queued`` wait in memory to be written; ``written`` are stored; ``dropped`` found the
        queue full or closed; ``rejected`` the database refused; ``unwritten`` were left at the end;
        ``failed_writes`` counts failures of the database; ``lag_s`` is how long the oldest row has
        been waiting; ``journal`` is what :meth:`Spill.stats` says, ``None`` = there is none.
        """
        return {
            "backend": self._backend.name,
            "queued": self._queued(),
            "written": self._written,
            "dropped": self._dropped,
            "rejected": self._rejected,
            "unwritten": self._unwritten,
            "failed_writes": self._failed_writes,
            "lag_s": round(self._lag_s(), 3),
            "last_error": self._last_error,
            "journal": None if self._spill is None else self._spill.stats(),
        }

    async def health(self) -> dict[str, Any]:
        """Return status, backend, URL, schema version and, if bad, a reason, within a second.

        ``degraded`` = it is away or takes no rows, which wait; ``unhealthy`` = rows are being lost,
        or it stays away until somebody corrects the settings. ``journal_rows`` is there while rows
        wait in the journal.
        """
        failure = self._failure or (self._stuck_failure() if self._is_stuck else None)
        report = await self._pulse.report(failure, is_losing=len(self._queue) >= self._limit)
        return report if self._spill is None else self._spill.add_to(report)

    async def _run(self) -> None:
        while True:
            await self._open()
            if self._spill is not None and self._spill.has_older:
                await self._replay(self._spill)
                continue
            await self._arrived.wait()
            if len(self._queue) < self._batch_rows and not self._progress.is_urgent:
                age_s = self._clock.monotonic() - self._queue[0][0] if self._queue else 0.0
                await within(self._clock, self._batch_age_s - age_s, self._due.wait())
            self._due.clear()
            # Meanwhile rows may have gone to the journal, which has its turn before the others.
            if self._queue and not (self._spill is not None and self._spill.has_older):
                await self._write(self._take())
            if not self._queue:
                self._arrived.clear()

    def is_away(self) -> bool:
        """True where the database failed last or has not answered for five seconds."""
        return self._failure is not None or self._is_stuck

    def _note_stuck(self) -> None:
        self._trouble.set()
        self._is_stuck = True
        # A failure has been told, and is told again.
        if self._failure is None:
            logger.warning("{} rows wait: {}", self._waiting(), self._stuck_failure())

    def _stuck_failure(self) -> StoreUnavailable:
        return takes_nothing(self._backend.url, self._clock.monotonic() - self._begun_s)

    async def _replay(self, spill: Spill) -> None:
        piece = await spill.peek(self._batch_rows)
        if piece is None:
            return
        if piece.records:
            await self._write(piece.records, are_kept=True)
        if piece.lost:
            await self._progress.settle(piece.lost)
        await spill.advance(len(piece.records))
        # The queue has its turn now, and its rows have not been told of.
        self._arrived.set()

    async def _open(self) -> None:
        while not self._is_open:
            try:
                await self._backend.open()
            except Exception as error:  # noqa: BLE001 - a defect must not end the only writer
                await self._fail(error)
            else:
                self._is_open = True
                # It may open and take nothing, as while another holds a lock on it.
                if not self._waiting():
                    self._recover()
            self._tried_to_open.set()

    def _take(self) -> list[Record]:
        self._parts_since_s = self._queue[0][0]
        rows = min(len(self._queue), self._batch_rows)
        return [self._queue.popleft()[1] for _ in range(rows)]

    async def _write(self, batch: list[Record], *, are_kept: bool = False) -> None:
        # A part that is refused is halved until the bad row stands alone, so that only it is lost.
        self._parts, self._parts_are_kept = [batch], are_kept
        while self._parts:
            part = self._parts[-1]
            try:
                await self._open()
                stored = await self._send(part)
            except BadRecord as error:
                self._parts.pop()
                # To refuse is to answer.
                self._recover()
                if len(part) > 1:
                    middle = len(part) // 2
                    self._parts += [part[middle:], part[:middle]]
                    continue
                self._reject(part[0], error)
            except Exception as error:  # noqa: BLE001 - a defect must not end the only writer
                self._is_open = False
                if await self._put_aside():
                    self._parts = []
                await self._fail(error)
                continue
            else:
                self._parts.pop()
                self._written += stored
                self._recover()
            await self._progress.settle(len(part))

    async def _send(self, part: list[Record]) -> int:
        self._begun_s = self._clock.monotonic()
        alarm = self._clock.call_later(_STUCK_S, self._note_stuck)
        try:
            return await self._backend.write(part)
        finally:
            alarm.cancel()

    async def _put_aside(self) -> bool:
        """Keep what was taken from the queue in the journal; False = it was not put there now."""
        if self._spill is None or self._parts_are_kept or not self._parts:
            return False
        records = [record for part in reversed(self._parts) for record in part]
        return await self._spill.put_first(records)

    async def _fail(self, error: Exception) -> None:
        if any(task.cancelling() for task in self._tasks):
            # A driver that fails to roll back after a cancellation hides it behind its own error.
            raise asyncio.CancelledError
        self._failed_writes += 1
        self._failure = error
        self._last_error = str(error)
        self._is_stuck = False
        self._trouble.set()
        text = "the database cannot be written, {} rows wait: {}"
        self._telling.warn("away", text, self._waiting(), error)
        self._tried_to_open.set()
        pause_s = min(_FIRST_PAUSE_S * 2.0**self._failures_in_row, _LONGEST_PAUSE_S)
        self._failures_in_row = min(self._failures_in_row + 1, 10)
        if self._closing.is_set():
            await self._clock.sleep(_FIRST_PAUSE_S)
        else:
            await within(self._clock, pause_s, self._closing.wait())

    def _recover(self) -> None:
        if self._failure is not None or self._is_stuck:
            logger.info("the database is back; {} rows wait", self._waiting())
        self._failure, self._is_stuck = None, False
        self._failures_in_row = 0

    def _drop(self) -> None:
        self._dropped += 1
        text = "the queue for the database is full or closed; {} rows dropped"
        self._telling.warn("full", text, self._dropped)

    def moved(self, unfit: Unfit[Record]) -> None:
        """Take notice that rows went from the queue to the journal, except for ``unfit`` ones."""
        for record, error in unfit:
            self._reject(record, error)
        self._progress.settled += len(unfit)
        self._arrived.set()

    def _reject(self, record: Record, error: BadRecord) -> None:
        self._rejected += 1
        self._last_error = str(error)
        if self._rejected_to is not None:
            self._rejected_to(record, error)
        self._telling.warn(
            "bad",
            "{} rows rejected, the last one a quote of {!r} by {!r}: {}",
            self._rejected,
            record[0].symbol,
            record[0].provider,
            error,
        )

    def _queued(self) -> int:
        # What was read from the journal is counted there.
        parts = 0 if self._parts_are_kept else sum(map(len, self._parts))
        return len(self._queue) + parts + (0 if self._spill is None else self._spill.moving)

    def _waiting(self) -> int:
        return self._queued() + (0 if self._spill is None else self._spill.rows)

    def _lag_s(self) -> float:
        since = [self._queue[0][0]] if self._queue else []
        if self._parts and not self._parts_are_kept:
            since.append(self._parts_since_s)
        if self._spill is not None and self._spill.since_s is not None:
            since.append(self._spill.since_s)
        return self._clock.monotonic() - min(since) if since else 0.0
