"""Keeps to the endpoint's limit where one question takes several requests."""

from __future__ import annotations

from collections import deque

from tickloom.clock import Clock

_SECOND = 1.0


class Pace:
    """Lets at most ``most`` requests begin within any second.

    Args:
        most: ``None`` = no limit.
        clock: For the waits.
    """

    def __init__(self, most: int | None, clock: Clock) -> None:
        self._clock = clock
        self._begun: deque[float] | None = deque(maxlen=most) if most is not None else None

    async def take(self) -> None:
        """Wait for the next place; places are given in the order of asking."""
        begun = self._begun
        if begun is None:
            return
        now_s = self._clock.monotonic()
        is_full = len(begun) == begun.maxlen
        at_s = max(now_s, begun[0] + _SECOND) if is_full else now_s
        begun.append(at_s)
        if at_s > now_s:
            await self._clock.sleep(at_s - now_s)
