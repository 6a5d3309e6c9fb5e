"""Asks for the bars out of which an answer can be computed, where nobody gives it as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tickloom.errors import NoData, NotSupported, StoreUnavailable, TickloomError
from tickloom.history.computing import Computed, Computing
from tickloom.history.planning import Look
from tickloom.history.supply import Gathered, Supply
from tickloom.model import Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom.store.days import Days

Tellers = Callable[[str], Sequence[str]]
"""Who gives unadjusted days of a symbol with all splits and dividends, first choice first."""


class Fetching:
    """Has unadjusted bars asked for, where nobody adjusts; what comes is stored as always.

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
        if request.adjustment is PriceAdjustment.NONE:
            return None
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
            raise failure from refused
        return None

    async def _adjusted(
        self, request: HistoryRequest, days: Days, rest: Days | None
    ) -> Computed | None:
        """Return how bars of the provider that is named are adjusted."""
        raw = replace(request, adjustment=PriceAdjustment.NONE)
        until = Days(days.first, max(self._supply.today(request.symbol), days.first))
        daily = await self._supply.look(replace(raw, interval=Interval.DAY), until)
        # All days until today, for what happened in them.
        told = await self._gathered(daily, until)
        if request.interval.is_intraday:
            base = await self._gathered(await self._supply.look(raw, days), rest)
        elif request.interval in {Interval.DAY, Interval.WEEK, Interval.MONTH}:
            base = told
        else:
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
