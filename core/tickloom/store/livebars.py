"""Stores the bars that are built from ticks, before anybody is told that they are closed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from loguru import logger
from msgspec import Struct

from tickloom.clock import Cancellable, Clock
from tickloom.errors import TickloomError
from tickloom.model import Bar, HistoricalData, Interval, Timeliness, day_of
from tickloom.store.bars import BarBatch
from tickloom.store.history import HistoryStore
from tickloom.store.journal import Journal
from tickloom.store.journal_records import KeptBar
from tickloom.store.telling import Telling

PROVIDER = "live"
"""Whose the stored bars are: those of this server."""

_MOST_WAITING = 50_000
_MOST_AT_ONCE = 5_000
_PAUSE_S = 1.0
_SLACK_S = 0.02


class BuiltBar(Protocol):
    """A bar that ticks have come to, with the attributes of :class:`KeptBar`."""

    @property
    def interval(self) -> str:
        """Length, such as ``1m``."""
        ...

    @property
    def partial(self) -> bool:
        """True where not all ticks of the interval were seen."""
        ...


class _Waiting(Struct):
    bar: KeptBar
    since_s: float
    then: Callable[[], None] | None


class BarKeeper:
    """Writes closed bars in batches, and says of each when it may be told.

    That is once the database has it, or, while that is away, once it is in a journal on disk. Where
    that cannot be either, a bar is told after ``limit_s`` all the same and counted as
    ``told_unstored``; it is stored when the database is back. Partial bars are not stored. When too
    many wait, further ones are not stored, counted and told.

    Args:
        store: Where to write; not owned.
        clock: For ages and pauses.
        intervals: Which bars are kept.
        journal: For bars that have waited; owned from now on. ``None`` = there is none.
        limit_s: How long a bar waits for a database that is away.
    """

    def __init__(
        self,
        store: HistoryStore,
        clock: Clock,
        intervals: Collection[str],
        journal: Journal[KeptBar] | None = None,
        limit_s: float = 2.0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._intervals = frozenset(intervals) if store.keeps else frozenset()
        self._journal = journal
        self._limit_s = limit_s
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()
        self._late = asyncio.Event()
        self._overdue: Cancellable | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closed = False
        self._telling = Telling(clock)
        names = (
            *("stored", "journaled", "rejected", "told_unstored", "dropped", "unwritten", "lost"),
        )
        self._counts = dict.fromkeys(names, 0)

    def start(self) -> None:
        """Begin to write what an earlier process left in the journal; once."""
        if self._intervals and not self._tasks and not self._is_closed:
            self._tasks = [
                asyncio.create_task(self._run(), name="store live bars"),
                asyncio.create_task(self._spill(), name="keep late bars on disk"),
            ]

    def keep(self, bar: BuiltBar, then: Callable[[], None]) -> bool:
        """Queue a closed bar; false = it is not kept, and ``then`` will not be called."""
        if bar.interval not in self._intervals or bar.partial or self._is_closed:
            return False
        if len(self._queue) >= _MOST_WAITING:
            self._counts["dropped"] += 1
            text = "too many bars wait to be stored, {} were dropped"
            self._telling.warn("full", text, self._counts["dropped"])
            return False
        kept = KeptBar(**{name: getattr(bar, name) for name in KeptBar.__struct_fields__})
        self._queue.append(_Waiting(kept, self._clock.monotonic(), then))
        self._emptied.clear()
        self._arrived.set()
        if self._overdue is None:
            self._overdue = self._clock.call_later(self._limit_s, self._late.set)
        self.start()
        return True

    def stats(self) -> dict[str, Any]:
        """Return how many bars wait, and counts since the start as the class names them.

        ``journal_rows`` wait on disk; ``unwritten`` were left when the server ended.
        """
        rows = 0 if self._journal is None else self._journal.rows
        return {"waiting": len(self._queue), "journal_rows": rows, **self._counts}

    async def aclose(self, limit_s: float = 3.0) -> None:
        """Write what waits, within ``limit_s`` seconds of real time; may be called twice.

        What cannot be written goes to the journal.
        """
        self._is_closed = True
        tasks, self._tasks = self._tasks, []
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        if tasks and self._queue:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._emptied.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Those that were told from the journal are in it already.
        left = [one.bar for one in self._queue if one.then is not None]
        if left and not await self._put_down(left):
            self._counts["unwritten"] += len(left)
            logger.warning("{} closed bars were not stored before the end", len(left))
        self._queue.clear()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)

    async def _run(self) -> None:
        while not await self._tried(self._replay()):
            await self._clock.sleep(_PAUSE_S)
        while True:
            await self._arrived.wait()
            count = min(len(self._queue), _MOST_AT_ONCE)
            batch = [self._queue[number] for number in range(count)]
            if not await self._tried(self._write([one.bar for one in batch])):
                await self._clock.sleep(_PAUSE_S)
                continue
            for _ in batch:
                self._queue.popleft()
            for one in batch:
                self._tell(one)
            if not self._queue:
                self._arrived.clear()
                self._emptied.set()
                await self._tried(self._clear_journal())

    async def _tried(self, work: Coroutine[Any, Any, None]) -> bool:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a defect must not end the only writer
            text = "closed bars cannot be stored now, {} wait: {}"
            self._telling.warn("away", text, len(self._queue), error)
            return False
        return True

    async def _replay(self) -> None:
        """Write what earlier processes left; they are older than all that comes now."""
        if self._journal is None:
            return
        await asyncio.to_thread(self._journal.open)
        while self._journal.rows:
            piece = await asyncio.to_thread(self._journal.peek, _MOST_AT_ONCE)
            await self._write(piece.records)
            if piece.lost:
                self._counts["lost"] += piece.lost
                text = "{} closed bars in the journal cannot be read any more"
                self._telling.warn("lost", text, self._counts["lost"])
            await asyncio.to_thread(self._journal.advance)

    async def _clear_journal(self) -> None:
        """Forget the bars on disk: all of them were in the queue, and that is written."""
        while self._journal is not None and self._journal.rows and not self._queue:
            await asyncio.to_thread(self._journal.peek, _MOST_AT_ONCE)
            await asyncio.to_thread(self._journal.advance)

    async def _write(self, bars: Sequence[KeptBar]) -> None:
        kept = await self._store.keep(batches_of(bars, self._clock.now()))
        self._counts["stored"] += kept.stored
        self._counts["rejected"] += kept.rejected

    async def _spill(self) -> None:
        while True:
            await self._late.wait()
            self._late.clear()
            self._overdue = None
            until_s = self._clock.monotonic() - self._limit_s + _SLACK_S
            untold = [one for one in self._queue if one.then is not None]
            late = [one for one in untold if one.since_s <= until_s]
            if len(late) < len(untold):
                after_s = untold[len(late)].since_s - until_s
                self._overdue = self._clock.call_later(after_s, self._late.set)
            if late and not await self._put_down([one.bar for one in late]):
                self._counts["told_unstored"] += len(late)
            for one in late:
                self._tell(one)

    async def _put_down(self, bars: list[KeptBar]) -> bool:
        """Return whether all of them are on disk now."""
        if self._journal is None:
            return False
        try:
            taken, unfit = await asyncio.to_thread(self._journal.append, bars)
        except TickloomError as error:
            self._telling.warn("disk", "closed bars cannot be kept on disk: {}", error)
            return False
        self._counts["journaled"] += taken - len(unfit)
        return taken == len(bars) and not unfit

    @staticmethod
    def _tell(one: _Waiting) -> None:
        then, one.then = one.then, None
        if then is not None:
            then()


def batches_of(bars: Collection[KeptBar], received_at: datetime) -> list[BarBatch]:
    """Return bars as they are stored; none of their days counts as complete."""
    series: dict[tuple[str, str, str | None], list[KeptBar]] = {}
    for bar in bars:
        series.setdefault((bar.symbol, bar.interval, bar.currency), []).append(bar)
    return [
        BarBatch(
            history=HistoricalData(
                symbol=symbol,
                interval=Interval(interval),
                start_date=day_of(symbol, min(bar.timestamp for bar in found)),
                end_date=day_of(symbol, max(bar.timestamp for bar in found)),
                provider=PROVIDER,
                received_at=received_at,
                timeliness=Timeliness.REAL_TIME,
                currency=currency,
                data_points=tuple(map(_stored, found)),
            )
        )
        for (symbol, interval, currency), found in series.items()
    ]


def _stored(bar: KeptBar) -> Bar:
    return Bar(
        timestamp=bar.timestamp,
        open_price=bar.open,
        high_price=bar.high,
        low_price=bar.low,
        close_price=bar.close,
        volume=bar.volume,
    )
