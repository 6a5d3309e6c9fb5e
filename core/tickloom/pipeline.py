"""The one straight line that every quote takes."""

from __future__ import annotations

from tickloom.cache import QuoteCache
from tickloom.model import Quote
from tickloom.quality import Inspector
from tickloom.store import QuoteWriter
from tickloom.stream import Hub


class Pipeline:
    """Judge, number, cache, publish, store: one direction, one owner for each step.

    The cache comes before the hub, so that a client that takes the snapshot and then the stream
    sees no gap. The store only queues; it never waits.
    """

    def __init__(
        self, inspector: Inspector, cache: QuoteCache, hub: Hub, writer: QuoteWriter
    ) -> None:
        self._inspector = inspector
        self._cache = cache
        self._hub = hub
        self._writer = writer
        self.accepted = 0

    def accept(self, quote: Quote) -> Quote | None:
        """Take a quote as its provider gave it; return it as published, ``None`` if kept back."""
        judged = self._inspector.inspect(quote, self._cache.latest(quote.symbol))
        if judged is None:
            return None
        numbered = self._hub.number(judged)
        self._cache.put(numbered)
        self._hub.publish(numbered)
        self._writer.enqueue(numbered, self._hub.epoch)
        self.accepted += 1
        return numbered

    def confirm(self, symbol: str) -> None:
        """Make a symbol's newest quote fresh again; a provider has just said that it holds."""
        self._cache.confirm(symbol)
