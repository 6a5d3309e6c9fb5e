"""Answers that are computed from stored bars instead of asked for."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from loguru import logger
from msgspec import Struct
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.history.adjusting import Factors
from tickloom.history.planning import Look, asked_part
from tickloom.history.reading import Recipe
from tickloom.history.rolling import FINER
from tickloom.history.supply import Gathered, Supply
from tickloom.model import Dividend, Interval, PriceAdjustment, Split, day_of
from tickloom.roles import HistoryRequest
from tickloom.store.days import Days, overlap

_DAY = timedelta(days=1)
# An event of today may be published with the first trade.
_KNOWN_S = 900.0
_MOST_KNOWN = 10_000


class Computed(Struct, frozen=True, kw_only=True):
    """How an answer is computed, and what belongs to its head.

    Attributes:
        recipe: How.
        gathered: What it is made of; its dividends are in the shares that the adjustment means.
    """

    recipe: Recipe
    gathered: Gathered


class Computing:
    """Rolls bars up and adjusts them, where the store has what that takes.

    Args:
        supply: Where bars come from.
        clock: Says how long what is known of today counts.
    """

    def __init__(self, supply: Supply, clock: Clock) -> None:
        self._supply = supply
        self._clock = clock
        self._known: dict[tuple[str, str, date], float] = {}

    async def rolled(
        self, request: HistoryRequest, days: Days, rest: Days | None
    ) -> Computed | None:
        """Return how bars are rolled up; ``None`` = they cannot be.

        They can where shorter bars of one provider are stored for all days but the newest.

        Args:
            request: The question.
            days: Those whose bars are wanted.
            rest: Those whose bars are needed; ``None`` = none are.

        Raises:
            TickloomError: Why the newest days cannot be had.
        """
        shorter = FINER.get(request.interval)
        if shorter is None:
            return None
        look = await self._look(request, shorter, days)
        gathered = await self._complete(look, rest)
        if gathered is None:
            return None
        return Computed(recipe=gathered.look.recipe(request.interval), gathered=gathered)

    async def adjusted(
        self, request: HistoryRequest, days: Days, rest: Days | None, nobody: str | None = None
    ) -> Computed | None:
        """Return how bars are adjusted; ``None`` = they cannot be.

        They can where the same provider's unadjusted bars are stored for all days but the newest,
        and so are its unadjusted days until yesterday, which its splits and dividends came with.
        For those of today it is asked once in a quarter of an hour. Where it does not answer,
        prices of the past are in the shares of the last day that is known.

        Args:
            request: The question.
            days: Those whose bars are wanted.
            rest: Those whose bars are needed; ``None`` = none are.
            nobody: Why nobody else can answer: what is stored is then made do with, and nobody is
                asked. ``None`` = somebody may.

        Raises:
            TickloomError: Why the newest days cannot be had.
        """
        raw = replace(request, adjustment=PriceAdjustment.NONE)
        today = self._supply.today(request.symbol)
        until = Days(days.first, max(today, days.first))
        daily = await self._supply.look(replace(raw, interval=Interval.DAY), until)
        provider = daily.provider
        if provider is None or not all(map(self._supply.has_actions, daily.stretches)):
            return None
        base = await self._base(raw, days, daily)
        if base is None or base.provider != provider:
            return None
        if nobody is None:
            is_needed = base is daily and days.last >= today
            told = await self._told(daily, provider, is_needed=is_needed)
        else:
            told, rest = await self._stored(daily, nobody), None
        if told is None:
            return None
        # What was given for today is a part of the daily bars already.
        gathered = told if base is daily else await self._complete(base, rest)
        if gathered is None or gathered.look.provider != provider:
            return None
        return await self.joined(request, days, told, gathered)

    async def joined(
        self, request: HistoryRequest, days: Days, told: Gathered, base: Gathered
    ) -> Computed | None:
        """Return bars with what happened since then; ``None`` = it is not believed.

        Args:
            request: The question.
            days: Those whose bars are wanted.
            told: The daily bars until today.
            base: The bars that are adjusted, of the same provider; ``told`` = these.

        Raises:
            StoreUnavailable: The database went away in between.
        """
        gathered = replace(base, incomplete=base.incomplete or told.incomplete)
        if base is told:
            part = overlap(gathered.look.days, days) or gathered.look.days
            gathered = replace(gathered, look=replace(gathered.look, days=part))
        splits, dividends = await self._events(told)
        counted = dividends if request.adjustment is PriceAdjustment.ALL else ()
        closes = await self._closes(told.look, counted)
        try:
            factors = Factors(splits, counted, closes, told.look.stretches[0].currency)
        except ValueError as error:
            logger.info("prices of {} are not adjusted by us: {}", request.symbol, error)
            return None
        recipe = replace(gathered.look.recipe(request.interval), factors=factors)
        paid = tuple(replace(one, amount=factors.amount_of(one)) for one in dividends)
        return Computed(recipe=recipe, gathered=replace(gathered, splits=splits, dividends=paid))

    async def _events(self, told: Gathered) -> tuple[tuple[Split, ...], tuple[Dividend, ...]]:
        look = told.look
        if all(one.bars is not None for one in look.stretches):
            # There may be no database that has them.
            return told.splits, told.dividends
        by = [(one.provider, look.days) for one in look.stretches[:1]]
        return await self._supply.events_by(look.request, by)

    async def _look(self, request: HistoryRequest, interval: Interval, days: Days) -> Look:
        today = self._supply.today(request.symbol)
        part = asked_part(request, days, today)
        return await self._supply.look(
            replace(request, interval=interval), Days(part.start, part.end)
        )

    async def _complete(self, look: Look, rest: Days | None) -> Gathered | None:
        if look.provider is None or not look.is_settled(self._supply.today(look.request.symbol)):
            return None
        gathered = await self._supply.gather(look, rest)
        # The newest days may have come from another one.
        return gathered if gathered is not None and gathered.look.provider is not None else None

    async def _base(self, raw: HistoryRequest, days: Days, daily: Look) -> Look | None:
        today = self._supply.today(raw.symbol)
        for interval in (raw.interval, FINER.get(raw.interval)):
            if interval is Interval.DAY:
                return daily
            if interval is None or not interval.is_intraday:
                continue
            look = await self._look(raw, interval, days)
            if look.provider is not None and look.is_settled(today):
                return look
        return None

    async def _told(self, daily: Look, provider: str, *, is_needed: bool) -> Gathered | None:
        """Return the daily bars until today, for which the provider told what happened."""
        symbol = daily.request.symbol
        today = self._supply.today(symbol)
        # Others could give the bars of the newest days, but not what happened to these shares.
        if not daily.is_settled(today) or (
            daily.missing and not self._supply.tells_actions(provider)
        ):
            return None
        only_today = all(gap.first >= today for gap in daily.missing)
        known = (symbol, provider, today)
        is_known = self._clock.monotonic() < self._known.get(known, 0.0)
        if only_today and is_known and not is_needed:
            return await self._supply.gather(daily, None)
        gathered = await self._supply.gather(daily, daily.days)
        if gathered is not None and gathered.incomplete is not None:
            if only_today and not is_needed:
                return await self._supply.gather(daily, None)
            return gathered if gathered.look.provider == provider else None
        if gathered is None or gathered.look.provider != provider:
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[known] = self._clock.monotonic() + _KNOWN_S
        return gathered

    async def _stored(self, daily: Look, nobody: str) -> Gathered | None:
        """Return the daily bars that are stored, and say what is not known of the newest days."""
        if not daily.is_settled(self._supply.today(daily.request.symbol)):
            return None
        told = await self._supply.gather(daily, None)
        if told is None or not daily.missing:
            return told
        first, last = daily.missing[0].first, daily.missing[-1].last
        return replace(told, incomplete=f"nothing from {first} to {last}: {nobody}")

    async def _closes(self, look: Look, dividends: tuple[Dividend, ...]) -> dict[date, Decimal]:
        """Return for each ex-date the close of the last session before it."""
        waiting = sorted({one.day for one in dividends}, reverse=True)
        closes: dict[date, Decimal] = {}
        before: Decimal | None = None
        if not waiting:
            return closes
        async for piece in look.recipe().bars(look.days, self._supply.read):
            for bar in piece:
                day = day_of(look.request.symbol, bar.timestamp)
                while waiting and waiting[-1] <= day:
                    ex_date = waiting.pop()
                    if before is not None:
                        closes[ex_date] = before
                before = bar.close_price
        if before is not None:
            closes.update((ex_date, before) for ex_date in waiting)
        return closes
