"""Answers questions for history from the database, and says what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import date
from typing import Any

from loguru import logger
from msgspec import Struct
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import BadRecord, StoreUnavailable
from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    PriceAdjustment,
    Split,
    day_of,
)
from tickloom.roles import HistoryRequest
from tickloom.store.backend import Backend
from tickloom.store.bars import BarBatch, BarQuery, BarSpan, SeriesKey, StoredRange
from tickloom.store.columns import Reach, TextForm, bars_to_text, behind
from tickloom.store.days import Days
from tickloom.store.keeping import (
    IsSession,
    asked_days,
    cut,
    halves,
    is_kept,
    sift,
    without_complete,
)
from tickloom.store.ranges import of_provider, share_out

_PIECE_BARS = 2_000
_WRITE_BARS = 20_000
_WARNING_INTERVAL_S = 10.0


class Kept(Struct, frozen=True, kw_only=True):
    """What became of bars that were handed over.

    Attributes:
        stored: Are in the database.
        unfinished: Of a day or a period that is not over yet, or whose periods are not known.
        outside: Of no day that was asked for; their answers count as incomplete.
        rejected: The database cannot hold them; splits and dividends are counted too.
    """

    stored: int = 0
    unfinished: int = 0
    outside: int = 0
    rejected: int = 0


class HistoryStore:
    """Keeps the bars of days that are over, and which days need not be asked for again.

    Args:
        backend: Opened when it is first needed, and again after a failure; owned from now on.
        clock: Tells which days are over.
        is_session: Spares questions for days on which nothing is traded; by default every day
            counts.
    """

    def __init__(
        self, backend: Backend, clock: Clock, is_session: IsSession = lambda _symbol, _day: True
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._is_session = is_session
        self._opening = asyncio.Lock()
        self._is_open = False
        self._counts = {"stored": 0, "unfinished": 0, "outside": 0, "rejected": 0}
        self._rejected = 0
        self._warned_s = -_WARNING_INTERVAL_S

    @property
    def keeps(self) -> bool:
        """False where there is no database."""
        return self._backend.name != "none"

    async def read_text(self, query: BarQuery, form: TextForm) -> AsyncGenerator[bytes, None]:
        """Yield the bars of one provider as text, oldest first, in pieces of some thousand.

        Raises:
            StoreUnavailable: The database is away.
        """
        try:
            backend = await self._open()
            since = query.since
            async with aclosing(backend.read_text(query, form)) as pieces:
                async for piece in pieces:
                    after, since = since, behind(piece.last)
                    if piece.text is not None:
                        yield piece.text
                        continue
                    stretch = replace(query, since=after, until=since)
                    async for bars in backend.read_bars(stretch, _PIECE_BARS):
                        yield bars_to_text([bar for _, bar in bars], form)
        except StoreUnavailable:
            self._is_open = False
            raise

    async def put(self, *answers: HistoricalData, has_actions: bool = False) -> Kept:
        """Store answers; what the database refuses is counted and told, the rest is stored.

        Today's bars, and those of a week or month that still runs, are not stored: they change.

        Args:
            answers: As providers gave them.
            has_actions: They come with all splits and dividends of their days.

        Raises:
            StoreUnavailable: The database is away; nothing that counts as complete is lost.
        """
        sifted = [sift(answer, self._today(answer.symbol), self._is_session) for answer in answers]
        kept = replace(
            await self.keep([replace(one.batch, has_actions=has_actions) for one in sifted]),
            unfinished=sum(one.unfinished for one in sifted),
            outside=sum(one.outside for one in sifted),
        )
        for name in self._counts:
            self._counts[name] += getattr(kept, name)
        return kept

    async def keep(self, batches: Sequence[BarBatch]) -> Kept:
        """Store bars as they are; what the database refuses is counted and told.

        Raises:
            StoreUnavailable: The database is away; nothing that counts as complete is lost.
        """
        stored = rejected = 0
        refused: set[SeriesKey] = set()
        for group in cut(batches, _WRITE_BARS):
            more, bad = await self._write(without_complete(group, refused), refused)
            stored += more
            rejected += bad
        return Kept(stored=stored, rejected=rejected)

    def stats(self) -> dict[str, Any]:
        """Return counts of bars since the start, named as in :class:`Kept`."""
        return {"backend": self._backend.name, **self._counts}

    async def aclose(self) -> None:
        """Let go of the database; may be called twice."""
        self._is_open = False
        await self._backend.aclose()

    async def _open(self) -> Backend:
        # A second opening would cut the first one's connections.
        async with self._opening:
            if not self._is_open:
                await self._backend.open()
                self._is_open = True
        return self._backend

    async def ranges(
        self, request: HistoryRequest, *, with_stale: bool = False
    ) -> list[StoredRange]:
        """Return which of the days asked for are stored and by whom, in order, no day twice.

        Args:
            request: The question.
            with_stale: Those too of which some prices count only on an earlier day, see
                :attr:`StoredRange.is_rewritten`; of unadjusted bars these are the
                ``adjusted_close`` alone.

        Raises:
            StoreUnavailable: The database is away.
        """
        if not is_kept(request.interval):
            return []
        try:
            backend = await self._open()
            stored = await backend.read_ranges(request.symbol, request.interval, request.adjustment)
        except StoreUnavailable:
            self._is_open = False
            raise
        today = self._today(request.symbol)
        stored = [
            old
            for old in of_provider(stored, request.provider)
            if with_stale
            or not old.is_rewritten
            or day_of(request.symbol, old.received_at) == today
        ]
        return share_out(_asked(request), stored)

    async def read(self, query: BarQuery) -> AsyncIterator[list[Bar]]:
        """Yield the bars of ``query`` oldest first, at most 2,000 at a time.

        Raises:
            StoreUnavailable: The database is away.
        """
        try:
            backend = await self._open()
            async for piece in backend.read_bars(query, _PIECE_BARS):
                yield [bar for _, bar in piece]
        except StoreUnavailable:
            self._is_open = False
            raise

    async def reach(self, query: BarQuery, most: int, *, newest_first: bool) -> Reach:
        """Return how far the first bars of one provider go, ``most`` at most.

        Raises:
            StoreUnavailable: The database is away.
        """
        try:
            return await (await self._open()).read_reach(query, most, newest_first=newest_first)
        except StoreUnavailable:
            self._is_open = False
            raise

    async def spans(self, query: BarQuery) -> list[BarSpan]:
        """Return what there is of a series, complete or not, by currency.

        Raises:
            StoreUnavailable: The database is away.
        """
        try:
            return await (await self._open()).read_spans(query)
        except StoreUnavailable:
            self._is_open = False
            raise

    async def events(
        self, request: HistoryRequest, by: Sequence[tuple[str, Days]]
    ) -> tuple[tuple[Split, ...], tuple[Dividend, ...]]:
        """Return the splits and dividends that providers told for some days, oldest first.

        Args:
            request: Its days are looked through; its adjustment says in which shares they are.
            by: Whose word counts for which days.

        Raises:
            StoreUnavailable: The database is away.
        """
        if not by:
            return (), ()
        try:
            found = await (await self._open()).read_actions(request.symbol, _asked(request))
        except StoreUnavailable:
            self._is_open = False
            raise
        events = [
            action.event
            for action in found
            if action.is_adjusted == (request.adjustment is not PriceAdjustment.NONE)
            and any(
                action.provider == provider and action.event.day in days for provider, days in by
            )
        ]
        return (
            tuple(event for event in events if isinstance(event, Split)),
            tuple(event for event in events if isinstance(event, Dividend)),
        )

    def _today(self, symbol: str) -> date:
        return day_of(symbol, self._clock.now())

    async def _write(self, batches: list[BarBatch], refused: set[SeriesKey]) -> tuple[int, int]:
        """Write batches; return how many bars were stored, and how many values were refused."""
        try:
            stored = await (await self._open()).write_bars(batches)
        except BadRecord as error:
            # Halved until the bad one stands alone, so that only it is lost.
            parts = halves(batches)
            if not parts:
                return 0, self._reject(batches[0], error)
            if len(batches) == 1:
                refused.add(batches[0].series)
            counts = [await self._write(part, refused) for part in parts]
            return sum(count for count, _ in counts), sum(count for _, count in counts)
        except StoreUnavailable:
            self._is_open = False
            raise
        return stored, 0

    def _reject(self, batch: BarBatch, error: BadRecord) -> int:
        history = batch.history
        count = len(history.data_points) + len(history.splits) + len(history.dividends)
        self._rejected += count
        now_s = self._clock.monotonic()
        if now_s - self._warned_s >= _WARNING_INTERVAL_S:
            self._warned_s = now_s
            logger.warning(
                "{} bars or events rejected, the last one of {!r} by {!r}: {}",
                self._rejected,
                history.symbol,
                history.provider,
                error,
            )
        return count


def _asked(request: HistoryRequest) -> Days:
    return asked_days(request.interval, request.start, request.end)
