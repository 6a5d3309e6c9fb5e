"""Answers to history and company questions, kept for a while."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from tickloom.cache.shared import SharedStore
from tickloom.errors import BadRecord
from tickloom.model import HistoricalData, decode_json, encode_history, encode_json

T = TypeVar("T")

# Reading a longer one back would hold up the event loop for longer than asking again is worth.
_LONGEST = 8_388_608


class AnswerCache(Generic[T]):
    """Answers of one kind in the shared store.

    Args:
        shared: Memory or Redis.
        kind: Type of an answer; it is kept as JSON.
        name: Begins each key.
        ttl_s: Seconds for which an answer is kept.
        max_bytes: Most bytes held by the memory store; the oldest answer leaves first, and one
            that alone is longer, or over 8 MiB, is not kept. Redis is bounded by its own settings.
    """

    def __init__(
        self, shared: SharedStore, kind: type[T], name: str, ttl_s: float, max_bytes: int
    ) -> None:
        self._shared = shared
        self._kind = kind
        self._name = name
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self.invalidations = 0

    async def get(self, key: str) -> T | None:
        """Return the answer, or ``None`` where there is none; counted as hit or miss."""
        data = await self._shared.get(f"{self._name}:{key}")
        if data is not None:
            try:
                answer: T = decode_json(data, self._kind)
            except BadRecord:
                await self._shared.delete(f"{self._name}:{key}")
            else:
                self.hits += 1
                return answer
        self.misses += 1
        return None

    async def put(self, key: str, answer: T) -> None:
        """Keep an answer; ``key`` is its symbol, a blank, and whatever else tells it apart."""
        data = await self._encode(answer)
        self._forget(key)
        if len(data) > min(self._max_bytes, _LONGEST):
            return
        if self._shared.is_remote:
            await self._shared.set(f"{self._name}:{key}", data, self._ttl_s)
            return
        self._sizes[key] = len(data)
        self._bytes += len(data)
        while self._bytes > self._max_bytes:
            oldest = next(iter(self._sizes))
            self._forget(oldest)
            self.evictions += 1
            await self._shared.delete(f"{self._name}:{oldest}")
        await self._shared.set(f"{self._name}:{key}", data, self._ttl_s)

    async def _encode(self, answer: T) -> bytes:
        if not isinstance(answer, HistoricalData):
            return encode_json(answer)
        pieces = []
        for piece in encode_history(answer):
            pieces.append(piece)
            await asyncio.sleep(0)
        return b"".join(pieces)

    def _forget(self, key: str) -> None:
        self._bytes -= self._sizes.pop(key, 0)

    async def invalidate(self, symbol: str) -> int:
        """Forget the answers about a symbol, in Redis those of every process.

        Returns:
            How many there were.
        """
        if self._shared.is_remote:
            count = await self._shared.delete_all(f"{self._name}:{symbol} ")
        else:
            stale = [key for key in self._sizes if key.startswith(f"{symbol} ")]
            for key in stale:
                self._forget(key)
                await self._shared.delete(f"{self._name}:{key}")
            count = len(stale)
        self.invalidations += count
        return count
