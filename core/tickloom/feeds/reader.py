"""Asks providers for one answer, the next one where the first fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from loguru import logger
from msgspec.structs import replace

from tickloom.errors import NotFound, TickloomError, Unavailable, UnknownSymbol
from tickloom.feeds.router import Router
from tickloom.feeds.source import Source
from tickloom.model import Company, HistoricalData, Quote, SymbolMatch
from tickloom.roles import HistoryRequest

A = TypeVar("A", HistoricalData, Company)


class Asked(Protocol):
    """Hears of each question for a quote."""

    def __call__(self, provider: str, symbol: str, *, answered: bool) -> None:
        """Take note that a provider was asked for a symbol, and whether it gave a quote."""
        ...


Take = Callable[[Quote], Quote | TickloomError]
"""Takes a quote in: returns it as served, or why it is not; then the next provider is asked."""


class Reader:
    """Quotes, history and companies with failover in the configured order.

    An answer of another provider than the first says so in ``fallback_from`` and
    ``fallback_reason``.

    Args:
        router: Says who serves what.
        asked: Told of each question for a quote.
    """

    def __init__(self, router: Router, asked: Asked | None = None) -> None:
        self.router = router
        self._asked = asked

    async def quotes(
        self,
        symbols: Sequence[str],
        patience_s: float | None = None,
        take: Take | None = None,
    ) -> dict[str, Quote | TickloomError]:
        """Return a quote or an error for every one of ``symbols``.

        Symbols go to their first provider in as few calls as it takes; what it could not answer
        goes on to the next one.

        Args:
            symbols: Canonical.
            patience_s: Longest wait for a place in the first provider's budget; ``None`` = the
                time limit of an answer.
            take: Asked about each quote, as one of its provider may be kept back; by default all
                are served as they are.
        """
        found: dict[str, Quote | TickloomError] = {}
        plans: dict[str, list[Source]] = {}
        for symbol in symbols:
            try:
                plans[symbol] = self.router.candidates(symbol)
            except TickloomError as error:
                found[symbol] = error
        step = 0
        while plans:
            await self._ask_round(plans, step, found, patience_s if step == 0 else None)
            for symbol in plans:
                quote = found[symbol]
                if take is not None and isinstance(quote, Quote):
                    found[symbol] = take(quote)
            step += 1
            plans = {
                symbol: plan
                for symbol, plan in plans.items()
                if isinstance(found[symbol], TickloomError) and len(plan) > step
            }
        return found

    async def _ask_round(
        self,
        plans: dict[str, list[Source]],
        step: int,
        found: dict[str, Quote | TickloomError],
        patience_s: float | None,
    ) -> None:
        rounds: dict[str, list[str]] = {}
        for symbol, plan in plans.items():
            rounds.setdefault(plan[step].name, []).append(symbol)
        sources = [self.router.sources[name] for name in rounds]
        # One that is left in peace after a failure is not asked, and says nothing of itself.
        resting = {source.name for source in sources if source.breaker.state == "open"}
        answers = await asyncio.gather(
            *(
                source.quotes(wanted, patience_s)
                for source, wanted in zip(sources, rounds.values(), strict=True)
            )
        )
        for source, answer in zip(sources, answers, strict=True):
            for symbol, value in answer.items():
                if self._asked is not None and source.name not in resting:
                    self._asked(source.name, symbol, answered=isinstance(value, Quote))
                marked = _marked(value, plans[symbol], step, found.get(symbol))
                found[symbol] = self.set_back(marked) if isinstance(marked, Quote) else marked

    def set_back(self, quote: Quote) -> Quote:
        """Return the quote; where its provider serves for one with a low score it says so."""
        setback = self.router.setback(quote.symbol, quote.provider)
        if setback is None or quote.fallback_from is not None:
            return quote
        return replace(quote, fallback_from=setback[0], fallback_reason=setback[1])

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return bars of the first provider that has them, or of the one that is named.

        Raises:
            UnknownProvider: None of that name runs.
            NotSupported: Nobody has bars of this interval.
            TickloomError: What the last provider said, where nobody had them.
        """
        plan = self.router.with_bars(request.symbol, request.interval, request.provider)
        question = replace(request, provider=None)
        return await self._first(plan, lambda source: source.history(question))

    def historians(self, request: HistoryRequest) -> list[str]:
        """Return the names of those who may be asked for bars, first choice first."""
        try:
            plan = self.router.with_bars(request.symbol, request.interval, None)
        except NotFound:
            return []
        return [source.name for source in plan]

    async def company(self, symbol: str) -> Company:
        """Return the description by the first provider that has one.

        Raises:
            TickloomError: What the last provider said, where nobody had one.
        """
        plan = self.router.candidates(
            symbol, lambda source: source.info.has_company, "a description"
        )
        return await self._first(plan, lambda source: source.company(symbol))

    async def search(self, text: str, limit: int) -> list[SymbolMatch]:
        """Return what the first provider that finds something finds, best first.

        Raises:
            NotSupported: No provider offers a search.
            TickloomError: What the last provider said, where none could answer.
        """
        plan = self.router.searchers()
        failure: TickloomError | None = None
        answered = False
        for source in plan:
            try:
                matches = await source.search(text, limit)
            except TickloomError as error:
                failure = _worse(failure, error)
            else:
                answered = True
                if matches:
                    return matches
        if failure is not None and not answered:
            raise failure
        return []

    async def _first(self, plan: list[Source], ask: Callable[[Source], Awaitable[A]]) -> A:
        failure: TickloomError | None = None
        for source in plan:
            try:
                answer = await ask(source)
            except TickloomError as error:
                failure = _worse(failure, error)
                logger.debug("provider {} could not answer: {}", source.name, error)
            else:
                if failure is None:
                    return answer
                return replace(answer, fallback_from=plan[0].name, fallback_reason=str(failure))
        assert failure is not None  # noqa: S101 - the router returns no empty plan
        raise failure


def _marked(
    value: Quote | TickloomError,
    plan: list[Source],
    step: int,
    earlier: Quote | TickloomError | None,
) -> Quote | TickloomError:
    if isinstance(value, TickloomError):
        return _worse(earlier if isinstance(earlier, TickloomError) else None, value)
    if step == 0:
        return value
    return replace(value, fallback_from=plan[0].name, fallback_reason=str(earlier))


def _worse(earlier: TickloomError | None, later: TickloomError) -> TickloomError:
    # What the second provider cannot do must not hide that the first one was not there to ask.
    if earlier is None:
        return later
    away = isinstance(earlier, Unavailable) and not isinstance(later, Unavailable)
    missing = isinstance(later, NotFound) and not isinstance(earlier, NotFound)
    return earlier if away or missing or isinstance(later, UnknownSymbol) else later
