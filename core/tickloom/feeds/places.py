"""Places of a request budget in Redis, so that replicas keep one budget together."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from loguru import logger
from pyrate_limiter import Rate, RateItem, RedisBucket
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tickloom.clock import Clock

_MS = 1_000
_PAUSE_S = 5.0


class RedisPlaces:
    """A sliding window of requests in Redis.

    Replicas compare wall clocks, so theirs must agree to a fraction of the shortest period. While
    Redis is away each replica keeps the budget by itself, and that is told once in the log: the
    vendor may then see more than one budget.

    Args:
        provider: Names the key and the log's lines.
        rates: The limits.
        client: Connected to the Redis of all replicas.
        prefix: Begins the key.
        clock: The wall clock counts.
    """

    def __init__(
        self, provider: str, rates: Sequence[Rate], client: Redis, prefix: str, clock: Clock
    ) -> None:
        self._provider = provider
        self._rates = list(rates)
        self._client = client
        self._key = f"{prefix}:budget:{provider}"
        self._clock = clock
        self._bucket: RedisBucket | None = None
        self._away_until_s = 0.0
        self.away = False

    async def take(self) -> float:
        """Take a place and return 0, or return the seconds until one may be free."""
        if self._clock.monotonic() < self._away_until_s:
            return 0.0
        try:
            wait_s = await self._take()
        except (RedisError, OSError, TimeoutError) as error:
            # The script is gone from a Redis that was restarted; the next bucket loads it again.
            self._bucket = None
            self._away_until_s = self._clock.monotonic() + _PAUSE_S
            if not self.away:
                self.away = True
                logger.warning(
                    "the budget of {} is not shared while Redis is away: {}", self._provider, error
                )
            return 0.0
        if self.away:
            self.away = False
            logger.info("the budget of {} is shared again", self._provider)
        return wait_s

    async def _take(self) -> float:
        bucket = self._bucket
        if bucket is None:
            bucket = await _settled(RedisBucket.init(self._rates, self._client, self._key))
            self._bucket = bucket
        now_ms = int(self._clock.now().timestamp() * _MS)
        await _settled(bucket.leak(now_ms))
        item = RateItem(self._provider, now_ms)
        if await _settled(bucket.put(item)):
            await self._client.pexpire(self._key, max(rate.interval for rate in self._rates))
            return 0.0
        waiting_ms = await _settled(bucket.waiting(item))
        return max(1, int(waiting_ms)) / _MS


async def _settled(answer: Any) -> Any:
    # The bucket's methods answer at once or later, whichever the client does.
    return await answer if inspect.isawaitable(answer) else answer
