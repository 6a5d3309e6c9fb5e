"""Which symbols somebody wants; the feeds read it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection


class Demand:
    """Counts by reference who streams and who only watches each symbol or pattern.

    ``changed`` is set at every change of the set; whoever reads the set clears it first.
    """

    def __init__(self) -> None:
        self._streamed: Counter[str] = Counter()
        self._watched: Counter[str] = Counter()
        self._channels: dict[str, Counter[str]] = {}
        self.changed = asyncio.Event()

    def acquire(self, pattern: str, *, watch: bool = False) -> None:
        """Count one more who wants ``pattern``."""
        counts = self._watched if watch else self._streamed
        counts[pattern] += 1
        if counts[pattern] == 1:
            self.changed.set()

    def release(self, pattern: str, *, watch: bool = False) -> None:
        """Count one fewer; the last one removes the pattern."""
        counts = self._watched if watch else self._streamed
        counts[pattern] -= 1
        if counts[pattern] <= 0:
            del counts[pattern]
            self.changed.set()

    @property
    def streamed(self) -> set[str]:
        """The symbols and patterns that somebody streams."""
        return set(self._streamed)

    @property
    def watched(self) -> set[str]:
        """The symbols and patterns that are only to be kept fresh."""
        return set(self._watched)

    def acquire_channel(self, channel: str, pattern: str) -> None:
        """Count one more who wants more of ``pattern`` than quotes, such as bars."""
        self._channels.setdefault(channel, Counter())[pattern] += 1

    def release_channel(self, channel: str, pattern: str) -> None:
        """Count one fewer; the last one removes the pattern."""
        counts = self._channels[channel]
        counts[pattern] -= 1
        if counts[pattern] <= 0:
            del counts[pattern]

    def of_channel(self, channel: str) -> Collection[str]:
        """Return the symbols and patterns of which somebody wants ``channel``."""
        return self._channels.get(channel, ())
