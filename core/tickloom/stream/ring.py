"""The newest past of the stream, for clients that come back."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice

from tickloom.clock import Clock
from tickloom.stream.tick import Tick

_TICK_BYTES = 1_600
"""A tick that nobody read yet, with its quote and its decimals, as measured."""


class Ring:
    """Ticks of each symbol in order, bounded by count, bytes and age.

    Args:
        clock: Counts the age.
        count: Most ticks of one symbol.
        max_bytes: Most bytes of all symbols, about.
        age_s: Ticks leave after so many seconds, at the latest with the next tick of any symbol.
    """

    def __init__(self, clock: Clock, count: int, max_bytes: int, age_s: float) -> None:
        self._clock = clock
        self._count = count
        self._most = max(1, max_bytes // _TICK_BYTES)
        self._age_s = age_s
        # Every tick in the order of all, by symbol; those that left early are counted in _gone.
        self._times_s: deque[float] = deque()
        self._order: deque[str] = deque()
        self._ticks: dict[str, deque[Tick]] = {}
        self._gone: Counter[str] = Counter()
        self._lost: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._ticks.values()))

    def put(self, tick: Tick) -> None:
        """Add the newest tick of a symbol; after a hole or in another epoch it begins anew."""
        now_s = self._clock.monotonic()
        ticks = self._ticks.get(tick.symbol)
        if ticks is None:
            ticks = self._ticks[tick.symbol] = deque()
        elif ticks and not _follows(ticks[-1], tick):
            self._gone[tick.symbol] += len(ticks)
            self._lost[tick.symbol] = ticks[-1].position
            ticks.clear()
        ticks.append(tick)
        times_s, oldest_s = self._times_s, now_s - self._age_s
        times_s.append(now_s)
        self._order.append(tick.symbol)
        if len(ticks) > self._count:
            self._gone[tick.symbol] += 1
            self._lose(ticks)
        while times_s and (times_s[0] < oldest_s or len(times_s) > self._most):
            self._evict()

    def kept(self, symbol: str) -> list[Tick]:
        """Return all ticks of a symbol that are here, oldest first and without a hole."""
        return list(self._ticks.get(symbol, ()))

    def since(self, symbol: str, epoch: str, sequence: int) -> list[Tick] | None:
        """Return the ticks after ``sequence``; ``None`` where some of them are gone."""
        ticks = self._ticks.get(symbol)
        if not ticks or ticks[-1].epoch != epoch or sequence > ticks[-1].sequence:
            return None
        missing = ticks[-1].sequence - sequence
        if missing > len(ticks):
            return None
        return list(islice(ticks, len(ticks) - missing, None))

    def after(self, symbol: str, position: int) -> list[Tick] | None:
        """Return the ticks after a position; ``None`` where some of them are gone."""
        if self._lost.get(symbol, -1) > position:
            return None
        return [tick for tick in self._ticks.get(symbol, ()) if tick.position > position]

    def held(self, symbol: str, position: int) -> list[Tick]:
        """Return what is still there of the ticks after a position; nothing lies between them."""
        return [tick for tick in self._ticks.get(symbol, ()) if tick.position > position]

    def _evict(self) -> None:
        self._times_s.popleft()
        symbol = self._order.popleft()
        gone = self._gone.get(symbol, 0)
        if not gone:
            self._lose(self._ticks[symbol])
        elif gone == 1:
            del self._gone[symbol]
        else:
            self._gone[symbol] = gone - 1

    def _lose(self, ticks: deque[Tick]) -> None:
        tick = ticks.popleft()
        self._lost[tick.symbol] = tick.position


def _follows(before: Tick, tick: Tick) -> bool:
    return before.epoch == tick.epoch and before.sequence + 1 == tick.sequence
