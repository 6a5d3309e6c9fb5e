"""A provider as the host uses it: with a time limit, a budget, and a record of its health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from loguru import logger
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import (
    ConfigError,
    NotFound,
    PluginError,
    ProviderUnavailable,
    RequestError,
    TickloomError,
    Unavailable,
    UnknownSymbol,
    scrub,
)
from tickloom.feeds.budget import RequestBudget
from tickloom.feeds.checks import check_company, check_history, check_quote
from tickloom.model import Company, HistoricalData, Quote, Timeliness
from tickloom.roles import HistoryRequest, Provider, QuoteStream

T = TypeVar("T")


class Source:
    """One provider. Whatever it raises leaves here as an error of our tree.

    Args:
        provider: The plugin's object.
        clock: For time limits and timestamps of the health record.
        timeout_s: Longest wait for a place in the budget, and then for an answer.
        budget: Its requests.
    """

    def __init__(
        self, provider: Provider, clock: Clock, timeout_s: float, budget: RequestBudget
    ) -> None:
        self.info = provider.info
        self.name = provider.info.name
        self.requests = 0
        self.errors = 0
        self.last_error = ""
        self.last_error_at: datetime | None = None
        self.last_success_at: datetime | None = None
        self.healthy = True
        self._provider = provider
        self._clock = clock
        self.timeout_s = timeout_s
        self._budget = budget

    def knows(self, symbol: str) -> bool:
        """True where the provider may be asked for ``symbol``."""
        info = self.info
        if info.namespace is not None and not symbol.startswith(info.namespace):
            return False
        return info.symbols is None or symbol in info.symbols

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote | TickloomError]:
        """Return a quote or an error for every one of ``symbols``, whatever the provider raises.

        Larger lists are asked for in pieces of ``info.max_batch``, one after the other.
        """
        found: dict[str, Quote | TickloomError] = {}
        for start in range(0, len(symbols), max(1, self.info.max_batch)):
            batch = symbols[start : start + max(1, self.info.max_batch)]
            try:
                answer = await self._call("quotes", partial(self._ask, batch))
            except Unavailable as error:
                # The provider as a whole is away: the other pieces would only wait for it too.
                return found | dict.fromkeys(symbols[start:], error)
            except TickloomError as error:
                answer = dict.fromkeys(batch, error)
            for symbol in batch:
                found[symbol] = self._settled(symbol, answer.get(symbol))
        return found

    async def _ask(self, batch: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        answer = await self._provider.get_quotes(batch)
        if not isinstance(answer, Mapping):
            raise PluginError(
                f"provider {self.name} answered get_quotes wrongly",
                found=answer,
                expected="a mapping of symbol to Quote",
            )
        return answer

    def _settled(self, symbol: str, answer: Quote | TickloomError | None) -> Quote | TickloomError:
        if isinstance(answer, TickloomError):
            return answer
        if answer is None:
            return UnknownSymbol(f"provider {self.name} does not know {symbol}")
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

    async def open_stream(self) -> QuoteStream:
        """Open the provider's upstream stream.

        Raises:
            TickloomError: Whatever kept it from opening.
        """
        return await self._call("stream", self._provider.open_stream)

    async def _call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        self.requests += 1
        # A budget that is used up is ours to keep; it says nothing about the provider's health.
        await self._budget.take(self.timeout_s)
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await ask()
        except BaseException as error:
            # Foreign code may even call sys.exit; only our own cancellation goes through.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise self._failed(self.explain(what, error)) from error
        self.succeeded()
        return answer

    def succeeded(self) -> None:
        """Note that the provider answered."""
        self.healthy = True
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
        # A wrong question or an unknown symbol says nothing about the provider's health.
        if isinstance(error, NotFound | RequestError):
            self.succeeded()
            return error
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

    def status(self) -> dict[str, Any]:
        """Return what ``get_provider_status`` and the REST API say of the provider."""
        info = self.info
        return {
            "healthy": self.healthy,
            "title": info.title,
            "timeliness": info.timeliness,
            "requests": self.requests,
            "errors": self.errors,
            "last_error": self.last_error or None,
            "last_error_at": self.last_error_at,
            "last_success_at": self.last_success_at,
            "namespace": info.namespace,
            "symbols": len(info.symbols) if info.symbols is not None else None,
            "intervals": [str(interval) for interval in info.intervals],
            "has_company": info.has_company,
            "has_stream": info.has_stream,
            "notice": info.notice or None,
        }
