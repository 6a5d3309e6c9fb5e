"""Answers to history and company questions, kept for a while."""

from __future__ import annotations

from typing import Generic, TypeVar

from tickloom.cache.shared import SharedStore
from tickloom.errors import BadRecord
from tickloom.model import decode_json, encode_json

T = TypeVar("T")


class AnswerCache(Generic[T]):
    """Answers of one kind in the shared store.

    Args:
        shared: Memory or Redis.
        kind: Type of an answer; it is kept as JSON.
        name: Begins each key.
        ttl_s: Seconds for which an answer is kept.
        max_entries: Most answers held by the memory store; the oldest leaves first. Redis is
            bounded by its own memory settings and the time limit.
    """

    def __init__(
        self, shared: SharedStore, kind: type[T], name: str, ttl_s: float, max_entries: int
    ) -> None:
        self._shared = shared
        self._kind = kind
        self._name = name
        self._ttl_s = ttl_s
        self._max_entries = max_entries
        self._keys: dict[str, None] = {}
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
        """Keep an answer under ``key``, which begins with its symbol and a blank."""
        self._keys.pop(key, None)
        self._keys[key] = None
        while len(self._keys) > self._max_entries:
            oldest = next(iter(self._keys))
            del self._keys[oldest]
            self.evictions += 1
            if not self._shared.is_remote:
                await self._shared.delete(f"{self._name}:{oldest}")
        await self._shared.set(f"{self._name}:{key}", encode_json(answer), self._ttl_s)

    async def invalidate(self, symbol: str) -> int:
        """Forget this process' answers about a symbol; return how many there were."""
        stale = [key for key in self._keys if key.partition(" ")[0] == symbol]
        for key in stale:
            del self._keys[key]
            await self._shared.delete(f"{self._name}:{key}")
        self.invalidations += len(stale)
        return len(stale)
