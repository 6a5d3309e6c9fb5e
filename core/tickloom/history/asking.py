"""Asks providers for missing days, and stores what they say; asks others for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any

from loguru import logger
from msgspec import Struct
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import NoData, NotFound, TickloomError, verbatim
from tickloom.history.planning import (
    SETTLED,
    Look,
    asked_part,
    clip,
    edges_of,
    given_stretch,
    within,
    within_dividends,
)
from tickloom.history.reading import Stretch
from tickloom.model import HistoricalData, Interval, PriceAdjustment, day_of
from tickloom.roles import HistoryRequest
from tickloom.store.bars import BarBatch
from tickloom.store.days import Days, without
from tickloom.store.history import HistoryStore
from tickloom.store.keeping import is_kept
from tickloom.store.ranges import alone

Ask = Callable[[HistoryRequest], Awaitable[HistoricalData]]

TellsActions = Callable[[str], bool]
"""Whether a provider that runs gives unadjusted days with all of their splits and dividends."""

Able = Callable[[HistoryRequest], Sequence[str]]
"""The names of those who may be asked a question that names nobody, first choice first."""

_PAUSE_S = 15.0
_WARNING_INTERVAL_S = 10.0
# More would hold up the event loop for milliseconds.
_INLINE_BARS = 5_000


class Found(Struct, frozen=True, kw_only=True):
    """What came of asking for days.

    Attributes:
        stretches: What is known of them now, in no order, no day twice.
        answers: What providers gave, without what others gave of the same days.
        incomplete: Why nothing is known of some of the days; empty = something is of all.
    """

    stretches: tuple[Stretch, ...] = ()
    answers: tuple[HistoricalData, ...] = ()
    incomplete: tuple[str, ...] = ()

    def __add__(self, other: Found) -> Found:
        return Found(
            stretches=self.stretches + other.stretches,
            answers=self.answers + other.answers,
            incomplete=self.incomplete + other.incomplete,
        )


class Asker:
    """Asks providers, and stores what they say unless the database failed a moment ago.

    Args:
        store: Takes the answers.
        ask: Asks the providers.
        able: See above.
        clock: For the pause, and for the venue's day.
        tells_actions: See above.
    """

    def __init__(
        self,
        store: HistoryStore,
        ask: Ask,
        able: Able,
        clock: Clock,
        tells_actions: TellsActions,
    ) -> None:
        self._store = store
        self._ask = ask
        self._able = able
        self._clock = clock
        self._tells_actions = tells_actions
        self._warned_s = -_WARNING_INTERVAL_S
        self.again_s = 0.0
        self.failures = 0
        self.outside = 0
        self.twice = 0

    def today(self, symbol: str) -> date:
        """Return the day that runs now at the symbol's venue."""
        return day_of(symbol, self._clock.now())

    async def find(self, look: Look, days: Days) -> Found:
        """Return what providers have of some days.

        The word of one provider is not enough for the days before its first and after its last
        bar, as it may not reach back so far: the others are asked for these.

        Raises:
            NoData: Nobody has a bar of these days.
            TickloomError: Why it is not known whether somebody has.
        """
        answer, is_sure = await self.ask(look.request, days)
        others = self._others(look.request, answer.provider)
        return await self._with_edges(look, days, answer, others if is_sure else None)

    async def find_beside(self, look: Look, days: Days, error: TickloomError) -> Found:
        """Return what is known of days beside stored ones after a question for them failed.

        Whoever gave the days beside them may know that it has none of these; that others cannot
        tell, say since one of them is away, is then no reason to withhold what is stored.

        Raises:
            TickloomError: ``error``, where nobody who has bars of the symbol says anything; its
                message names the days.
        """
        symbol = look.request.symbol
        failure = error.about(f"{days.first} to {days.last} of {symbol} are not stored")
        if look.request.provider is not None:
            raise failure from error
        beside = _beside(look, days)
        others = self._others(look.request, beside.provider)
        try:
            question = replace(look.request, provider=beside.provider)
            answer, is_sure = await self.ask(question, days)
        except NoData:
            found = await self._beyond(look, days, beside.currency, others)
            return await self.remember_empty(look, days) if found is None else found
        except TickloomError:
            raise failure from error
        return await self._with_edges(look, days, answer, others if is_sure else None)

    async def remember_empty(self, look: Look, days: Days, beside: Stretch | None = None) -> Found:
        """Let days that nobody has bars of count as stored, where none will come any more.

        They are put down to the provider of the days beside them, since it was asked too. Where it
        alone was asked, they count only for those who ask it alone.
        """
        request = look.request
        settled = self.today(request.symbol) - SETTLED
        if days.first > settled:
            return Found()
        beside = beside or _beside(look, days)
        days = Days(days.first, min(days.last, settled))
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
        if self.is_used(request.interval):
            has_actions = self._has_actions(empty)
            kept = empty
            if request.provider is not None:
                kept = replace(empty, provider=alone(beside.provider))
            batch = BarBatch(history=kept, complete=(days,), has_actions=has_actions)
            try:
                await self._store.keep([batch])
            except TickloomError as error:
                self.pause(error)
        return Found(stretches=(given_stretch(empty, days),))

    async def ask(self, request: HistoryRequest, days: Days) -> tuple[HistoricalData, bool]:
        """Ask, store the answer, and return what it says of ``days``, and whether it is sure.

        Bars and events of other days are dropped, counted and told. That is done here and not
        where answers are checked, since the store trusts an answer with such bars less: its days
        may be shifted, so that nothing is sure.

        Raises:
            NoData: There is no bar of these days.
            TickloomError: Why there is no answer.
        """
        part = asked_part(request, days, self.today(request.symbol))
        answer = await self._ask(part)
        if self.is_used(request.interval):
            try:
                await self._store.put(answer, has_actions=self._has_actions(answer))
            except TickloomError as error:
                self.pause(error)
        if len(answer.data_points) > _INLINE_BARS:
            clipped, outside = await asyncio.to_thread(clip, answer, days)
        else:
            clipped, outside = clip(answer, days)
        twice = len(answer.data_points) - outside - len(clipped.data_points)
        if twice:
            self.twice += twice
            self._tell(answer, twice, "of times that other bars of the answer have", self.twice)
        if outside:
            self.outside += outside
            between = f"outside of {days.first} to {days.last}"
            self._tell(answer, outside, between, self.outside)
            if not clipped.data_points:
                raise NoData(
                    f"provider {answer.provider} has no bars of {request.symbol} "
                    f"from {days.first} to {days.last}",
                    found=verbatim(f"{outside} bars of other days"),
                )
        return clipped, not outside

    def pause(self, error: TickloomError) -> None:
        """Leave the database alone for a while; what fails meanwhile does not make that longer."""
        if self._clock.monotonic() < self.again_s:
            return
        self.failures += 1
        self.again_s = self._clock.monotonic() + _PAUSE_S
        logger.warning("history is neither read from the database nor stored now: {}", error)

    def is_used(self, interval: Interval) -> bool:
        """True where bars of this length are read from the database and stored there now."""
        is_there = self._store.keeps and self._clock.monotonic() >= self.again_s
        return is_there and is_kept(interval)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start."""
        return {"failures": self.failures, "outside": self.outside, "twice": self.twice}

    def _others(self, request: HistoryRequest, provider: str) -> list[str]:
        if request.provider is not None:
            return []
        return [name for name in self._able(request) if name != provider]

    async def _with_edges(
        self, look: Look, days: Days, answer: HistoricalData, others: Sequence[str] | None
    ) -> Found:
        """Return an answer and what others have of the days before and after its bars.

        Args:
            look: At what is stored.
            days: Those that were asked for.
            answer: Of one provider.
            others: Who may have more; ``None`` = its own days are not sure, so leave it at that.
        """
        own, found = days, Found()
        today = self.today(look.request.symbol)
        edges = () if others is None else edges_of(answer, days, look.calendar, today)
        for edge in edges:
            beyond = await self._beyond(look, edge, answer.currency, others or ())
            if beyond is None:
                await self.remember_empty(look, edge, given_stretch(answer, days))
                continue
            found += beyond
            # What is left of it holds the bars, and an edge is at one of its ends.
            [own] = [one for one in without(own, [edge]) if _reaches(one, answer)]
        answer = replace(
            answer,
            splits=within(answer.splits, own),
            dividends=within_dividends(answer.dividends, own),
        )
        return found + Found(stretches=(given_stretch(answer, own),), answers=(answer,))

    async def _beyond(
        self, look: Look, days: Days, currency: str | None, others: Sequence[str]
    ) -> Found | None:
        """Return what others have of days; ``None`` = all of them say that they have nothing."""
        reason: object = None
        away: list[str] = []
        for place, name in enumerate(others, 1):
            try:
                answer, is_sure = await self.ask(replace(look.request, provider=name), days)
            except NotFound:
                continue
            except TickloomError as error:
                away.append(name)
                reason = reason or error
                continue
            if answer.currency == currency:
                left = [*away, *others[place:]]
                return await self._with_edges(look, days, answer, left if is_sure else None)
            # Pence after pounds would look like a crash.
            unit = answer.currency or "no currency that is stated"
            reason = reason or f"provider {name} has prices in {unit}, and not in {currency}"
        if reason is None:
            return None
        return Found(incomplete=(f"nothing from {days.first} to {days.last}: {reason}",))

    def _has_actions(self, answer: HistoricalData) -> bool:
        is_raw = answer.adjustment == PriceAdjustment.NONE and answer.interval == Interval.DAY
        return is_raw and self._tells_actions(answer.provider)

    def _tell(self, answer: HistoricalData, count: int, which: str, since_start: int) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._warned_s >= _WARNING_INTERVAL_S:
            self._warned_s = now_s
            logger.warning(
                "provider {} gave {} bars of {} {}, which are dropped; {} since the start",
                answer.provider,
                count,
                answer.symbol,
                which,
                since_start,
            )


def _beside(look: Look, days: Days) -> Stretch:
    after = [one for one in look.stretches if one.days.first > days.last]
    return after[0] if after else look.stretches[-1]


def _reaches(days: Days, answer: HistoricalData) -> bool:
    return any(day_of(answer.symbol, bar.timestamp) in days for bar in answer.data_points[:1])
