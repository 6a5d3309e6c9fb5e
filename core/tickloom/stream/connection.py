"""What waits for one client, and for how long it may."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from tickloom.model import Quote, is_glob, matches
from tickloom.stream.protocol import Gap
from tickloom.stream.tick import Tick, WireFormat

_TICK_OVERHEAD = 64
_MAX_CONTROLS = 64


class Connection:
    """The byte-bounded buffer between the hub and one client.

    While the client keeps up every tick passes in order. When the buffer is full it keeps the
    newest tick of each symbol, counts what it left out and tells it with a ``gap`` message before
    that symbol's next tick.

    Args:
        form: How the client wants its messages.
        max_bytes: Most bytes of ticks that wait.
    """

    def __init__(self, form: WireFormat, max_bytes: int) -> None:
        self.form = form
        self.patterns: set[str] = set()
        self.user: str | None = None
        self.dropped = 0
        self.delivered = 0
        self._max_bytes = max_bytes
        self._ticks: deque[tuple[Tick, bytes]] = deque()
        self._newest: dict[str, tuple[Tick, bytes]] = {}
        self._bytes = 0
        self._controls: deque[bytes] = deque()
        self._gaps: dict[str, Gap] = {}
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of ticks that wait for the client."""
        return self._bytes

    def offer(self, tick: Tick) -> None:
        """Take a tick for the client; never waits and never fails."""
        data = tick.encoded(self.form)
        if self._newest:
            self._replace(tick, data)
        else:
            self._ticks.append((tick, data))
            self._bytes += len(data) + _TICK_OVERHEAD
            if self._bytes > self._max_bytes:
                self._conflate()
        self._wake.set()

    def send(self, message: Any) -> None:
        """Take an answer or notice; these go out before waiting ticks and are never left out.

        Their number is bounded by what the client asks: it is not read from while it is behind.
        """
        self._controls.append(self.form.encoded(message))
        if len(self._controls) > _MAX_CONTROLS:
            self._taken.clear()
        self._wake.set()

    async def caught_up(self) -> None:
        """Wait while more answers wait for the client than one that reads would let pile up."""
        if len(self._controls) > _MAX_CONTROLS:
            await self._taken.wait()

    def forget(self) -> None:
        """Remove waiting ticks and gaps of symbols that the client no longer wants."""
        self._ticks = deque(item for item in self._ticks if self.wants(item[0].quote.symbol))
        self._newest = {symbol: item for symbol, item in self._newest.items() if self.wants(symbol)}
        waiting = (*self._ticks, *self._newest.values())
        self._bytes = sum(len(data) + _TICK_OVERHEAD for _, data in waiting)
        self._gaps = {symbol: gap for symbol, gap in self._gaps.items() if self.wants(symbol)}

    def wants(self, symbol: str) -> bool:
        """True where the client named the symbol, or a pattern that it fits."""
        return symbol in self.patterns or any(
            is_glob(pattern) and matches(symbol, pattern) for pattern in self.patterns
        )

    async def take(self) -> list[bytes]:
        """Wait until something is there and return all of it, in the order to send."""
        await self._wake.wait()
        self._wake.clear()
        frames = list(self._controls)
        self._controls.clear()
        self._taken.set()
        for tick, data in self._take_ticks():
            gap = self._gaps.pop(tick.quote.symbol, None) if self._gaps else None
            if gap is not None:
                frames.append(self.form.encoded(gap))
            frames.append(data)
        frames.extend(self.form.encoded(gap) for gap in self._gaps.values())
        self._gaps.clear()
        return frames

    async def take_quotes(self) -> list[Quote]:
        """Wait for quotes and return them; for a listener in this process, which needs no bytes."""
        while not (self._ticks or self._newest):
            await self._wake.wait()
            self._wake.clear()
            self._controls.clear()
        self._gaps.clear()
        return [tick.quote for tick, _ in self._take_ticks()]

    def _conflate(self) -> None:
        # From here until the client takes what waits, each symbol has one place, its newest tick.
        waiting, self._ticks, self._bytes = self._ticks, deque(), 0
        for tick, data in waiting:
            self._replace(tick, data)

    def _replace(self, tick: Tick, data: bytes) -> None:
        newest = self._newest
        old = newest.pop(tick.quote.symbol, None)
        if old is not None:
            self._bytes -= len(old[1]) + _TICK_OVERHEAD
            self._drop(old[0])
        newest[tick.quote.symbol] = (tick, data)
        self._bytes += len(data) + _TICK_OVERHEAD
        # Many symbols may not fit even with one tick each.
        while self._bytes > self._max_bytes and len(newest) > 1:
            left, left_data = newest.pop(next(iter(newest)))
            self._bytes -= len(left_data) + _TICK_OVERHEAD
            self._drop(left)

    def _take_ticks(self) -> list[tuple[Tick, bytes]]:
        ticks = [*self._newest.values(), *self._ticks]
        self._newest.clear()
        self._ticks.clear()
        self._bytes = 0
        self.delivered += len(ticks)
        return ticks

    def _drop(self, tick: Tick) -> None:
        quote = tick.quote
        earlier = self._gaps.get(quote.symbol)
        dropped = 1 + (earlier.dropped if earlier else 0)
        self._gaps[quote.symbol] = Gap(
            symbol=quote.symbol, dropped=dropped, last_sequence=quote.sequence
        )
        self.dropped += 1
