"""Moves rows from the queue of the writer to the journal, and gives them back in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import StoreUnavailable
from tickloom.settings import DatabaseSettings
from tickloom.store.journal import Journal, Piece, Unfit
from tickloom.store.rows import Record
from tickloom.store.telling import Telling

T = TypeVar("T")
Queue = deque[tuple[float, Record]]

# After the journal was full, or its disk failed.
_PAUSE_S = 15.0
_MOST_MOVED = 10_000


class Owner(Protocol):
    """The writer whose queue it is."""

    def is_away(self) -> bool:
        """True while the database does not take rows."""
        ...

    def moved(self, unfit: Unfit[Record]) -> None:
        """Take notice of rows that left the queue; ``unfit`` ones are kept nowhere."""
        ...


class Spill:
    """The journal of a writer, for use on the event loop; the disk is waited for in a thread.

    The oldest rows of the queue go first, so that what is in the journal is always older than what
    is in the queue.

    Args:
        journal: Owned from now on.
        queue: Of the writer, each row with the monotonic time at which it came.
        settings: Sizes of queue and batch.
        clock: For ages and pauses.
        owner: Is asked and told.
    """

    def __init__(
        self,
        journal: Journal[Record],
        queue: Queue,
        settings: DatabaseSettings,
        clock: Clock,
        owner: Owner,
    ) -> None:
        self._journal = journal
        self._queue = queue
        self._clock = clock
        self._owner = owner
        self._batch_age_s = settings.batch_age_s
        self._lock = asyncio.Lock()
        self._moving: list[tuple[float, Record]] = []
        self._again_s = 0.0
        self._read_again_s = 0.0
        self._since_s: float | None = None
        self._telling = Telling(clock)
        self._spilled = 0
        self._replayed = 0
        self._lost = 0
        self.last_error = ""

    @property
    def rows(self) -> int:
        """How many rows wait in the journal."""
        return self._journal.rows

    @property
    def moving(self) -> int:
        """How many rows have left the queue and are not on the disk yet."""
        return len(self._moving)

    @property
    def since_s(self) -> float | None:
        """When the journal got its first row, monotonic; ``None`` = it is empty."""
        return self._since_s if self._journal.rows else None

    @property
    def found(self) -> int:
        """How many rows earlier processes had left."""
        return self._journal.found

    @property
    def has_older(self) -> bool:
        """True where rows of the journal have their turn before the queue."""
        has_rows = self._journal.rows > 0 and self._clock.monotonic() >= self._read_again_s
        return has_rows or bool(self._moving)

    async def open(self) -> None:
        """Find what earlier processes left; a journal that cannot be read is told, not raised."""
        try:
            rows = await self._call(self._journal.open)
        except StoreUnavailable as error:
            self._fail(error)
            return
        if rows:
            self._since_s = self._clock.monotonic()
            logger.info("{} rows of the journal in {} are written now", rows, self._journal.folder)

    async def run(self, trouble: asyncio.Event, crowd: int) -> None:
        """Move rows while the database is away or the queue is crowded; runs until cancelled.

        Args:
            trouble: Set when the one or the other may have begun.
            crowd: From so many rows on the queue is crowded; half of them are left in it.
        """
        while True:
            await trouble.wait()
            trouble.clear()
            while self._can_take():
                if len(self._queue) >= crowd:
                    await self._take(len(self._queue) - crowd // 2)
                elif self._owner.is_away() and self._is_old():
                    await self._take(len(self._queue))
                else:
                    break
            if self._owner.is_away():
                await self._clock.sleep(self._batch_age_s)
                trouble.set()

    def _can_take(self) -> bool:
        return self._clock.monotonic() >= self._again_s

    def _is_old(self) -> bool:
        now_s = self._clock.monotonic()
        return bool(self._queue) and now_s - self._queue[0][0] >= self._batch_age_s

    async def _take(self, count: int) -> bool:
        async with self._lock:
            count = min(count, len(self._queue), _MOST_MOVED)
            moving = self._moving = [self._queue.popleft() for _ in range(count)]
            was_empty = not self._journal.rows
            records = [record for _, record in moving]
            taken = 0
            unfit: Unfit[Record] = []
            failure = StoreUnavailable(f"the journal in {self._journal.folder} is full")
            try:
                taken, unfit = await _in_thread(lambda: self._journal.append(records))
            except StoreUnavailable as error:
                failure = error
            finally:
                # After a cancellation they may be on the disk too; to write them twice is no harm.
                self._queue.extendleft(reversed(moving[taken:]))
                self._moving = []
        self._owner.moved(unfit)
        self._note(taken - len(unfit), since_s=moving[0][0] if was_empty and moving else None)
        if taken < count:
            self._fail(failure)
        return taken == count

    async def put_first(self, records: Sequence[Record]) -> bool:
        """Keep rows that are older than all others; False = they could not be kept."""
        if not self._can_take():
            return False
        was_empty = not self._journal.rows
        try:
            unfit = await self._call(lambda: self._journal.put_first(records))
        except StoreUnavailable as error:
            self._fail(error)
            return False
        if unfit is None:
            return False
        self._owner.moved(unfit)
        self._note(len(records) - len(unfit), self._clock.monotonic() if was_empty else None)
        return True

    async def peek(self, most: int) -> Piece[Record] | None:
        """Return the oldest rows, which stay until :meth:`advance`; ``None`` = not readable now."""
        try:
            # Behind what is on its way to the disk.
            piece = await self._call(lambda: self._journal.peek(most))
        except StoreUnavailable as error:
            self._fail(error)
            self._read_again_s = self._clock.monotonic() + _PAUSE_S
            return None
        if piece.lost:
            self._lost += piece.lost
            self._telling.warn("lost", "{} rows of the journal cannot be read any more", self._lost)
        return piece

    async def advance(self, rows: int) -> None:
        """Forget what the last :meth:`peek` returned: ``rows`` of them are settled."""
        self._replayed += rows
        try:
            await self._call(self._journal.advance)
        except StoreUnavailable as error:
            self._fail(error)

    async def aclose(self, limit_s: float) -> None:
        """Move what is left in the queue, within ``limit_s`` seconds, and let go of the folder."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._queue and await self._take(len(self._queue)):
                    continue
        if self._journal.rows:
            logger.info("{} rows wait in the journal for the next start", self._journal.rows)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await _in_thread(self._journal.close)

    def add_to(self, report: dict[str, Any]) -> dict[str, Any]:
        """Return the writer's report on its health with what is to be said of the journal."""
        if self._journal.rows:
            report["journal_rows"] = self._journal.rows
        if self.last_error and report["status"] == "healthy":
            report |= {"status": "degraded", "reason": self.last_error}
        return report

    def stats(self) -> dict[str, Any]:
        """Return counts since the start.

        ``rows`` and ``bytes`` wait on disk; ``spilled`` went there, ``replayed`` were written from
        there, ``lost`` could not be read any more.
        """
        return {
            "rows": self._journal.rows,
            "bytes": self._journal.bytes,
            "limit_bytes": self._journal.limit_bytes,
            "spilled": self._spilled,
            "replayed": self._replayed,
            "lost": self._lost,
            "last_error": self.last_error,
        }

    def _note(self, count: int, since_s: float | None) -> None:
        self._spilled += count
        if count:
            self.last_error = ""
            if since_s is not None:
                self._since_s = since_s

    def _fail(self, error: StoreUnavailable) -> None:
        self.last_error = str(error)
        self._again_s = self._clock.monotonic() + _PAUSE_S
        self._telling.warn("disk", "rows cannot be kept on disk, they wait in memory: {}", error)

    async def _call(self, work: Callable[[], T]) -> T:
        async with self._lock:
            return await _in_thread(work)


async def _in_thread(work: Callable[[], T]) -> T:
    """Return what ``work`` does in a thread; a cancellation waits until it is done."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running], timeout=1.0)
        raise
