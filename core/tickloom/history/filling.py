"""Answers questions for history from the store, and asks providers only for what it lacks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from msgspec.structs import replace

from tickloom.cache import SingleFlight
from tickloom.calendars import Calendars
from tickloom.clock import Clock
from tickloom.errors import (
    NoData,
    NotSupported,
    RequestError,
    StoreUnavailable,
    TickloomError,
)
from tickloom.history.answer import HistoryAnswer, measure, open_answer, rest_of
from tickloom.history.asking import Able, Ask, TellsActions
from tickloom.history.computing import Computed, Computing
from tickloom.history.fetching import Fetching, Tellers
from tickloom.history.formats import Style, encode
from tickloom.history.live import live_bars
from tickloom.history.page import ALL, Page, read_token
from tickloom.history.planning import Look, head_of, wanted_days
from tickloom.history.supply import NOBODY, Supply
from tickloom.model import HistoricalData, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom.store import LIVE
from tickloom.store.days import Days
from tickloom.store.history import HistoryStore


class Histories:
    """History from the store where it has it, else from a provider; what comes is stored.

    A database that is away costs no answer: providers are asked for everything, and the database
    is tried again after 15 s.

    Args:
        store: Owned from now on.
        ask: Asks the providers.
        clock: For the pause, and for the venue's day.
        calendars: Tell which days have a session; ``None`` = those that are known.
        tells_actions: Whether the unadjusted daily bars of a provider that runs come with all
            splits and dividends of their days, which is remembered with them; by default nobody's
            do.
        able: Who may be asked for what the first one that answers does not have; by default
            nobody.
        tellers: Which providers that run do so for a symbol, first choice first; they are asked
            for unadjusted bars where nobody gives adjusted ones.
    """

    def __init__(
        self,
        store: HistoryStore,
        ask: Ask,
        clock: Clock,
        calendars: Calendars | None = None,
        tells_actions: TellsActions = lambda _provider: False,
        able: Able = lambda _request: (),
        tellers: Tellers = lambda _symbol: (),
    ) -> None:
        self._store = store
        self._supply = Supply(store, ask, clock, calendars or Calendars(), tells_actions, able)
        self._computing = Computing(self._supply, clock)
        self._fetching = Fetching(self._supply, self._computing, tellers)
        self._asking: SingleFlight[Computed] = SingleFlight()
        self._counts = {
            "from_store": 0,
            "in_part": 0,
            "from_providers": 0,
            "rolled_up": 0,
            "adjusted": 0,
            "cut_off": 0,
        }

    async def open(self, request: HistoryRequest, page: Page = ALL) -> HistoryAnswer:
        """Return an answer whose bars are read in pieces, so that any number fits into memory.

        Only what providers gave for it just now is held. Bars of several providers are joined
        where they are in one currency, and the head says which are whose; else one provider is
        asked for all of them.

        Raises:
            RequestError: The page cannot be given.
            TickloomError: Why there are no bars.
        """
        if page.limit is not None and page.limit < 1:
            raise RequestError(
                "the limit is out of range", found=page.limit, expected="at least one bar"
            )
        after = None if page.after is None else read_token(page.after, request, page.order)
        days = wanted_days(request)
        if days is None:
            raise NoData(
                f"no bar of {request.interval} begins from {request.start} to {request.end}",
                fix="Weeks begin on Monday and months on their first day: ask for a longer range.",
            )
        rest = rest_of(days, request, page, after)
        question = replace(request, start=days.first, end=days.last)
        # Many who want the same at once cost a provider one request, and the store one look.
        made = await self._asking.run((question, rest), partial(self._make, question, days, rest))
        self._count(made)
        today = self._supply.today(request.symbol)
        head = head_of(request, made.recipe, made.gathered.splits, made.gathered.dividends, today)
        head = replace(head, incomplete_reason=made.gathered.incomplete)
        answers = made.gathered.answers
        if len(answers) == len(made.recipe.stretches) == 1:
            [answer] = answers
            head = replace(
                head,
                fallback_from=answer.fallback_from,
                fallback_reason=answer.fallback_reason,
            )
        opened = open_answer(head, made.recipe, request, page, after, self._supply.read)
        opened.is_given = bool(answers)
        try:
            await measure(opened, made.recipe, request, page, after, self._store.reach)
        except StoreUnavailable as error:
            # It is left alone from now on, so that providers answer.
            self._supply.pause(error)
            return await self.open(request, page)
        return opened

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return the bars that ``request`` asks for, all at once.

        Raises:
            TickloomError: Why there are none.
        """
        try:
            return await (await self.open(request)).whole()
        except StoreUnavailable as error:
            self._supply.pause(error)
            return await (await self.open(request)).whole()

    @property
    def keeps(self) -> bool:
        """False where there is no database: every answer is then in memory."""
        return self._store.keeps

    async def encode(self, answer: HistoryAnswer, style: Style) -> AsyncGenerator[bytes, None]:
        """Yield an answer in a format; see :func:`tickloom.history.formats.encode`.

        Answers that end with an error in their midst are counted.
        """
        is_begun = False
        async with aclosing(encode(answer, self._store, style)) as pieces:
            try:
                async for piece in pieces:
                    is_begun = True
                    yield piece
            except Exception as error:
                if isinstance(error, StoreUnavailable):
                    # Who asks again gets his answer from providers.
                    self._supply.pause(error)
                self._counts["cut_off"] += is_begun
                raise

    def stats(self) -> dict[str, Any]:
        """Return counts of answers by where they came from, of failures, and of bars."""
        return {**self._counts, **self._supply.stats()}

    async def aclose(self) -> None:
        """Cancel the questions that still run and let go of the database; may be called twice."""
        await self._asking.aclose()
        await self._store.aclose()

    async def _make(self, request: HistoryRequest, days: Days, rest: Days | None) -> Computed:
        try:
            return await self._made(request, days, rest)
        except StoreUnavailable:
            # It is left alone from now on, so that providers answer.
            return await self._made(request, days, rest)

    async def _made(self, request: HistoryRequest, days: Days, rest: Days | None) -> Computed:
        supply = self._supply
        if request.provider == LIVE:
            return await live_bars(supply, request, days)
        direct = await supply.look(request, days)
        made: Computed | None = None
        if not direct.is_settled(supply.today(request.symbol)):
            if request.adjustment is not PriceAdjustment.NONE:
                made = await self._computing.adjusted(request, days, rest)
            made = made or await self._computing.rolled(request, days, rest)
        if made is None:
            made = await self._given(direct, days, rest)
        return made

    async def _given(self, direct: Look, days: Days, rest: Days | None) -> Computed:
        supply = self._supply
        try:
            gathered = await supply.gather(direct, rest) or await supply.whole(direct)
        except (*NOBODY, NoData) as error:
            return await self._otherwise(direct.request, days, rest, error)
        return Computed(recipe=gathered.look.recipe(), gathered=gathered)

    async def _otherwise(
        self, request: HistoryRequest, days: Days, rest: Days | None, failure: TickloomError
    ) -> Computed:
        """Return what can be computed where nobody gives the answer as it is, or say why."""
        made: Computed | None = None
        if isinstance(failure, NotSupported):
            try:
                made = await self._fetching.made(request, days, rest, failure)
            except StoreUnavailable:
                raise
            except (*NOBODY, NoData) as error:
                failure = error
        if made is None and request.adjustment is not PriceAdjustment.NONE:
            # Who gave the unadjusted bars may run no more, and others may not adjust.
            made = await self._computing.adjusted(request, days, rest, nobody=str(failure))
        if made is None:
            raise failure
        return made

    def _count(self, made: Computed) -> None:
        answers, stretches = len(made.gathered.answers), len(made.recipe.stretches)
        if not answers:
            self._counts["from_store"] += 1
        else:
            self._counts["from_providers" if answers == stretches else "in_part"] += 1
        self._counts["rolled_up"] += made.recipe.is_rolled
        self._counts["adjusted"] += made.recipe.factors is not None
