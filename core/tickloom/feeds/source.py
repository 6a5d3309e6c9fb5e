"""A provider as the host uses it: limited, retried, left in peace while it fails, and watched."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import stamina
from loguru import logger
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import (
    ConfigError,
    NotEntitled,
    NotFound,
    PluginError,
    ProviderUnavailable,
    RateLimited,
    RequestError,
    TickloomError,
    Unavailable,
    UnknownSymbol,
    scrub,
)
from tickloom.feeds.breaker import Breaker
from tickloom.feeds.budget import RequestBudget
from tickloom.feeds.checks import check_company, check_history, check_matches, check_quote
from tickloom.feeds.question import Question
from tickloom.fetch import each_turn
from tickloom.model import Company, HistoricalData, Quote, SymbolMatch, Timeliness
from tickloom.roles import HistoryRequest, Provider, QuoteStream

T = TypeVar("T")

_ATTEMPTS = 3
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 1.0
# A vendor may err for a moment; a symbol that it does not know is asked for again after this time.
_UNKNOWN_S = 60.0
_UNKNOWN_KEPT = 10_000


class Source:
    """One provider. Whatever it raises leaves here as an error of our tree.

    Args:
        provider: The plugin's object.
        clock: For time limits and timestamps of the health record.
        timeout_s: Longest wait for a place in the budget, and then for an answer.
        budget: Its requests.
        jitter: Spreads the probes of a provider that failed.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        timeout_s: float,
        budget: RequestBudget,
        jitter: random.Random,
    ) -> None:
        self.info = provider.info
        self.name = provider.info.name
        self.requests = 0
        self.errors = 0
        self.last_error = ""
        self.last_error_at: datetime | None = None
        self.last_success_at: datetime | None = None
        self.healthy = True
        self.stream_healthy = True
        self._provider = provider
        self._clock = clock
        self.timeout_s = timeout_s
        self.budget = budget
        self.breaker = Breaker(clock, jitter)
        self.retries = 0
        self._open = asyncio.Semaphore(provider.info.concurrency)
        self._unknown: dict[str, tuple[float, UnknownSymbol]] = {}

    def knows(self, symbol: str) -> bool:
        """True where the provider may be asked for ``symbol``."""
        info = self.info
        if info.namespace is not None and not symbol.startswith(info.namespace):
            return False
        return info.symbols is None or symbol in info.symbols

    async def quotes(
        self, symbols: Sequence[str], patience_s: float | None = None
    ) -> dict[str, Quote | TickloomError]:
        """Return a quote or an error for every one of ``symbols``, whatever the provider raises.

        Larger lists are asked for in pieces of ``info.max_batch``, as many at the same time as the
        provider takes.

        Args:
            symbols: Canonical.
            patience_s: Longest wait for a place in the budget; ``None`` = ``timeout_s``.
        """
        now_s = self._clock.monotonic()
        found: dict[str, Quote | TickloomError] = {
            symbol: self._unknown[symbol][1]
            for symbol in symbols
            if self._unknown.get(symbol, (0.0,))[0] > now_s
        }
        wanted = [symbol for symbol in symbols if symbol not in found]
        step = max(1, self.info.max_batch)
        pieces = [wanted[start : start + step] for start in range(0, len(wanted), step)]
        for answers in await asyncio.gather(*(self._piece(one, patience_s) for one in pieces)):
            found |= answers
        return found

    async def _piece(
        self, batch: Sequence[str], patience_s: float | None
    ) -> dict[str, Quote | TickloomError]:
        try:
            answer = await self._call("quotes", partial(self._ask, batch), patience_s)
        except TickloomError as error:
            return dict.fromkeys(batch, error)
        return {symbol: self._settled(symbol, answer.get(symbol)) for symbol in batch}

    async def _ask(self, batch: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        answer = await self._provider.get_quotes(batch)
        if not isinstance(answer, Mapping):
            raise PluginError(
                f"provider {self.name} answered get_quotes wrongly",
                found=answer,
                expected="a mapping of symbol to Quote",
            )
        away = [value for value in answer.values() if isinstance(value, Unavailable)]
        if away and len(away) == len(answer):
            # Said of each symbol, it is true of the provider.
            raise away[0]
        return answer

    def _settled(self, symbol: str, answer: Quote | TickloomError | None) -> Quote | TickloomError:
        if answer is None:
            answer = UnknownSymbol(f"provider {self.name} does not know {symbol}")
        if isinstance(answer, UnknownSymbol):
            if len(self._unknown) >= _UNKNOWN_KEPT:
                self._unknown.clear()
            self._unknown[symbol] = (self._clock.monotonic() + _UNKNOWN_S, answer)
        if isinstance(answer, TickloomError):
            return answer
        try:
            quote = self.vouched(answer)
        except PluginError as error:
            return self._failed(error)
        if quote.symbol != symbol:
            return self._failed(
                PluginError(
                    f"provider {self.name} answered wrongly for {symbol}", found=quote.symbol
                )
            )
        return quote

    def vouched(self, quote: Quote) -> Quote:
        """Return the quote under this provider's name, real-time only where it may claim so.

        Raises:
            PluginError: It is not what its type says.
        """
        quote = check_quote(quote, self.name)
        claims = quote.is_real_time and self.info.timeliness is not Timeliness.REAL_TIME
        if claims or quote.provider != self.name:
            real_time = quote.is_real_time and not claims
            return replace(quote, provider=self.name, is_real_time=real_time)
        return quote

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return the provider's bars.

        Raises:
            TickloomError: Whatever kept it from answering.
        """

        async def ask() -> HistoricalData:
            answer = await self._provider.get_history(request)
            return await check_history(answer, request, self.info)

        return await self._call("history", ask)

    async def company(self, symbol: str) -> Company:
        """Return the provider's description of a symbol.

        Raises:
            TickloomError: Whatever kept it from answering.
        """

        async def ask() -> Company:
            return check_company(await self._provider.get_company(symbol), symbol, self.name)

        return await self._call("company", ask)

    async def search(self, text: str, limit: int) -> list[SymbolMatch]:
        """Return what the provider finds, best first.

        Raises:
            TickloomError: Whatever kept it from answering.
        """

        async def ask() -> list[SymbolMatch]:
            return check_matches(await self._provider.search(text, limit), limit, self.name)

        return await self._call("search", ask)

    async def open_stream(self) -> QuoteStream:
        """Open the provider's upstream stream.

        Raises:
            TickloomError: Whatever kept it from opening.
        """
        await self.budget.take(self.timeout_s)
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._provider.open_stream()
        except BaseException as error:
            if _is_cancelled():
                raise
            raise self.explain("stream", error) from error

    async def _call(
        self, what: str, ask: Callable[[], Awaitable[T]], patience_s: float | None = None
    ) -> T:
        rest_s = self.breaker.admit()
        if rest_s is not None:
            raise ProviderUnavailable(
                f"provider {self.name} is left in peace after it failed: {self.last_error}",
                retry_after_s=rest_s,
            )
        try:
            async for attempt in stamina.retry_context(
                on=_may_succeed,
                attempts=_ATTEMPTS,
                timeout=self.timeout_s,
                wait_initial=_FIRST_WAIT_S,
                wait_max=_LONGEST_WAIT_S,
                wait_jitter=_FIRST_WAIT_S,
            ):
                with attempt:
                    self.retries += attempt.num > 1
                    answer = await self._once(what, ask, patience_s)
        except _BudgetSpent as spent:
            # Ours to keep: it says nothing about the provider's health.
            self.breaker.abandoned()
            raise spent.limited from None
        except TickloomError as error:
            raise self._failed(error) from error
        except BaseException:
            self.breaker.abandoned()
            raise
        self.succeeded()
        return answer

    async def _once(
        self, what: str, ask: Callable[[], Awaitable[T]], patience_s: float | None
    ) -> T:
        async with self._open:
            # Counted when it is sent: what waits for its place was not asked yet.
            wait_s = self.timeout_s if patience_s is None else patience_s
            await self._take_place(wait_s)
            self.requests += 1
            limit = asyncio.timeout(self.timeout_s)
            question = Question(self.budget, limit, wait_s)
            try:
                async with limit:
                    with each_turn(question.take_turn):
                        return await ask()
            except BaseException as error:
                # Foreign code may even call sys.exit; only our own cancellation goes through.
                if _is_cancelled():
                    raise
                if question.spent is not None:
                    raise _BudgetSpent(question.spent) from None
                raise self.explain(what, error) from error
            finally:
                self.requests += max(0, question.requests - 1)

    async def _take_place(self, patience_s: float) -> None:
        try:
            await self.budget.take(patience_s)
        except RateLimited as error:
            raise _BudgetSpent(error) from None

    def succeeded(self) -> None:
        """Note that the provider answered."""
        self.breaker.succeeded()
        # It may have answered an older question than the one that it refused.
        self.healthy = self.healthy or self.breaker.state == "closed"
        self.last_success_at = self._clock.now()

    def explain(self, what: str, error: BaseException) -> TickloomError:
        """Return ``error`` as one of our tree, with the provider's name in it."""
        if isinstance(error, TickloomError):
            return error
        if isinstance(error, TimeoutError):
            return ProviderUnavailable(
                f"provider {self.name} did not answer {what} within {self.timeout_s:g} s"
            )
        logger.opt(exception=error).trace("provider {} broke its contract", self.name)
        return ProviderUnavailable(
            f"provider {self.name} failed at {what} in a way that it should not: {scrub(error)}",
            fix="Report this to the plugin's author.",
        )

    def _failed(self, error: TickloomError) -> TickloomError:
        # A wrong question, an unknown symbol, or one that the key does not pay for says nothing
        # about the provider's health.
        if isinstance(error, NotFound | RequestError | NotEntitled):
            self.succeeded()
            return error
        if isinstance(error, PluginError):
            # One wrong answer is no reason to leave all other symbols without any.
            self.breaker.abandoned()
        else:
            self.breaker.failed(error)
        self.note_failure(error)
        return error

    def note_failure(self, error: TickloomError) -> None:
        """Record that the provider is in trouble, and say so in the log once."""
        self.errors += 1
        if self.healthy:
            level = "ERROR" if isinstance(error, ConfigError | PluginError) else "WARNING"
            logger.log(level, "provider {} is in trouble: {}", self.name, error)
        self.healthy = False
        self.last_error = str(error)
        self.last_error_at = self._clock.now()

    def stream_succeeded(self) -> None:
        """Note that the provider's stream brought something; what it answers is another matter."""
        self.stream_healthy = True
        self.last_success_at = self._clock.now()

    def note_stream_failure(self, error: TickloomError) -> None:
        """Record that the provider's stream broke, and say so in the log once."""
        self.errors += 1
        if self.stream_healthy:
            logger.warning("the stream of provider {} is in trouble: {}", self.name, error)
        self.stream_healthy = False
        self.last_error = str(error)
        self.last_error_at = self._clock.now()

    def status(self) -> dict[str, Any]:
        """Return what ``get_provider_status`` and the REST API say of the provider."""
        info = self.info
        return {
            "healthy": self.healthy,
            "stream_healthy": self.stream_healthy if info.has_stream else None,
            "title": info.title,
            "timeliness": info.timeliness,
            "requests": self.requests,
            "errors": self.errors,
            "retries": self.retries,
            "breaker": self.breaker.state,
            "last_error": self.last_error or None,
            "last_error_at": self.last_error_at,
            "last_success_at": self.last_success_at,
            "namespace": info.namespace,
            "symbols": len(info.symbols) if info.symbols is not None else None,
            "intervals": [str(interval) for interval in info.intervals],
            "has_company": info.has_company,
            "has_search": info.has_search,
            "has_stream": info.has_stream,
            "notice": info.notice or None,
        }


class _BudgetSpent(Exception):
    """Carries the refusal of our own budget past those that judge the provider."""

    def __init__(self, limited: RateLimited) -> None:
        super().__init__(limited.message)
        self.limited = limited


def _may_succeed(error: Exception) -> bool:
    # Who says when to come back means it, and a silence as long as the limit is not tried twice.
    return (
        isinstance(error, ProviderUnavailable)
        and error.retry_after_s is None
        and not isinstance(error.__cause__, TimeoutError)
    )


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
