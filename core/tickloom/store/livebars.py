"""Stores the bars that are built from ticks, before anybody is told that they are closed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from loguru import logger
from msgspec import Struct

from tickloom.clock import Cancellable, Clock
from tickloom.model import Bar, HistoricalData, Interval, Timeliness, day_of
from tickloom.store.bars import BarBatch
from tickloom.store.history import HistoryStore

PROVIDER = "live"
"""Whose the stored bars are: those of this server."""

_MOST_WAITING = 50_000
_MOST_AT_ONCE = 5_000
_PAUSE_S = 1.0
_SLACK_S = 0.02
_WARNING_INTERVAL_S = 10.0


class BuiltBar(Protocol):
    """What is stored of a bar that ticks have come to."""

    @property
    def symbol(self) -> str:
        """Canonical."""
        ...

    @property
    def interval(self) -> str:
        """Length, such as ``1m``."""
        ...

    @property
    def timestamp(self) -> datetime:
        """Begin, aware UTC."""
        ...

    @property
    def open(self) -> Decimal:
        """First price."""
        ...

    @property
    def high(self) -> Decimal:
        """Highest price."""
        ...

    @property
    def low(self) -> Decimal:
        """Lowest price."""
        ...

    @property
    def close(self) -> Decimal:
        """Last price."""
        ...

    @property
    def volume(self) -> int | None:
        """Units traded; ``None`` = not told."""
        ...

    @property
    def currency(self) -> str | None:
        """ISO 4217 code or that of a minor unit; ``None`` = not stated."""
        ...

    @property
    def partial(self) -> bool:
        """True where not all ticks of the interval were seen."""
        ...


class _Waiting(Struct):
    bar: BuiltBar
    since_s: float
    then: Callable[[], None] | None


class BarKeeper:
    """Writes closed bars in batches, and says of each when it may be told.

    That is once the database has it. While the database is away a bar is told after ``limit_s``
    and counted as ``told_unstored``; it is stored when the database is back. Partial bars are not
    stored. When too many wait, further ones are not stored, counted and told.

    Args:
        store: Where to write; not owned.
        clock: For ages and pauses.
        intervals: Which bars are kept.
        limit_s: How long a bar waits for a database that is away.
    """

    def __init__(
        self, store: HistoryStore, clock: Clock, intervals: Collection[str], limit_s: float = 2.0
    ) -> None:
        self._store = store
        self._clock = clock
        self._intervals = frozenset(intervals) if store.keeps else frozenset()
        self._limit_s = limit_s
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()
        self._overdue: Cancellable | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._warned_s = -_WARNING_INTERVAL_S
        names = ("stored", "rejected", "told_unstored", "dropped", "unwritten")
        self._counts = dict.fromkeys(names, 0)

    def keep(self, bar: BuiltBar, then: Callable[[], None]) -> bool:
        """Queue a closed bar; false = it is not kept, and ``then`` will not be called."""
        if bar.interval not in self._intervals or bar.partial or self._is_closed:
            return False
        if len(self._queue) >= _MOST_WAITING:
            self._counts["dropped"] += 1
            self._warn("too many bars wait to be stored, {} were dropped", self._counts["dropped"])
            return False
        self._queue.append(_Waiting(bar, self._clock.monotonic(), then))
        self._emptied.clear()
        self._arrived.set()
        if self._overdue is None:
            self._overdue = self._clock.call_later(self._limit_s, self._tell_overdue)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store live bars")
        return True

    def stats(self) -> dict[str, Any]:
        """Return how many bars wait, and counts since the start as the class names them.

        ``unwritten`` were left when the server ended.
        """
        return {"waiting": len(self._queue), **self._counts}

    async def aclose(self, limit_s: float = 2.0) -> None:
        """Write what waits, within ``limit_s`` seconds of real time; may be called twice."""
        self._is_closed = True
        task, self._task = self._task, None
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        if task is None:
            return
        try:
            async with asyncio.timeout(limit_s):
                await self._emptied.wait()
        except TimeoutError:
            self._counts["unwritten"] += len(self._queue)
            logger.warning("{} closed bars were not stored before the end", len(self._queue))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._queue.clear()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            count = min(len(self._queue), _MOST_AT_ONCE)
            batch = [self._queue[number] for number in range(count)]
            try:
                await self._write(batch)
            except Exception as error:  # noqa: BLE001 - a defect must not end the only writer
                self._warn("closed bars cannot be stored now, {} wait: {}", len(self._queue), error)
                await self._clock.sleep(_PAUSE_S)
                continue
            for _ in batch:
                self._queue.popleft()
            for one in batch:
                self._tell(one)
            if not self._queue:
                self._arrived.clear()
                self._emptied.set()

    async def _write(self, batch: list[_Waiting]) -> None:
        kept = await self._store.keep(batches_of([one.bar for one in batch], self._clock.now()))
        self._counts["stored"] += kept.stored
        self._counts["rejected"] += kept.rejected

    def _tell_overdue(self) -> None:
        self._overdue = None
        until_s = self._clock.monotonic() - self._limit_s + _SLACK_S
        untold = [one for one in self._queue if one.then is not None]
        late = [one for one in untold if one.since_s <= until_s]
        if len(late) < len(untold):
            after_s = untold[len(late)].since_s - until_s
            self._overdue = self._clock.call_later(after_s, self._tell_overdue)
        for one in late:
            self._counts["told_unstored"] += 1
            self._tell(one)

    @staticmethod
    def _tell(one: _Waiting) -> None:
        then, one.then = one.then, None
        if then is not None:
            then()

    def _warn(self, text: str, *values: object) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._warned_s >= _WARNING_INTERVAL_S:
            self._warned_s = now_s
            logger.warning(text, *values)


def batches_of(bars: Collection[BuiltBar], received_at: datetime) -> list[BarBatch]:
    """Return bars as they are stored; none of their days counts as complete."""
    series: dict[tuple[str, str, str | None], list[BuiltBar]] = {}
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


def _stored(bar: BuiltBar) -> Bar:
    return Bar(
        timestamp=bar.timestamp,
        open_price=bar.open,
        high_price=bar.high,
        low_price=bar.low,
        close_price=bar.close,
        volume=bar.volume,
    )
