"""All caches of a process, with their upkeep and their statistics."""

from __future__ import annotations

import asyncio
from typing import Any

from tickloom.cache.answers import AnswerCache
from tickloom.cache.quotes import QuoteCache
from tickloom.cache.shared import open_shared_store
from tickloom.clock import Clock
from tickloom.model import Company, HistoricalData
from tickloom.settings import CacheSettings, RedisSettings

_SWEEP_INTERVAL_S = 60.0
_CANCEL_AGAIN_S = 0.5


class CacheManager:
    """Quotes, history and company answers, in memory or shared through Redis.

    ``redis_cache`` is the shared store; without Redis it is the process' own memory.
    """

    def __init__(self, settings: CacheSettings, redis: RedisSettings, clock: Clock) -> None:
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self.redis_cache = open_shared_store(redis, clock)
        most = settings.max_entries
        self.quotes = QuoteCache(self.redis_cache, clock, settings.quote_ttl_s, most)
        most_bytes = settings.max_answer_bytes
        self.history: AnswerCache[HistoricalData] = AnswerCache(
            self.redis_cache, HistoricalData, "history", settings.historical_ttl_s, most_bytes
        )
        self.companies: AnswerCache[Company] = AnswerCache(
            self.redis_cache, Company, "company", settings.company_ttl_s, most_bytes
        )

    def start(self) -> None:
        """Begin the upkeep on the running loop."""
        self._tasks.append(asyncio.create_task(self._sweep_forever(), name="cache sweep"))
        if self.redis_cache.is_remote:
            self._tasks.append(asyncio.create_task(self.quotes.share_forever(), name="cache share"))

    async def invalidate(self, symbol: str) -> int:
        """Forget all that is known of a symbol; return how many answers that were."""
        return (
            await self.quotes.invalidate(symbol)
            + await self.history.invalidate(symbol)
            + await self.companies.invalidate(symbol)
        )

    async def get_detailed_stats(self) -> dict[str, Any]:
        """Return counts and rates; a rate is between 0 and 1, and 0 while nothing was asked."""
        shared = self.redis_cache
        return {
            "manager": {"performance": self.performance()},
            "quotes": _counts(self.quotes) | {"entries": len(self.quotes)},
            "historical": _counts(self.history),
            "company": _counts(self.companies),
            "backend": {
                "name": shared.backend,
                "healthy": await shared.health_check(),
                "errors": shared.errors,
                "last_error": shared.last_error,
            },
        }

    def performance(self) -> dict[str, Any]:
        """Return hits, misses and the hit rate over all caches."""
        hits = self.quotes.hits + self.history.hits + self.companies.hits
        misses = self.quotes.misses + self.history.misses + self.companies.misses
        return {"hits": hits, "misses": misses, "hit_rate": _rate(hits, misses)}

    async def aclose(self) -> None:
        """Stop the upkeep, write what Redis does not have yet, and let go of connections."""
        for task in self._tasks:
            # The Redis client may take a cancellation for a time limit of its own, and go on.
            while not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)
        self._tasks.clear()
        await self.quotes.share()
        await self.redis_cache.aclose()

    async def _sweep_forever(self) -> None:
        while True:
            await self._clock.sleep(_SWEEP_INTERVAL_S)
            await self.redis_cache.sweep()


def _counts(cache: QuoteCache | AnswerCache[Any]) -> dict[str, Any]:
    return {
        "hits": cache.hits,
        "misses": cache.misses,
        "hit_rate": _rate(cache.hits, cache.misses),
        "evictions": cache.evictions,
        "invalidations": cache.invalidations,
    }


def _rate(hits: int, misses: int) -> float:
    return hits / (hits + misses) if hits + misses else 0.0
