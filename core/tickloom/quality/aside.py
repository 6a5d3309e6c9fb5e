"""What the quarantine keeps on disk while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import StoreUnavailable
from tickloom.store import Journal
from tickloom.store.quality_rows import Kept
from tickloom.store.telling import Telling

_MOST_AT_ONCE = 500
# After the journal was full, or its disk failed.
_PAUSE_S = 15.0


class Aside:
    """A journal for use on the event loop; the disk is waited for in a thread.

    Nothing here raises: what the disk does not take stays with the caller, and that is told.

    Args:
        journal: Owned from now on; ``None`` = there is none.
        clock: For pauses.
    """

    def __init__(self, journal: Journal[Kept] | None, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._telling = Telling(clock)
        self._is_open = False
        self._again_s = 0.0
        self._journaled = 0
        self._replayed = 0
        self._lost = 0
        self.last_error = ""

    @property
    def rows(self) -> int:
        """How many rows and events wait on disk."""
        return 0 if self._journal is None else self._journal.rows

    @property
    def has_more(self) -> bool:
        """True where something waits, or nobody has looked yet."""
        return self._journal is not None and (self._journal.rows > 0 or not self._is_open)

    async def put(self, kept: Sequence[Kept]) -> tuple[int, int]:
        """Force rows to the disk.

        Returns:
            How many of them, from the first on, need not be kept by the caller any longer; and how
            many of those cannot be kept at all.
        """
        journal = self._journal
        if journal is None or not kept or self._clock.monotonic() < self._again_s:
            return 0, 0
        try:
            taken, unfit = await asyncio.to_thread(journal.append, kept)
        except StoreUnavailable as error:
            self._fail(error)
            return 0, 0
        self._journaled += taken - len(unfit)
        if taken < len(kept):
            self._fail(StoreUnavailable(f"the journal in {journal.folder} is full"))
        for _, reason in unfit:
            self._telling.warn("bad", "a row of the quarantine cannot be kept on disk: {}", reason)
        return taken, len(unfit)

    async def peek(self) -> list[Kept] | None:
        """Return the oldest that wait, until :meth:`advance`; ``None`` = none, or not readable."""
        journal = self._journal
        if journal is None or self._clock.monotonic() < self._again_s:
            return None
        try:
            if not self._is_open:
                found = await asyncio.to_thread(journal.open)
                self._is_open = True
                if found:
                    text = "{} rows and events of the quarantine in {} are written now"
                    logger.info(text, found, journal.folder)
            if not journal.rows:
                return None
            piece = await asyncio.to_thread(journal.peek, _MOST_AT_ONCE)
        except StoreUnavailable as error:
            self._fail(error)
            return None
        if piece.lost:
            self._lost += piece.lost
            text = "{} rows of the quarantine on disk cannot be read any more"
            self._telling.warn("lost", text, self._lost)
        return piece.records

    async def advance(self, rows: int) -> None:
        """Forget what the last :meth:`peek` returned: ``rows`` of them are stored."""
        self._replayed += rows
        if self._journal is None:
            return
        try:
            await asyncio.to_thread(self._journal.advance)
        except StoreUnavailable as error:
            self._fail(error)

    async def aclose(self, limit_s: float = 1.0) -> None:
        """Let go of the folder; what is in it is written at the next start."""
        if self._journal is None:
            return
        if self._journal.rows:
            text = "{} rows and events of the quarantine wait in the journal for the next start"
            logger.info(text, self._journal.rows)
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.to_thread(self._journal.close)
        except TimeoutError:
            logger.warning("the journal in {} could not be closed", self._journal.folder)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start; ``rows`` wait, ``lost`` could not be read any more."""
        return {
            "rows": self.rows,
            "journaled": self._journaled,
            "replayed": self._replayed,
            "lost": self._lost,
            "last_error": self.last_error,
        }

    def _fail(self, error: StoreUnavailable) -> None:
        self.last_error = str(error)
        self._again_s = self._clock.monotonic() + _PAUSE_S
        text = "the quarantine cannot be kept on disk and waits in memory: {}"
        self._telling.warn("disk", text, error)
