"""The Python API: makes the rooms from the settings and owns their life cycle."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import date
from importlib.metadata import EntryPoint
from types import TracebackType
from typing import Any, Self

from loguru import logger

from tickloom.answers import Quotes
from tickloom.clock import Clock, SystemClock
from tickloom.config import config
from tickloom.errors import ConfigError, InvalidSymbol, TickloomError
from tickloom.history import ALL, HistoryAnswer, Page
from tickloom.model import (
    Company,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quote,
    SymbolMatch,
    encode_json,
    parse_symbol,
)
from tickloom.monitoring.health import overall, providers_health
from tickloom.monitoring.logs import guard_library_logs
from tickloom.questions import check_history, check_search, check_symbols
from tickloom.rooms import Rooms
from tickloom.settings import Settings
from tickloom.stream import LiveBar

_WRITER_LIMIT_S = 4.0
_PLUGINS_LIMIT_S = 2.0


class MarketDataManager:
    """Market data from all enabled providers, with cache, stream and storage, in one object.

    Works without any server::

        manager = MarketDataManager()
        await manager.initialize()
        quote = await manager.get_quote("SIM.ACME")
        await manager.close()

    or as ``async with MarketDataManager() as manager``.

    Args:
        settings: ``None`` = the settings file, the environment and ``tickloom.config``.
        clock: ``None`` = the machine's.
        jitter: Spreads retries; ``None`` = a generator of its own.
        entry_points: The plugins to consider; ``None`` = all installed.

    Raises:
        ConfigError: A setting is wrong.
        PluginError: ``plugins.strict`` is set and a plugin failed.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Clock | None = None,
        jitter: random.Random | None = None,
        entry_points: Iterable[EntryPoint] | None = None,
    ) -> None:
        self.settings = settings or config.settings()
        self._warm_symbols()
        self.clock: Clock = clock or SystemClock()
        self.epoch = secrets.token_hex(8)
        guard_library_logs()
        jitter = jitter or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._rooms = rooms = Rooms(self.settings, self.epoch, self.clock, jitter, entry_points)
        self.plugins = rooms.plugins
        self.cache_manager = rooms.cache
        self.router = rooms.router
        self.inspector = rooms.inspector
        self.writer = rooms.writer
        self.pipeline = rooms.pipeline
        self.cluster = rooms.cluster
        self.stream_manager = rooms.stream
        self.histories = rooms.histories
        self.jobs = rooms.jobs
        self.quality = rooms.quality
        self.alerts = rooms.alerts
        self._answers = rooms.answers
        self._warming: asyncio.Task[None] | None = None
        self._started_s: float | None = None
        self._requests = 0
        self._errors = 0

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def initialize(self) -> None:
        """Open the database, begin the upkeep and fetch the warm symbols; once.

        A database that is away does not stop the start: rows wait in the queue, and
        :meth:`health_check` tells.
        """
        if self._started_s is not None:
            return
        self._started_s = self.clock.monotonic()
        self.cache_manager.start()
        self.cluster.start()
        await self.writer.start()
        self._rooms.keeper.start()
        self.jobs.start()
        self.quality.start()
        if self.settings.cache.warm:
            self._warming = asyncio.create_task(self._warm(), name="warm the cache")

    async def close(self) -> None:
        """Stop everything and write what is queued; may be called twice.

        Each part has its own limit, together under ten seconds; one that fails does not keep the
        others open.
        """
        warming, self._warming = self._warming, None
        if warming is not None:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
        await self._rooms.aclose()

    async def start_streaming(self, symbols: Sequence[str] = ()) -> None:
        """Begin to read the feeds, and keep ``symbols`` fresh even while nobody subscribes.

        Raises:
            RequestError: A symbol is malformed.
            UnknownSymbol: No provider serves one of them.
        """
        watched = check_symbols(symbols, self.settings.server.max_symbols) if symbols else []
        for symbol in watched:
            self.router.candidates(symbol)
        await self.initialize()
        await self.stream_manager.start([*self._warm_symbols(), *watched])

    async def stop_streaming(self) -> None:
        """Stop reading the feeds; clients stay connected."""
        await self.stream_manager.stop()

    async def get_quote(self, symbol: str) -> Quote:
        """Return the newest quote, from the cache where it is fresh, else from a provider.

        Raises:
            InvalidSymbol: The symbol is malformed.
            UnknownSymbol: No provider knows it.
            Unavailable: No provider answered.
        """
        symbol = parse_symbol(symbol)
        self._requests += 1
        return self._counted((await self._answers.quotes([symbol]))[symbol])

    def _counted(self, answer: Quote | TickloomError) -> Quote:
        if isinstance(answer, TickloomError):
            self._errors += 1
            raise answer
        return answer

    async def get_quote_json(self, symbol: str) -> bytes:
        """Return what :meth:`get_quote` returns, encoded once for all who ask."""
        symbol = parse_symbol(symbol)
        self._requests += 1
        cached = self.cache_manager.quotes.fresh_json(symbol)
        if cached is not None:
            return cached
        answer = (await self._answers.fetch_quotes([symbol]))[symbol]
        return encode_json(self._counted(answer))

    async def get_multiple_quotes(self, symbols: Sequence[str]) -> Quotes:
        """Return the newest quotes in the order asked for.

        Symbols that nobody could answer are missing from the list and explained in its ``errors``.

        Raises:
            RequestError: There is no symbol, there are too many, or one is malformed.
        """
        wanted = check_symbols(symbols, self.settings.server.max_symbols)
        self._requests += 1
        found = await self._answers.quotes(wanted)
        answers = [found[symbol] for symbol in wanted]
        errors = {
            symbol: answer for symbol, answer in found.items() if isinstance(answer, TickloomError)
        }
        self._errors += len(errors)
        return Quotes([answer for answer in answers if isinstance(answer, Quote)], errors)

    async def get_historical_data(
        self,
        symbol: str,
        start_date: date,
        end_date: date,
        interval: str | Interval = Interval.DAY,
        adjusted: str | PriceAdjustment = PriceAdjustment.NONE,
        *,
        provider: str | None = None,
    ) -> HistoricalData:
        """Return bars from ``start_date`` to ``end_date``, both inclusive, oldest first.

        Those of ``provider`` alone, where one is named; ``live`` stands for those that were built
        from the stream and stored.

        Raises:
            RequestError: The symbol, the dates, the interval or the adjustment is wrong.
            NotFound: Nobody knows the symbol, or nobody has such bars, or there is no such
                provider.
            Unavailable: No provider answered.
        """
        now = self.clock.now()
        request = check_history(symbol, start_date, end_date, interval, adjusted, now, provider)
        self._requests += 1
        with self._counting_errors():
            return await self._answers.history(request)

    async def open_history(
        self,
        symbol: str,
        start_date: date,
        end_date: date,
        interval: str | Interval = Interval.DAY,
        adjusted: str | PriceAdjustment = PriceAdjustment.NONE,
        page: Page = ALL,
        *,
        provider: str | None = None,
    ) -> HistoryAnswer:
        """Return bars as :meth:`get_historical_data` does, in pieces, so that any number fits.

        Raises RequestError besides where the page cannot be given.
        """
        now = self.clock.now()
        request = check_history(symbol, start_date, end_date, interval, adjusted, now, provider)
        self._requests += 1
        with self._counting_errors():
            return await self._answers.open_history(request, page)

    async def get_company_info(self, symbol: str) -> Company:
        """Describe what stands behind a symbol.

        Raises:
            InvalidSymbol: The symbol is malformed.
            NotFound: Nobody knows the symbol, or nobody describes it.
            Unavailable: No provider answered.
        """
        symbol = parse_symbol(symbol)
        self._requests += 1
        with self._counting_errors():
            return await self._answers.company(symbol)

    async def search(self, text: str, limit: int = 10) -> list[SymbolMatch]:
        """Return the symbols that fit ``text`` as the first able provider finds them, best first.

        Raises:
            RequestError: The text is empty or too long, or the limit is not 1 to 50.
            NotSupported: No provider offers a search.
            Unavailable: No provider answered.
        """
        wanted = check_search(text, limit)
        self._requests += 1
        with self._counting_errors():
            return await self._answers.search(wanted, limit)

    @contextmanager
    def _counting_errors(self) -> Iterator[None]:
        try:
            yield
        except TickloomError:
            self._errors += 1
            raise

    def stream(self, symbols: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[Quote]]:
        """Subscribe in this process: ``async with manager.stream([...]) as quotes: async for …``.

        Raises:
            RequestError: There is no symbol, or one is malformed.
            UnknownSymbol: No provider serves one of them.
        """
        return self.stream_manager.listen(symbols)

    def bars(
        self, symbols: Sequence[str], interval: str | Interval = Interval.MINUTE
    ) -> AbstractAsyncContextManager[AsyncIterator[LiveBar]]:
        """Subscribe to bars as :meth:`stream` does to quotes; raises InvalidInterval besides."""
        return self.stream_manager.listen_bars(symbols, interval)

    async def health_check(self) -> dict[str, Any]:
        """Return ``overall_status`` and a status for each component, asked now; and ``alerts``."""
        redis = await self.cache_manager.redis_cache.health_check()
        failed = self.plugins.failed
        components: dict[str, dict[str, Any]] = {
            "providers": providers_health(self.get_provider_status()),
            "cache": {
                "status": "healthy" if redis else "degraded",
                "backend": self.cache_manager.redis_cache.backend,
            },
            "database": await self.writer.health(),
            "streaming": {"status": "healthy", "running": self.stream_manager.running},
            "plugins": {"status": "degraded" if failed else "healthy"},
        }
        more = {"cluster": self.cluster.health(), "jobs": self.jobs.health()}
        components |= {name: report for name, report in more.items() if report is not None}
        if not redis:
            components["cache"]["reason"] = self.cache_manager.redis_cache.last_error
        if failed:
            components["plugins"]["reason"] = "; ".join(
                f"{line.name}: {line.reason}" for line in failed
            )
        return overall(components, self.clock.now()) | {"alerts": self.alerts.current()}

    def get_system_stats(self) -> dict[str, Any]:
        """Return counts since the start, of each room."""
        uptime_s = 0.0 if self._started_s is None else self.clock.monotonic() - self._started_s
        return {
            "requests": self._requests,
            "errors": self._errors,
            "uptime_s": uptime_s,
            "cache": self.cache_manager.performance(),
            "streaming": self.stream_manager.get_streaming_stats(),
            "quality": self.quality.stats(),
            "storage": self.writer.stats(),
            "history": self.histories.stats(),
            "live_bars": self._rooms.keeper.stats(),
            "jobs": self.jobs.stats(),
            "pipeline": {"accepted": self.pipeline.accepted},
        }

    def get_provider_status(self) -> dict[str, dict[str, Any]]:
        """Return for each running provider whether it is ``healthy``, and what it offers."""
        return {name: source.status() for name, source in self.router.sources.items()}

    def _warm_symbols(self) -> list[str]:
        try:
            return [parse_symbol(symbol) for symbol in self.settings.cache.warm]
        except InvalidSymbol as error:
            raise ConfigError(f"cache.warm cannot be used: {error}") from None

    async def _warm(self) -> None:
        symbols = self._warm_symbols()
        try:
            quotes = await self.get_multiple_quotes(symbols)
        except TickloomError as error:
            logger.warning("the cache could not be warmed: {}", error)
            return
        for symbol, reason in quotes.errors.items():
            logger.warning("{} could not be fetched ahead: {}", symbol, reason)
