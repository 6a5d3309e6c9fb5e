"""The bounded queue between the checks and the database, and the tasks that empty it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import BadRecord, TickloomError
from tickloom.model import HistoricalData, Quality, Quote
from tickloom.quality.aside import Aside
from tickloom.quality.minutes import Minutes, Subject
from tickloom.quality.scores import Scores
from tickloom.roles import Verdict
from tickloom.store import Journal, QualityStore, Record
from tickloom.store.quality_rows import NOT_STORABLE, EventKind, Held, Kept, QualityEvent, hold
from tickloom.store.telling import Telling

_BATCH_ROWS = 500
_BATCH_AGE_S = 1.0
_SCORES_AGE_S = 60.0
_LONGEST_PAUSE_S = 15.0
# A write that takes longer is taken for an outage.
_STUCK_S = 5.0
_PUT_LIMIT_S = 2.0

T = TypeVar("T")


class Keeper:
    """Takes what is kept back and what is told; the caller never waits.

    While the database is away it is tried again after a pause that grows from 1 to 15 s. Meanwhile
    rows go to a journal on disk, each second, and events once their minute is over; where there is
    none, or it is full, they wait in memory. When there is no more room the newest are dropped and
    counted. What is told of the same symbol, provider and code within a minute is one event with a
    count.

    Args:
        store: Where to write.
        scores: Their counts are written once a minute.
        clock: For times, ages and pauses.
        queue_rows: Most rows that wait in memory.
        journal: Where rows and events wait on disk; owned from now on. ``None`` = there is none.
    """

    def __init__(
        self,
        store: QualityStore,
        scores: Scores,
        clock: Clock,
        queue_rows: int,
        journal: Journal[Kept] | None = None,
    ) -> None:
        self._store = store
        self._scores = scores
        self._clock = clock
        self._limit = queue_rows
        self._rows: deque[Held] = deque()
        # Taken and not settled yet.
        self._at_work: deque[Held] = deque()
        self._events_at_work: deque[QualityEvent] = deque()
        self._events = Minutes(clock)
        self._aside = Aside(journal, clock)
        self._writing = asyncio.Lock()
        self._putting = asyncio.Lock()
        self._begun_s: float | None = None
        self._is_failing = False
        self._is_closed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._scores_due_s = clock.monotonic() + _SCORES_AGE_S
        self._telling = Telling(clock)
        self._counts: Counter[str] = Counter()
        self._last_error = ""

    def hold(self, subject: Quote | HistoricalData, verdict: Verdict) -> bool:
        """Keep a quote, or a series of one bar; false where there is no room or no database."""
        if not self._store.keeps:
            return False
        if len(self._rows) >= self._limit or self._is_closed:
            self._counts["dropped"] += 1
            text = "the quarantine has no room or is closed, {} rows dropped"
            self._telling.warn("full", text, self._counts["dropped"])
            return False
        try:
            row = hold(subject, verdict, self._clock.now())
        except BadRecord as error:
            self._counts["refused"] += 1
            self._telling.warn("bad", "a row cannot be kept in quarantine: {}", error)
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
        if not self._events.add(kind, subject, verdict, timestamp, times):
            self._counts["events_dropped"] += times
            text = "there is no room for events of quality, {} dropped"
            self._telling.warn("events", text, self._counts["events_dropped"])

    def start(self) -> None:
        """Begin to write, first what an earlier process left on disk; once."""
        if not self._tasks and not self._is_closed:
            self._tasks = [
                asyncio.create_task(self._run(), name="write the quarantine"),
                asyncio.create_task(self._keep_aside(), name="keep the quarantine on disk"),
            ]

    async def flush(self) -> bool:
        """Write all that waits now; false where the database is away."""
        async with self._writing:
            self._begun_s = self._clock.monotonic()
            try:
                await self._replay()
                await self._write_rows()
                await self._write_events()
                await self._write_scores()
            except TickloomError as error:
                self._is_failing = True
                self._counts["failed_writes"] += 1
                self._last_error = str(error)
                self._telling.warn("away", "the quarantine cannot be written now: {}", error)
                return False
            finally:
                self._begun_s = None
        self._is_failing = False
        return True

    async def aclose(self, limit_s: float = 3.0) -> None:
        """Write what is left, within ``limit_s`` seconds; may be called twice.

        What could not be written goes to the journal. What is in neither is counted in
        ``unwritten`` and told, and so are scores.
        """
        if self._is_closed:
            return
        self._is_closed = True
        with suppress(TimeoutError):
            # A task that is cancelled while it waits for the disk would not know what is there.
            async with asyncio.timeout(_PUT_LIMIT_S), self._putting:
                for task in self._tasks:
                    task.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._scores_due_s = 0.0
        if self._tasks or self._rows or self._events:
            await self._end(min(limit_s, _BATCH_AGE_S) if self._is_failing else limit_s)
        await self._aside.aclose()

    async def _end(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self.flush()
        except TimeoutError:
            logger.warning("the quarantine could not be written in time")
        # Another who flushes may still hang on the database.
        self._rows.extendleft(reversed(self._at_work))
        self._events.give_back(self._events_at_work)
        self._at_work.clear()
        self._events_at_work.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PUT_LIMIT_S):
                await self._put_aside(only_over=False)
        self._counts["unwritten"] = len(self._rows) + len(self._events)
        if self._counts["unwritten"]:
            text = "{} rows and {} events of the quarantine are lost: {}"
            reason = self._last_error or "there was no time left"
            logger.warning(text, len(self._rows), len(self._events), reason)
        self._drop_scores(len(self._scores.take()), "the database did not take them")

    def stats(self) -> dict[str, Any]:
        """Return counts of rows and events since the start.

        ``queued`` rows wait in memory; ``kept`` are stored; ``dropped`` found no room; ``refused``
        cannot be stored at all; ``events`` are stored, ``events_dropped`` found no room or cannot
        be stored; ``unwritten`` rows and events were left at the end; ``scores_dropped`` counts of
        a provider and a symbol were forgotten before they were stored; ``journal`` is what waits on
        disk and went there.
        """
        names = ("kept", "dropped", "refused", "events", "events_dropped", "unwritten")
        return {
            "queued": len(self._rows) + len(self._at_work),
            **{name: self._counts[name] for name in names},
            "scores_dropped": self._counts["scores_dropped"] + self._scores.dropped,
            "failed_writes": self._counts["failed_writes"],
            "last_error": self._last_error,
            "journal": self._aside.stats(),
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
                self._is_failing, good = True, False
            pause_s = _BATCH_AGE_S if good else min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _keep_aside(self) -> None:
        while True:
            await self._clock.sleep(_BATCH_AGE_S)
            if self._is_away():
                async with self._putting:
                    await self._put_aside(only_over=True)

    def _is_away(self) -> bool:
        begun_s = self._begun_s
        is_stuck = begun_s is not None and self._clock.monotonic() - begun_s >= _STUCK_S
        return self._is_failing or is_stuck

    async def _put_aside(self, *, only_over: bool) -> None:
        """Let the disk have what waits, of the events ``only_over`` those that do not grow."""
        rows = list(self._rows)
        self._rows.clear()
        events = self._events.take(only_over=only_over)
        kept: list[Kept] = [*rows, *events]
        taken = unfit = 0
        try:
            taken, unfit = await self._aside.put(kept)
        finally:
            self._counts["refused"] += unfit
            self._rows.extendleft(reversed(rows[taken:]))
            self._events.give_back(events[max(0, taken - len(rows)) :])

    async def _replay(self) -> None:
        """Write what waits on disk; a row twice is one row, and an event is counted twice."""
        if self._aside.has_more:
            # To read it while the database is away would only begin a new file.
            await self._store.open()
        while (piece := await self._aside.peek()) is not None:
            rows = deque(one for one in piece if isinstance(one, Held))
            events = deque(one for one in piece if isinstance(one, QualityEvent))
            await self._settle(self._store.hold, rows, "kept", "refused")
            await self._settle(self._store.tell, events, "events", "events_dropped")
            await self._aside.advance(len(piece))

    async def _write_rows(self) -> None:
        while self._rows:
            count = min(len(self._rows), _BATCH_ROWS)
            self._at_work = deque(self._rows.popleft() for _ in range(count))
            try:
                await self._settle(self._store.hold, self._at_work, "kept", "refused")
            finally:
                self._rows.extendleft(reversed(self._at_work))
                self._at_work = deque()

    async def _write_events(self) -> None:
        events = self._events_at_work = deque(self._events.take())
        try:
            await self._settle(self._store.tell, events, "events", "events_dropped")
        finally:
            self._events.give_back(events)
            events.clear()

    async def _settle(
        self, write: Callable[[list[T]], Awaitable[None]], rows: deque[T], good: str, bad: str
    ) -> None:
        """Write rows together, or each alone where they are refused; what stays is not settled."""
        if not rows:
            return
        try:
            await write(list(rows))
        except BadRecord:
            pass
        else:
            self._counts[good] += len(rows)
            rows.clear()
        while rows:
            try:
                await write([rows[0]])
                self._counts[good] += 1
            except BadRecord as error:
                self._counts[bad] += 1
                self._telling.warn(bad, "what is told or kept back cannot be stored: {}", error)
            if rows:  # What is left at the end was taken away meanwhile.
                rows.popleft()

    async def _write_scores(self) -> None:
        if self._clock.monotonic() < self._scores_due_s:
            return
        self._scores_due_s = self._clock.monotonic() + _SCORES_AGE_S
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        counts = self._scores.take()
        # Each alone after a refusal, so that one bad name costs only itself.
        pieces = [counts] if counts else []
        try:
            while pieces:
                try:
                    # What was counted in the last minute of an hour may go to the next one.
                    await self._store.count(hour, pieces[-1])
                    pieces.pop()
                except BadRecord as error:
                    refused = pieces.pop()
                    if len(refused) > 1:
                        pieces = [{subject: one} for subject, one in refused.items()]
                    else:
                        self._drop_scores(1, str(error))
        finally:
            for piece in pieces:
                self._scores.give_back(piece)

    def _drop_scores(self, count: int, reason: str) -> None:
        if count:
            self._counts["scores_dropped"] += count
            total = self._counts["scores_dropped"]
            text = "{} counts of a provider and a symbol are lost: {}"
            self._telling.warn("scores", text, total, reason)
