"""Warnings of one kind no more often than every ten seconds."""

from __future__ import annotations

from loguru import logger

from tickloom.clock import Clock

_INTERVAL_S = 10.0


class Telling:
    """Tells what may happen with each row, but seldom enough to be read.

    Args:
        clock: For the ten seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_s: dict[str, float] = {}

    def warn(self, kind: str, text: str, *values: object) -> None:
        """Warn, unless the last warning of this kind was less than ten seconds ago."""
        now_s = self._clock.monotonic()
        if now_s - self._told_s.get(kind, -_INTERVAL_S) >= _INTERVAL_S:
            self._told_s[kind] = now_s
            logger.warning(text, *values)
