"""Gets the bars of some days: what is stored from the store, the rest from providers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date
from typing import Any

from loguru import logger
from msgspec import Struct
from msgspec.structs import replace

from tickloom.calendars import Calendar, Calendars
from tickloom.clock import Clock
from tickloom.errors import (
    NoData,
    NotSupported,
    StoreUnavailable,
    TickloomError,
    Unavailable,
    UnknownProvider,
    UnknownSymbol,
    verbatim,
)
from tickloom.history.planning import (
    SETTLED,
    Look,
    asked_part,
    clip,
    given_stretch,
    is_one_unit,
    look_at,
)
from tickloom.history.reading import Stretch
from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Split,
    day_of,
)
from tickloom.roles import HistoryRequest
from tickloom.store.bars import BarBatch, BarQuery, BarSpan
from tickloom.store.days import Days, overlap
from tickloom.store.history import HistoryStore
from tickloom.store.keeping import is_kept

Ask = Callable[[HistoryRequest], Awaitable[HistoricalData]]

TellsActions = Callable[[str], bool]
"""Whether a provider that runs gives unadjusted days with all of their splits and dividends."""

NOBODY = (Unavailable, UnknownSymbol, UnknownProvider, NotSupported)
"""Nobody who could know was there to be asked; no word on whether there are bars."""

_PAUSE_S = 15.0
_WARNING_INTERVAL_S = 10.0
# More gaps than that cost more questions than the whole.
_MOST_GAPS = 4
# More would hold up the event loop for milliseconds.
_INLINE_BARS = 5_000


class Gathered(Struct, frozen=True, kw_only=True):
    """Bars of which nothing is missing any more, and what happened in their days.

    Attributes:
        look: The bars; nobody has what is still missing.
        answers: What providers gave for it just now.
        splits: As their providers tell them.
        dividends: The same.
        incomplete: Why the newest days are missing; ``None`` = nothing is.
    """

    look: Look
    answers: tuple[HistoricalData, ...] = ()
    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = ()
    incomplete: str | None = None


class Supply:
    """The store and the providers, as one.

    A database that is away costs no answer: it is left alone for 15 s, and meanwhile nothing
    counts as stored.

    Args:
        store: Owned from now on.
        ask: Asks the providers.
        clock: For the pause, and for the venue's day.
        calendars: Tell which days have a session.
        tells_actions: See above.
    """

    def __init__(
        self,
        store: HistoryStore,
        ask: Ask,
        clock: Clock,
        calendars: Calendars,
        tells_actions: TellsActions,
    ) -> None:
        self.store = store
        self._ask = ask
        self._clock = clock
        self._calendars = calendars
        self.tells_actions = tells_actions
        self._again_s = 0.0
        self._warned_s = -_WARNING_INTERVAL_S
        self.failures = 0
        self.outside = 0

    def today(self, symbol: str) -> date:
        """Return the day that runs now at the symbol's venue."""
        return day_of(symbol, self._clock.now())

    async def look(self, request: HistoryRequest, days: Days) -> Look:
        """Return what is stored of some days.

        Args:
            request: The question; its own dates do not count.
            days: Those that are wanted; whole weeks or months where the bars are that long.
        """
        request = replace(request, start=days.first, end=days.last)
        if self._is_used(request.interval):
            calendar = await self._calendars.get(request.symbol, days.first, days.last)
            # Of unadjusted bars everything but the adjusted close stays true.
            with_stale = request.adjustment is PriceAdjustment.NONE
            try:
                ranges = await self.store.ranges(request, with_stale=with_stale)
            except TickloomError as error:
                self.pause(error)
            else:
                return look_at(request, days, ranges, calendar, self.today(request.symbol))
        return Look(
            request=request,
            days=days,
            stretches=(),
            missing=(days,),
            calendar=Calendar(None, {}),
        )

    async def gather(self, look: Look, rest: Days | None) -> Gathered | None:
        """Return what is stored and, from providers, what is missing.

        ``None`` = a provider should be asked for all of it instead: nothing is stored, there are
        too many gaps, or prices would be in several currencies.

        Args:
            look: At what is stored.
            rest: Days of which bars are needed; gaps elsewhere are left. ``None`` = none are.

        Raises:
            StoreUnavailable: The database went away in between; ask again.
            TickloomError: Why a part cannot be had.
        """
        gaps = [gap for gap in look.missing if rest is not None and overlap(gap, rest)]
        if not look.stretches or len(gaps) > _MOST_GAPS:
            return None
        splits, dividends = await self.events(look, look.days)
        stretches, answers = list(look.stretches), []
        incomplete: str | None = None
        today = self.today(look.request.symbol)
        for gap in gaps:
            try:
                answer = await self.ask(look.request, gap)
            except NoData:
                # As before the first trade of today; the days that are stored are an answer.
                empty = await self._remember_empty(look, gap, today)
                stretches += [] if empty is None else [empty]
                continue
            except NOBODY as error:
                if not look.is_settled(today):
                    raise
                # Months that are stored are not withheld for the newest days.
                incomplete = f"nothing from {gap.first} to {gap.last}: {error}"
                continue
            answers.append(answer)
            stretches.append(given_stretch(answer, gap))
        if not is_one_unit(stretches):
            return None
        stretches.sort(key=lambda stretch: stretch.days)
        return Gathered(
            look=replace(look, stretches=tuple(stretches), missing=()),
            answers=tuple(answers),
            splits=splits + tuple(one for answer in answers for one in answer.splits),
            dividends=dividends + tuple(one for answer in answers for one in answer.dividends),
            incomplete=incomplete,
        )

    async def _remember_empty(self, look: Look, gap: Days, today: date) -> Stretch | None:
        """Let days that nobody has bars of count as stored, where none will come any more.

        They are put down to the provider of the days beside them, since it was asked too.
        """
        if gap.first > today - SETTLED:
            return None
        days = Days(gap.first, min(gap.last, today - SETTLED))
        after = [one for one in look.stretches if one.days.first > gap.last]
        beside = after[0] if after else look.stretches[-1]
        request = look.request
        empty = HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=days.first,
            end_date=days.last,
            provider=beside.provider,
            received_at=beside.received_at,
            data_points=(),
            timeliness=beside.timeliness,
            adjustment=PriceAdjustment(request.adjustment),
            currency=beside.currency,
            exchange=beside.exchange,
        )
        if self._is_used(request.interval):
            try:
                batch = BarBatch(
                    history=empty, complete=(days,), has_actions=self._has_actions(empty)
                )
                await self.store.keep([batch])
            except TickloomError as error:
                self.pause(error)
        return given_stretch(empty, days)

    async def whole(self, look: Look) -> Gathered:
        """Return all of it from a provider, whatever is stored.

        Raises:
            TickloomError: Why it cannot be had.
        """
        answer = await self.ask(look.request, look.days)
        stretch = given_stretch(answer, look.days)
        return Gathered(
            look=replace(look, stretches=(stretch,), missing=()),
            answers=(answer,),
            splits=answer.splits,
            dividends=answer.dividends,
        )

    async def ask(self, request: HistoryRequest, days: Days) -> HistoricalData:
        """Ask a provider, store what it says, and return what it says of ``days``.

        Bars and events of other days are dropped, counted and told. That is done here and not
        where answers are checked, since the store trusts an answer with such bars less.

        Raises:
            NoData: There is no bar of these days.
            TickloomError: Why there is no answer.
        """
        part = asked_part(request, days, self.today(request.symbol))
        answer = await self._ask(part)
        if self._is_used(request.interval):
            try:
                await self.store.put(answer, has_actions=self._has_actions(answer))
            except TickloomError as error:
                self.pause(error)
        if len(answer.data_points) > _INLINE_BARS:
            clipped = await asyncio.to_thread(clip, answer, days)
        else:
            clipped = clip(answer, days)
        dropped = len(answer.data_points) - len(clipped.data_points)
        if dropped:
            self._tell_outside(answer, days, dropped)
            if not clipped.data_points:
                raise NoData(
                    f"provider {answer.provider} has no bars of {request.symbol} "
                    f"from {days.first} to {days.last}",
                    found=verbatim(f"{dropped} bars of other days"),
                )
        return clipped

    def _has_actions(self, answer: HistoricalData) -> bool:
        is_raw = answer.adjustment == PriceAdjustment.NONE and answer.interval == Interval.DAY
        return is_raw and self.tells_actions(answer.provider)

    def has_actions(self, stretch: Stretch) -> bool:
        """True where all splits and dividends of unadjusted days are known.

        Of days that were stored before anybody took note of it the provider's plugin says so.
        """
        return stretch.has_actions or self.tells_actions(stretch.provider)

    async def events(
        self, look: Look, days: Days
    ) -> tuple[tuple[Split, ...], tuple[Dividend, ...]]:
        """Return the splits and dividends that the providers of what is stored told.

        Raises:
            StoreUnavailable: The database went away in between.
        """
        by = [(one.provider, one.days) for one in look.stretches if one.bars is None]
        return await self.events_by(replace(look.request, start=days.first, end=days.last), by)

    async def events_by(
        self, request: HistoryRequest, by: Sequence[tuple[str, Days]]
    ) -> tuple[tuple[Split, ...], tuple[Dividend, ...]]:
        """Return those that were told by some providers for some days.

        Raises:
            StoreUnavailable: The database went away in between.
        """
        try:
            return await self.store.events(request, by)
        except TickloomError as error:
            self.pause(error)
            raise StoreUnavailable(str(error)) from error

    async def read(self, query: BarQuery) -> AsyncIterator[Sequence[Bar]]:
        """Yield stored bars oldest first.

        Raises:
            StoreUnavailable: The database went away in between.
        """
        async for piece in self.store.read(query):
            yield piece

    async def spans(self, query: BarQuery) -> list[BarSpan]:
        """Return what is stored of a series, complete or not, by currency.

        Raises:
            NotSupported: There is no database.
            StoreUnavailable: It is away, and nobody else has them.
        """
        if not self.store.keeps:
            raise NotSupported("nothing is stored: there is no database", fix="Set database.url.")
        left_s = self._again_s - self._clock.monotonic()
        if left_s > 0:
            raise StoreUnavailable("the database failed a moment ago", retry_after_s=left_s)
        try:
            return await self.store.spans(query)
        except TickloomError as error:
            self.pause(error)
            raise StoreUnavailable(str(error)) from error

    def pause(self, error: TickloomError) -> None:
        """Leave the database alone for a while; what fails meanwhile does not make that longer."""
        if self._clock.monotonic() < self._again_s:
            return
        self.failures += 1
        self._again_s = self._clock.monotonic() + _PAUSE_S
        logger.warning("history is neither read from the database nor stored now: {}", error)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start."""
        return {"failures": self.failures, "outside": self.outside, "bars": self.store.stats()}

    def _is_used(self, interval: Interval) -> bool:
        is_there = self.store.keeps and self._clock.monotonic() >= self._again_s
        return is_there and is_kept(interval)

    def _tell_outside(self, answer: HistoricalData, days: Days, dropped: int) -> None:
        self.outside += dropped
        now_s = self._clock.monotonic()
        if now_s - self._warned_s >= _WARNING_INTERVAL_S:
            self._warned_s = now_s
            logger.warning(
                "provider {} gave {} bars of {} outside of {} to {}, which are dropped; "
                "{} since the start",
                answer.provider,
                dropped,
                answer.symbol,
                days.first,
                days.last,
                self.outside,
            )
