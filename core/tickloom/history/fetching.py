"""Asks for the bars out of which an answer can be computed, where nobody gives it as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from msgspec.structs import replace

from tickloom.errors import NoData, NotSupported, StoreUnavailable, TickloomError
from tickloom.history.computing import Computed, Computing
from tickloom.history.planning import PERIODS, Look, asked_part
from tickloom.history.rolling import FINER
from tickloom.history.supply import Gathered, Supply
from tickloom.model import Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom.store.days import Days

# Nominal ones, so that shares have a quarter of that. Those that come are held until they are told.
_MOST_BARS = 100_000
_DAY = timedelta(days=1)

Tellers = Callable[[str], Sequence[str]]
"""Who gives unadjusted days of a symbol with all splits and dividends, first choice first."""


class _TooMany(Exception):
    def __init__(self, interval: Interval, bars: int) -> None:
        self._interval = interval
        self._bars = bars

    def told(self, refused: NotSupported) -> NotSupported:
        return NotSupported(
            f"{refused.message}; to make them takes {self._bars} bars of {self._interval} that are "
            f"not stored, and at most {_MOST_BARS} are asked for at once",
            fix=f"Ask for interval={self._interval}, or for fewer days.",
        )


class Fetching:
    """Has shorter or unadjusted bars asked for; what comes is stored as always.

    Args:
        supply: Where bars come from.
        computing: Adjusts them.
        tellers: See above.
    """

    def __init__(self, supply: Supply, computing: Computing, tellers: Tellers) -> None:
        self._supply = supply
        self._computing = computing
        self._tellers = tellers

    async def made(
        self, request: HistoryRequest, days: Days, rest: Days | None, refused: NotSupported
    ) -> Computed | None:
        """Return how the answer is computed; ``None`` = it cannot be.

        Args:
            request: The question.
            days: Those whose bars are wanted.
            rest: Those whose bars are needed; ``None`` = none are.
            refused: What those said who were asked for it as it is.

        Raises:
            TickloomError: Why the bars that it takes cannot be had.
        """
        ways = [self._rolled_as_given]
        if request.adjustment is not PriceAdjustment.NONE:
            ways.append(self._adjusted_by_somebody)
        too_many: _TooMany | None = None
        for way in ways:
            try:
                made = await way(request, days, rest)
            except _TooMany as error:
                too_many = error
            else:
                if made is not None:
                    return made
        if too_many is not None:
            raise too_many.told(refused) from refused
        return None

    async def _rolled_as_given(
        self, request: HistoryRequest, days: Days, rest: Days | None
    ) -> Computed | None:
        try:
            base = await self._rolled(request, days, rest)
        except NotSupported:
            return None
        if base is None:
            return None
        return Computed(recipe=base.look.recipe(request.interval), gathered=base)

    async def _rolled(
        self, request: HistoryRequest, days: Days, rest: Days | None
    ) -> Gathered | None:
        """Return the shorter bars; ``None`` = no bars are made of shorter ones.

        No bar is made of those of two providers: these share no day, but they may share a week.
        """
        shorter = FINER.get(request.interval)
        if shorter is None:
            return None
        part = asked_part(request, days, self._supply.today(request.symbol))
        within = Days(part.start, part.end)
        look = await self._supply.look(replace(request, interval=shorter), within)
        if look.stretches:
            _check(look, look.missing)
            found = await self._supply.gather(look, rest)
            if found is not None and (shorter.is_intraday or found.look.provider is not None):
                return found
        _check(look, (within,))
        found = await self._supply.whole(look)
        if not shorter.is_intraday and found.look.provider is None:
            # Bars are made of one provider's alone; the newest one's say the most.
            named = replace(look.request, provider=found.look.stretches[-1].provider)
            found = await self._supply.whole(replace(look, request=named))
        return found

    async def _adjusted_by_somebody(
        self, request: HistoryRequest, days: Days, rest: Days | None
    ) -> Computed | None:
        failure: TickloomError | None = None
        for name in self._tellers(request.symbol):
            if request.provider not in {None, name}:
                continue
            try:
                made = await self._adjusted(replace(request, provider=name), days, rest)
            except StoreUnavailable:
                raise
            except NotSupported:
                continue
            except TickloomError as error:
                failure = failure or error
            else:
                if made is not None:
                    return made
        if failure is not None:
            raise failure
        return None

    async def _adjusted(
        self, request: HistoryRequest, days: Days, rest: Days | None
    ) -> Computed | None:
        """Return how bars of the provider that is named are adjusted; ``None`` = they cannot be."""
        raw = replace(request, adjustment=PriceAdjustment.NONE)
        until = Days(days.first, max(self._supply.today(request.symbol), days.first))
        daily = await self._supply.look(replace(raw, interval=Interval.DAY), until)
        # All days until today, for what happened in them.
        told = await self._gathered(daily, until)
        base: Gathered | None = None
        if request.interval.is_intraday:
            try:
                base = await self._gathered(await self._supply.look(raw, days), rest)
            except NotSupported:
                base = await self._rolled(raw, days, rest)
        elif request.interval in {Interval.DAY, *PERIODS}:
            base = told
        if base is None:
            return None
        made = await self._computing.joined(request, days, told, base)
        if made is not None:
            await self._expect_bars(made)
        return made

    async def _gathered(self, look: Look, rest: Days | None) -> Gathered:
        return await self._supply.gather(look, rest) or await self._supply.whole(look)

    async def _expect_bars(self, made: Computed) -> None:
        async for piece in made.recipe.sources(made.recipe.days, self._supply.read):
            if piece:
                return
        source = made.recipe.source
        raise NoData(
            f"provider {source.provider} has no bars of {source.symbol} "
            f"from {made.recipe.days.first} to {made.recipe.days.last}"
        )


def _check(look: Look, asked: Sequence[Days]) -> None:
    """Raise :class:`_TooMany` where some days would have more bars than can be held."""
    interval = look.request.interval
    sessions = sum(
        look.calendar.is_session(date.fromordinal(day))
        for days in asked
        for day in range(days.first.toordinal(), days.last.toordinal() + 1)
    )
    bars = sessions * (_DAY // interval.duration)
    if bars > _MOST_BARS:
        raise _TooMany(interval, bars)
