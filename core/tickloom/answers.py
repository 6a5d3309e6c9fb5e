"""Answers one question from the cache, else from a provider, asking once for all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import cast

from tickloom.cache import CacheManager, SingleFlight
from tickloom.errors import (
    BadRecord,
    ConfigError,
    StoreUnavailable,
    TickloomError,
    Unavailable,
)
from tickloom.feeds import Reader
from tickloom.history import ALL, Histories, HistoryAnswer, Page
from tickloom.history.at_hand import kept, page_at_hand
from tickloom.model import Company, HistoricalData, Quote, SymbolMatch
from tickloom.pipeline import Pipeline
from tickloom.roles import HistoryRequest
from tickloom.store import CompanyStore

# More bars than that are streamed rather than held and cached.
_HELD_BARS = 20_000
_DAY_S = 86_400

Batch = asyncio.Task[dict[str, Quote | TickloomError]]


class Quotes(list[Quote]):
    """Quotes in the order asked for, and in ``errors`` why the others are missing."""

    def __init__(self, quotes: Iterable[Quote], errors: dict[str, TickloomError]) -> None:
        super().__init__(quotes)
        self.errors = errors


class Answers:
    """Quotes, history and companies for those who ask.

    Args:
        reader: Asks providers, with failover.
        cache: Looked into first.
        pipeline: Every quote that is fetched takes the same line as one that is streamed.
        stored: Has the history of days that are over; asks providers for the rest.
        described: Has the companies that providers described once.
    """

    def __init__(
        self,
        reader: Reader,
        cache: CacheManager,
        pipeline: Pipeline,
        stored: Histories,
        described: CompanyStore,
    ) -> None:
        self._reader = reader
        self._cache = cache
        self._pipeline = pipeline
        self._stored = stored
        self._described = described
        self._quotes: SingleFlight[Quote] = SingleFlight()
        self._batches: SingleFlight[dict[str, Quote | TickloomError]] = SingleFlight()
        self._histories: SingleFlight[HistoricalData] = SingleFlight()
        self._companies: SingleFlight[Company] = SingleFlight()

    async def quotes(self, symbols: list[str]) -> dict[str, Quote | TickloomError]:
        """Return for each canonical symbol its newest quote, or why there is none."""
        found: dict[str, Quote | TickloomError] = {}
        for symbol in symbols:
            cached = self._cache.quotes.fresh(symbol)
            if cached is not None:
                found[symbol] = cached
        missing = [symbol for symbol in symbols if symbol not in found]
        return found | await self.fetch_quotes(missing) if missing else found

    async def fetch_quotes(self, missing: list[str]) -> dict[str, Quote | TickloomError]:
        """Return the same for symbols that the cache of this process does not have."""
        new = tuple(symbol for symbol in missing if not self._quotes.is_running(symbol))
        # All of it before the first wait, so that nobody asks for one of these in between.
        batch = self._batches.start(new, lambda: self._ask(new)) if new else None
        tasks = [
            self._quotes.start(symbol, partial(_pick, cast("Batch", batch), symbol))
            for symbol in missing
        ]
        answers = await asyncio.gather(*map(asyncio.shield, tasks), return_exceptions=True)
        found: dict[str, Quote | TickloomError] = {}
        for symbol, answer in zip(missing, answers, strict=True):
            if isinstance(answer, Quote | TickloomError):
                found[symbol] = answer
            else:
                raise answer
        return found

    async def _ask(self, batch: tuple[str, ...]) -> dict[str, Quote | TickloomError]:
        found: dict[str, Quote | TickloomError] = dict(await self._cache.quotes.fetch_shared(batch))
        missing = [symbol for symbol in batch if symbol not in found]
        if not missing:
            return found
        before = {symbol: self._cache.quotes.latest(symbol) for symbol in missing}

        def take(answer: Quote) -> Quote | TickloomError:
            newest = self._cache.quotes.latest(answer.symbol)
            if newest is not None and newest is not before[answer.symbol]:
                # A tick came while we asked; what we asked for is older.
                return newest
            return self._pipeline.accept(answer) or BadRecord(
                f"the quote of {answer.symbol} by {answer.provider} was quarantined as implausible"
            )

        return found | await self._reader.quotes(missing, take=take)

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return the bars that ``request`` asks for.

        Raises:
            TickloomError: Why there are none.
        """
        key = _key(request)
        cached = await self._cache.history.get(key)
        if cached is not None:
            return cached
        return await self._held(key, partial(self._stored.history, request))

    async def open_history(self, request: HistoryRequest, page: Page = ALL) -> HistoryAnswer:
        """Return an answer whose bars are read in pieces.

        What providers gave of a short one just now is cached, and so is what was computed. What
        comes straight from the database is there as soon as from the cache.

        Raises:
            RequestError: The page cannot be given.
            TickloomError: Why there are no bars.
        """
        days = (request.end - request.start).days + 1
        most = days * _DAY_S / request.interval.duration.total_seconds()
        if not self._stored.keeps:
            return page_at_hand(await self.history(request), request, page)
        if most > _HELD_BARS:
            return await self._stored.open(request, page)
        key = _key(request)
        cached = await self._cache.history.get(key)
        if cached is not None:
            return page_at_hand(cached, request, page)
        whole = await self._stored.open(request)
        is_page = page != ALL
        # Nobody is asked a second time for what he just gave, or could not give.
        if whole.is_given or (is_page and whole.head.incomplete_reason is not None):
            found = await self._held(key, partial(self._whole, whole, request))
            return page_at_hand(found, request, page)
        if is_page:
            return await self._stored.open(request, page)
        return whole if whole.stored is not None else kept(whole, partial(self._keep, key))

    async def _whole(self, answer: HistoryAnswer, request: HistoryRequest) -> HistoricalData:
        try:
            return await answer.whole()
        except StoreUnavailable:
            return await self._stored.history(request)

    async def _held(self, key: str, ask: Callable[[], Awaitable[HistoricalData]]) -> HistoricalData:
        async def hold() -> HistoricalData:
            answer = await ask()
            await self._keep(key, answer)
            return answer

        return await self._histories.run(key, hold)

    async def _keep(self, key: str, answer: HistoricalData) -> None:
        if answer.incomplete_reason is None:
            await self._cache.history.put(key, answer)

    async def company(self, symbol: str) -> Company:
        """Return the description of a canonical symbol.

        While no provider that has one answers it is the newest that is stored, however old: its
        ``received_at`` tells. It is not cached, so that a provider is asked again the next time.

        Raises:
            TickloomError: Why there is none.
        """
        cached = await self._cache.companies.get(f"{symbol} ")
        if cached is not None:
            return cached

        async def ask() -> Company:
            try:
                answer = await self._reader.company(symbol)
            except (Unavailable, ConfigError):
                stored = await self._described.get(symbol)
                if stored is None:
                    raise
                return stored
            await self._described.put(answer)
            await self._cache.companies.put(f"{symbol} ", answer)
            return answer

        return await self._companies.run(symbol, ask)

    async def search(self, text: str, limit: int) -> list[SymbolMatch]:
        """Return the symbols that fit ``text``, best first.

        Raises:
            TickloomError: Why it cannot be searched.
        """
        return await self._reader.search(text, limit)

    async def aclose(self) -> None:
        """Cancel the questions that still run."""
        for flight in (self._quotes, self._batches, self._histories, self._companies):
            await flight.aclose()


def _key(request: HistoryRequest) -> str:
    return (
        f"{request.symbol} {request.interval} {request.start} {request.end} "
        f"{request.adjustment} {request.provider or ''}"
    )


async def _pick(batch: Batch, symbol: str) -> Quote:
    answer = (await asyncio.shield(batch))[symbol]
    if isinstance(answer, TickloomError):
        raise answer
    return answer
