"""The one straight line that every quote takes."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from tickloom.cache import QuoteCache
from tickloom.model import Quality, Quote
from tickloom.quality import RELEASED, Inspector
from tickloom.store import QuoteWriter
from tickloom.stream import Hub, Tick


class Outward(Protocol):
    """Where what this replica finds goes to the others."""

    def owns(self, symbol: str) -> bool:
        """True where this replica numbers and stores a symbol."""
        ...

    def send(self, tick: Tick) -> None:
        """Let the others have a tick of a symbol that is ours."""
        ...

    def offer(self, quote: Quote) -> None:
        """Let the owner of a symbol have a quote."""
        ...

    def confirm(self, symbol: str) -> None:
        """Let the others know that the last quote of a symbol still holds."""
        ...


class Pipeline:
    """Judge, number, cache, publish, relay, store: one direction, one owner for each step.

    The cache comes before the hub, so that a client that takes the snapshot and then the stream
    sees no gap. The store only queues; it never waits. A quote of a symbol that another replica
    owns is judged and kept for those who asked; its owner gets it, and does the rest.
    """

    def __init__(
        self, inspector: Inspector, cache: QuoteCache, hub: Hub, writer: QuoteWriter
    ) -> None:
        self._relay: Outward | None = None
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
        relay = self._relay
        if relay is not None and not relay.owns(judged.symbol):
            self._cache.put(judged, share=False)
            relay.offer(judged)
            return judged
        numbered = self._hub.number(judged)
        self._cache.put(numbered)
        tick = self._hub.publish(numbered)
        if relay is not None:
            relay.send(tick)
        self._writer.enqueue(numbered, tick.epoch)
        self.accepted += 1
        return numbered

    def readmit(self, quote: Quote, *, was_published: bool = False) -> None:
        """Take a quote that was kept back and that somebody released; it is flagged as such.

        One that was published before is only stored.
        """
        codes = (*quote.quality_codes, RELEASED)
        released = replace(quote, quality=Quality.FLAGGED, quality_codes=codes, sequence=0)
        if was_published:
            self._writer.enqueue(released)
        else:
            self.admit(released)

    def admit(self, quote: Quote) -> None:
        """Take a quote that was released, or that another replica fetched or released for us.

        One that was released and is older than the newest of its symbol is only stored, with its
        own time: whoever listens has newer prices.
        """
        newest = self._cache.latest(quote.symbol)
        is_old = newest is not None and newest.timestamp > quote.timestamp
        if is_old and RELEASED in quote.quality_codes:
            self._writer.enqueue(quote)
        else:
            self.accept(quote)

    def confirm(self, symbol: str) -> None:
        """Make a symbol's newest quote fresh again; a provider has just said that it holds."""
        self._cache.confirm(symbol)
        if self._relay is not None:
            self._relay.confirm(symbol)

    def join(self, relay: Outward) -> None:
        """Let other replicas take part from now on."""
        self._relay = relay
