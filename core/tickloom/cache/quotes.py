"""The newest quote of each symbol, ready to be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from tickloom.cache.shared import SharedStore
from tickloom.clock import Clock
from tickloom.errors import BadRecord
from tickloom.model import Quote, decode_json, encode_json

_SHARE_INTERVAL_S = 0.25
_CLOCK_SKEW_S = 5.0


class _Entry:
    __slots__ = ("encoded", "quote", "received_s")

    def __init__(self, quote: Quote, received_s: float) -> None:
        self.quote = quote
        self.received_s = received_s
        self.encoded: bytes | None = None


class QuoteCache:
    """The newest quote per symbol of this process, shared with other processes through Redis.

    Reads and writes of the own process touch memory only. Where Redis is there, changed symbols
    are written to it four times a second, and a symbol that is missing here is looked up there.

    Args:
        shared: Where other processes look.
        clock: Decides what is fresh.
        ttl_s: Seconds for which a quote is fresh, counted from its receipt.
        max_entries: Most symbols held; the one that came first leaves first.
    """

    def __init__(self, shared: SharedStore, clock: Clock, ttl_s: float, max_entries: int) -> None:
        self._shared = shared
        self._clock = clock
        self._ttl_s = ttl_s
        self._max_entries = max_entries
        self._entries: dict[str, _Entry] = {}
        self._changed: set[str] = set()
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self.invalidations = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, quote: Quote, *, share: bool = True) -> None:
        """Make ``quote`` the newest of its symbol; without ``share`` another process shares it."""
        self._keep(quote, self._clock.monotonic())
        if share and self._shared.is_remote:
            self._changed.add(quote.symbol)

    def _keep(self, quote: Quote, received_s: float) -> None:
        entries = self._entries
        if quote.symbol not in entries and len(entries) >= self._max_entries:
            del entries[next(iter(entries))]
            self.evictions += 1
        entries[quote.symbol] = _Entry(quote, received_s)

    def confirm(self, symbol: str) -> None:
        """Make a quote fresh again whose provider has just said that it still holds."""
        entry = self._entries.get(symbol)
        if entry is not None:
            entry.received_s = self._clock.monotonic()

    def symbols(self) -> list[str]:
        """Return all symbols that have a newest quote."""
        return list(self._entries)

    def latest(self, symbol: str) -> Quote | None:
        """Return the newest quote however old it is, or ``None`` where there is none.

        Not counted as a hit or a miss: the stream and the validators look here.
        """
        entry = self._entries.get(symbol)
        return entry.quote if entry else None

    def fresh(self, symbol: str) -> Quote | None:
        """Return the newest quote if it is fresh, else ``None``; counted as hit or miss.

        Fresh means received less than ``ttl_s`` ago by the injected clock; the venue's own
        timestamp plays no part.
        """
        entry = self._fresh(symbol)
        return entry.quote if entry else None

    def fresh_json(self, symbol: str) -> bytes | None:
        """Return the same as :meth:`fresh`, encoded once for all who ask."""
        entry = self._fresh(symbol)
        if entry is None:
            return None
        if entry.encoded is None:
            entry.encoded = encode_json(entry.quote)
        return entry.encoded

    def _fresh(self, symbol: str) -> _Entry | None:
        entry = self._entries.get(symbol)
        if entry is not None and self._clock.monotonic() - entry.received_s < self._ttl_s:
            self.hits += 1
            return entry
        self.misses += 1
        return None

    async def fetch_shared(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """Return fresh quotes that other processes left in Redis, and keep them here too.

        Their numbers belong to the epoch of the other process, so they have none here.
        """
        if not self._shared.is_remote:
            return {}
        found: dict[str, Quote] = {}
        values = await self._shared.get_many([_key(symbol) for symbol in symbols])
        for symbol, data in zip(symbols, values, strict=True):
            quote = None if data is None else self._read(symbol, data)
            if quote is not None:
                found[symbol] = quote
            elif data is not None:
                await self._shared.delete(_key(symbol))
        return found

    def _read(self, symbol: str, data: bytes) -> Quote | None:
        try:
            quote: Quote = decode_json(data, Quote)
        except BadRecord:
            return None
        if quote.symbol != symbol or None in (quote.timestamp.tzinfo, quote.received_at.tzinfo):
            return None
        age_s = (self._clock.now() - quote.received_at).total_seconds()
        if not -_CLOCK_SKEW_S <= age_s < self._ttl_s:
            return None
        quote = replace(quote, sequence=0)
        newest = self.latest(symbol)
        if newest is None or newest.received_at < quote.received_at:
            self._keep(quote, self._clock.monotonic() - max(0.0, age_s))
        return quote

    async def invalidate(self, symbol: str) -> bool:
        """Forget a symbol here and in Redis; return whether it was here."""
        known = self._entries.pop(symbol, None) is not None
        self._changed.discard(symbol)
        self.invalidations += known
        await self._shared.delete(_key(symbol))
        return known

    async def share_forever(self) -> None:
        """Write changed symbols to Redis until cancelled; a task of the cache manager."""
        while True:
            await self._clock.sleep(_SHARE_INTERVAL_S)
            await self.share()

    async def share(self) -> None:
        """Write the changed symbols to Redis now."""
        for symbol in list(self._changed):
            # Marked again where it changes meanwhile, or where this is cancelled in the middle.
            self._changed.discard(symbol)
            quote = self.latest(symbol)
            if quote is None:
                continue
            try:
                await self._shared.set(_key(symbol), encode_json(quote), self._ttl_s)
            except asyncio.CancelledError:
                self._changed.add(symbol)
                raise


def _key(symbol: str) -> str:
    return f"quote:{symbol}"
