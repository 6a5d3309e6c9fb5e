"""Cuts off clients whose sockets have taken nothing for too long."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from tickloom.clock import Clock
from tickloom.stream.connection import Connection
from tickloom.stream.outlet import Outlet


class Stalled:
    """Remembers since when each full socket has been as full as it is.

    Args:
        clock: Counts the time.
        limit_s: A peer that takes nothing for so long is cut off.
    """

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._since: WeakKeyDictionary[Outlet, tuple[int, float]] = WeakKeyDictionary()
        self.aborted = 0

    def check(self, connections: Iterable[Connection]) -> None:
        """Look at all connections; to be called every second or so."""
        now_s = self._clock.monotonic()
        for connection in list(connections):
            outlet = connection.outlet
            if outlet is None:
                continue
            if outlet.writable:
                self._since.pop(outlet, None)
                continue
            unsent = outlet.unsent_bytes()
            before, since_s = self._since.get(outlet, (-1, now_s))
            if unsent != before:
                self._since[outlet] = (unsent, now_s)
            elif now_s - since_s >= self._limit_s:
                self.aborted += 1
                outlet.abort()
