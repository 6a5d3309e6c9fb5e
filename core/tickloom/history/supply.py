"""Gets the bars of some days: what is stored from the store, the rest from providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tickloom.calendars import Calendars
from tickloom.clock import Clock
from tickloom.errors import (
    NoData,
    NotSupported,
    StoreUnavailable,
    TickloomError,
    Unavailable,
    UnknownProvider,
    UnknownSymbol,
)
from tickloom.history.asking import Able, Ask, Asker, Found, TellsActions
from tickloom.history.planning import Look, check_session, is_one_unit, look_at
from tickloom.history.reading import Stretch
from tickloom.model import Bar, Dividend, HistoricalData, PriceAdjustment, Split
from tickloom.roles import HistoryRequest
from tickloom.store.bars import BarQuery, BarSpan, StoredRange
from tickloom.store.days import Days, overlap
from tickloom.store.history import HistoryStore

NOBODY = (Unavailable, UnknownSymbol, UnknownProvider, NotSupported)
"""Nobody who could know was there to be asked; no word on whether there are bars."""

# More gaps than that cost more questions than the whole.
_MOST_GAPS = 4


class Gathered(Struct, frozen=True, kw_only=True):
    """Bars of which nothing is missing any more, and what happened in their days.

    Attributes:
        look: The bars; nobody has what is still missing.
        answers: What providers gave for it just now.
        splits: As their providers tell them.
        dividends: The same.
        incomplete: Why some days are missing; ``None`` = nothing is.
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
        tells_actions: Whether a provider tells all splits and dividends.
        able: Who may be asked; by default nobody but whom ``ask`` asks.
    """

    def __init__(
        self,
        store: HistoryStore,
        ask: Ask,
        clock: Clock,
        calendars: Calendars,
        tells_actions: TellsActions,
        able: Able = lambda _request: (),
    ) -> None:
        self.store = store
        self._asker = Asker(store, ask, able, clock, tells_actions)
        self._clock = clock
        self._calendars = calendars
        self.tells_actions = tells_actions

    def today(self, symbol: str) -> date:
        """Return the day that runs now at the symbol's venue."""
        return self._asker.today(symbol)

    async def look(self, request: HistoryRequest, days: Days) -> Look:
        """Return what is stored of some days.

        Args:
            request: The question; its own dates do not count.
            days: Those that are wanted; whole weeks or months where the bars are that long.

        Raises:
            NoSession: Nobody can have a bar of them.
        """
        request = replace(request, start=days.first, end=days.last)
        today = self.today(request.symbol)
        calendar = await self._calendars.get(request.symbol, days.first, days.last)
        check_session(request, days, calendar, today)
        ranges: list[StoredRange] = []
        if self._asker.is_used(request.interval):
            # Of unadjusted bars everything but the adjusted close stays true.
            with_stale = request.adjustment is PriceAdjustment.NONE
            try:
                ranges = await self.store.ranges(request, with_stale=with_stale)
            except TickloomError as error:
                self.pause(error)
        return look_at(request, days, ranges, calendar, today)

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
        found = Found()
        for gap in gaps:
            found += await self._fill(look, gap)
        if not is_one_unit([*look.stretches, *found.stretches]):
            return None
        return _gathered(look, found, splits, dividends)

    async def _fill(self, look: Look, gap: Days) -> Found:
        try:
            return await self._asker.find(look, gap)
        except NoData:
            # As before the first trade of today; the days that are stored are an answer.
            return await self._asker.remember_empty(look, gap)
        except TickloomError as error:
            if not (isinstance(error, NOBODY) and look.is_settled(self.today(look.request.symbol))):
                return await self._asker.find_beside(look, gap, error)
            # Months that are stored are not withheld for the newest days.
            return Found(incomplete=(f"nothing from {gap.first} to {gap.last}: {error}",))

    async def whole(self, look: Look) -> Gathered:
        """Return all of it from a provider, whatever is stored.

        Raises:
            TickloomError: Why it cannot be had.
        """
        found = await self._asker.find(look, look.days)
        return _gathered(replace(look, stretches=()), found)

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
        left_s = self._asker.again_s - self._clock.monotonic()
        if left_s > 0:
            raise StoreUnavailable("the database failed a moment ago", retry_after_s=left_s)
        try:
            return await self.store.spans(query)
        except TickloomError as error:
            self.pause(error)
            raise StoreUnavailable(str(error)) from error

    def pause(self, error: TickloomError) -> None:
        """Leave the database alone for a while; what fails meanwhile does not make that longer."""
        self._asker.pause(error)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start."""
        return {**self._asker.stats(), "bars": self.store.stats()}


def _gathered(
    look: Look,
    found: Found,
    splits: tuple[Split, ...] = (),
    dividends: tuple[Dividend, ...] = (),
) -> Gathered:
    stretches = sorted([*look.stretches, *found.stretches], key=lambda stretch: stretch.days)
    return Gathered(
        look=replace(look, stretches=tuple(stretches), missing=()),
        answers=found.answers,
        splits=splits + tuple(one for answer in found.answers for one in answer.splits),
        dividends=dividends + tuple(one for answer in found.answers for one in answer.dividends),
        incomplete="; ".join(found.incomplete) or None,
    )
