"""All walks of the provider on one clock, so that every reader sees the same ticks."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence

from tickloom.clock import Clock
from tickloom.model import Quote
from tickloom_simulated.walk import Walk

_SHORTEST_SLICE_S, _LONGEST_SLICE_S = 0.005, 0.25
_DEBT_S = 1.0
_BATCH = 1_000
_MAX_WAITING = 200_000


class _Line:
    """One symbol's walk and the time of its next tick, in monotonic seconds."""

    __slots__ = ("due_s", "last", "walk")

    def __init__(self, walk: Walk, due_s: float) -> None:
        self.walk = walk
        self.due_s = due_s
        self.last: Quote | None = None


class Market:
    """Makes the ticks that are due and hands them to every open stream that wants them.

    A symbol ticks while somebody reads it. A reader that comes late finds at most one second of
    ticks made up for; what lies further back is left out and counted in ``skipped_ticks``.

    Args:
        symbols: All symbols, with their prefix.
        ticks_per_s: For each symbol.
        seed: Of the walks.
        clock: The only time there is.
    """

    def __init__(
        self, symbols: Collection[str], ticks_per_s: float, seed: int, clock: Clock
    ) -> None:
        self.walks = {symbol: Walk(symbol, seed) for symbol in sorted(symbols)}
        self.skipped_ticks = 0
        self._period_s = 1 / ticks_per_s
        self._clock = clock
        self._phases = random.Random(seed)  # noqa: S311 - spreads the ticks, guards nothing
        self._lines: dict[str, _Line] = {}
        self._streams: list[SimulatedStream] = []

    def slice_s(self, symbols: int) -> float:
        """Return the seconds between two looks at what is due for so many symbols."""
        wanted = self._period_s / max(1, symbols)
        return min(max(wanted, _SHORTEST_SLICE_S), _LONGEST_SLICE_S)

    def newest(self, symbol: str) -> Quote:
        """Return the symbol's newest tick as of now."""
        self._advance([symbol])
        line = self._lines[symbol]
        if line.last is None:
            now = self._clock.now()
            line.last = line.walk.tick(now.timestamp(), now)
        return line.last

    def open(self) -> SimulatedStream:
        """Return a stream without symbols."""
        stream = SimulatedStream(self, self._clock)
        self._streams.append(stream)
        return stream

    def close(self, stream: SimulatedStream) -> None:
        """Forget a stream; calling it twice is allowed."""
        if stream in self._streams:
            self._streams.remove(stream)

    def pump(self) -> None:
        """Hand what is due to all streams."""
        if len(self._streams) == 1:
            self._advance(self._streams[0].symbols)
        else:
            self._advance({symbol for stream in self._streams for symbol in stream.symbols})

    def _advance(self, symbols: Collection[str]) -> None:
        mono_s, now = self._clock.monotonic(), self._clock.now()
        offset_s = now.timestamp() - mono_s
        for symbol in symbols:
            line = self._lines.get(symbol)
            if line is None:
                due_s = mono_s + self._phases.random() * self._period_s
                self._lines[symbol] = line = _Line(self.walks[symbol], due_s)
            if line.due_s > mono_s:
                continue
            self._catch_up(line, mono_s)
            while line.due_s <= mono_s:
                quote = line.walk.tick(line.due_s + offset_s, now)
                line.last = quote
                line.due_s += self._period_s
                for stream in self._streams:
                    if symbol in stream.symbols:
                        stream.take(quote)

    def _catch_up(self, line: _Line, mono_s: float) -> None:
        behind = int((mono_s - line.due_s - _DEBT_S) / self._period_s)
        if behind > 0:
            line.due_s += behind * self._period_s
            self.skipped_ticks += behind


class SimulatedStream:
    """One reader of the market; gives batches of at most a thousand ticks."""

    def __init__(self, market: Market, clock: Clock) -> None:
        self.symbols: set[str] = set()
        self._market = market
        self._clock = clock
        self._waiting: deque[Quote] = deque()
        self._closed = False

    def take(self, quote: Quote) -> None:
        """Take a tick; the oldest one leaves, counted, where nobody fetches them."""
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self._market.skipped_ticks += 1
        self._waiting.append(quote)

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Add symbols; those that are not simulated are ignored."""
        self.symbols |= self._market.walks.keys() & set(symbols)

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Remove symbols and their waiting ticks."""
        self.symbols -= set(symbols)
        self._waiting = deque(quote for quote in self._waiting if quote.symbol in self.symbols)

    async def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        while not self._closed:
            await self._clock.sleep(self._market.slice_s(len(self.symbols)))
            self._market.pump()
            while self._waiting:
                waiting = self._waiting
                yield [waiting.popleft() for _ in range(min(_BATCH, len(waiting)))]
                await self._clock.sleep(0)

    async def aclose(self) -> None:
        """End the stream; calling it twice is allowed."""
        self._closed = True
        self._waiting.clear()
        self._market.close(self)
