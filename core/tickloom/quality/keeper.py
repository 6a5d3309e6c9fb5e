"""The bounded queue between the checks and the database, and the one task that empties it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

from loguru import logger
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import BadRecord, TickloomError
from tickloom.model import HistoricalData, Quality, Quote
from tickloom.quality.scores import Scores
from tickloom.roles import Verdict
from tickloom.store import QualityStore, Record
from tickloom.store.quality_rows import NOT_STORABLE, EventKind, Held, QualityEvent, hold, identity

_BATCH_ROWS = 500
_BATCH_AGE_S = 1.0
_SCORES_AGE_S = 60.0
_LONGEST_PAUSE_S = 15.0
_MOST_EVENTS = 10_000
_WARNING_INTERVAL_S = 10.0
_MINUTE_S = 60

Subject = tuple[str, str, str | None]
_Key = tuple[int, str, str, str | None, str, str]


class Keeper:
    """Takes what is kept back and what is told; the caller never waits.

    While the database is away rows stay here and are tried again after a pause that grows from 1
    to 15 s. When there is no more room the newest are dropped and counted. What is told of the same
    symbol, provider and code within a minute is one event with a count.

    Args:
        store: Where to write.
        scores: Their counts are written once a minute.
        clock: For times, ages and pauses.
        queue_rows: Most rows that wait.
    """

    def __init__(self, store: QualityStore, scores: Scores, clock: Clock, queue_rows: int) -> None:
        self._store = store
        self._scores = scores
        self._clock = clock
        self._limit = queue_rows
        self._rows: deque[Held] = deque()
        self._events: dict[_Key, QualityEvent] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._scores_due_s = clock.monotonic() + _SCORES_AGE_S
        self._warned_s: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._last_error = ""

    def hold(self, subject: Quote | HistoricalData, verdict: Verdict) -> bool:
        """Keep a quote, or a series of one bar; false where there is no room or no database."""
        if not self._store.keeps:
            return False
        if len(self._rows) >= self._limit:
            self._counts["dropped"] += 1
            self._warn(
                "full", "the quarantine has no room, {} rows dropped", self._counts["dropped"]
            )
            return False
        try:
            row = hold(subject, verdict, self._clock.now())
        except BadRecord as error:
            self._counts["refused"] += 1
            self._warn("bad", "a row cannot be kept in quarantine: {}", error)
            return False
        self._rows.append(row)
        return True

    def refuse(self, record: Record, error: BadRecord) -> None:
        """Keep a quote that the database cannot store in its own table, as ``not-storable``."""
        quote = record[0]
        verdict = Verdict(Quality.QUARANTINED, NOT_STORABLE, str(error))
        self.hold(quote, verdict)
        self.tell("store", (quote.symbol, quote.provider, None), verdict)

    def tell(
        self,
        kind: EventKind,
        subject: Subject,
        verdict: Verdict,
        timestamp: datetime | None = None,
        times: int = 1,
    ) -> None:
        """Take note of a complaint; see :class:`QualityEvent`.

        Args:
            kind: Who complains.
            subject: Symbol, provider, and the interval of bars, ``None`` for quotes.
            verdict: The complaint.
            timestamp: Of the quote or bar, aware UTC; ``None`` = of none.
            times: How often it was found at once.
        """
        if not self._store.keeps:
            return
        now = self._clock.now()
        minute = int(now.timestamp()) // _MINUTE_S
        key = (minute, *subject, kind, verdict.code)
        known = self._events.get(key)
        if known is not None:
            self._events[key] = replace(known, times=known.times + times, last_at=now)
            return
        if len(self._events) >= _MOST_EVENTS:
            self._counts["events_dropped"] += times
            return
        symbol, provider, interval = subject
        self._events[key] = QualityEvent(
            id=identity(*map(str, key)),
            at=datetime.fromtimestamp(minute * _MINUTE_S, UTC),
            last_at=now,
            symbol=symbol,
            provider=provider,
            kind=kind,
            code=verdict.code,
            quality=verdict.quality,
            reason=verdict.reason,
            interval=interval,
            found=dict(verdict.values),
            timestamp=timestamp,
            times=times,
        )

    def start(self) -> None:
        """Begin to write; calling it twice is allowed."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="write the quarantine")

    async def flush(self) -> bool:
        """Write all that waits now; false where the database is away."""
        async with self._writing:
            try:
                await self._write_rows()
                await self._write_events()
                await self._write_scores()
            except TickloomError as error:
                self._counts["failed_writes"] += 1
                self._last_error = str(error)
                self._warn("away", "the quarantine cannot be written now: {}", error)
                return False
        return True

    async def aclose(self, limit_s: float = 3.0) -> None:
        """Write what is left, within ``limit_s`` seconds; may be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._scores_due_s = 0.0
        try:
            async with asyncio.timeout(limit_s):
                await self.flush()
        except TimeoutError:
            logger.warning("the quarantine could not be written in time")
        if self._rows:
            logger.warning("{} rows of the quarantine are lost", len(self._rows))

    def stats(self) -> dict[str, Any]:
        """Return counts of rows and events since the start.

        ``queued`` rows wait; ``kept`` are stored; ``dropped`` found no room; ``refused`` cannot be
        stored at all; ``events`` are stored, ``events_dropped`` found no room.
        """
        names = ("kept", "dropped", "refused", "events", "events_dropped", "failed_writes")
        return {
            "queued": len(self._rows),
            **{name: self._counts[name] for name in names},
            "last_error": self._last_error,
        }

    async def _run(self) -> None:
        pause_s = _BATCH_AGE_S
        while True:
            await self._clock.sleep(pause_s)
            self._scores.judge()
            try:
                good = await self.flush()
            except Exception as error:  # noqa: BLE001 - a defect must not end the only writer
                logger.opt(exception=error).error("the quarantine could not be written")
                good = False
            pause_s = _BATCH_AGE_S if good else min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _write_rows(self) -> None:
        while self._rows:
            batch = [self._rows[place] for place in range(min(len(self._rows), _BATCH_ROWS))]
            try:
                await self._store.hold(batch)
                self._counts["kept"] += len(batch)
            except BadRecord:
                await self._write_singly(batch)
            # Only now: a failure above leaves them where they are.
            for _ in batch:
                self._rows.popleft()

    async def _write_singly(self, batch: list[Held]) -> None:
        for row in batch:
            try:
                await self._store.hold([row])
                self._counts["kept"] += 1
            except BadRecord as error:
                self._counts["refused"] += 1
                self._warn("bad", "a row cannot be kept in quarantine: {}", error)

    async def _write_events(self) -> None:
        events, self._events = self._events, {}
        if not events:
            return
        try:
            # In one order, so that two replicas never wait for each other.
            await self._store.tell(sorted(events.values(), key=lambda event: event.id))
        except BadRecord as error:
            self._counts["events_dropped"] += len(events)
            self._warn("event", "{} events cannot be stored: {}", len(events), error)
        except BaseException:
            for key, event in events.items():
                newer = self._events.get(key)
                more = 0 if newer is None else newer.times
                self._events[key] = replace(event, times=event.times + more)
            raise
        else:
            self._counts["events"] += len(events)

    async def _write_scores(self) -> None:
        if self._clock.monotonic() < self._scores_due_s:
            return
        self._scores_due_s = self._clock.monotonic() + _SCORES_AGE_S
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        counts = self._scores.take()
        if not counts:
            return
        try:
            # What was counted in the last minute of an hour may go to the next one.
            await self._store.count(hour, counts)
        except BadRecord as error:
            self._warn("scores", "scores cannot be stored: {}", error)
        except BaseException:
            self._scores.give_back(counts)
            raise

    def _warn(self, kind: str, text: str, *values: object) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._warned_s.get(kind, -_WARNING_INTERVAL_S) >= _WARNING_INTERVAL_S:
            self._warned_s[kind] = now_s
            logger.warning(text, *values)
