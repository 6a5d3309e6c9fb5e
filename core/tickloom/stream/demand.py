"""Which symbols somebody wants; the feeds read it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection

_MOST_CHANGES = 10_000


class Demand:
    """Counts by reference who streams and who only watches each symbol or pattern.

    ``changed`` is set at every change of the set; whoever reads the set clears it first.
    ``channel_changes`` are the symbols and patterns of which other channels than quotes began or
    ceased to be wanted; whoever follows them puts an empty set there. ``on_change``, where it is
    set, is called besides.
    """

    def __init__(self) -> None:
        self._streamed: Counter[str] = Counter()
        self._watched: Counter[str] = Counter()
        self._channels: dict[str, Counter[str]] = {}
        self.channel_changes: set[str] = set()
        self.changed = asyncio.Event()
        self.on_change: Callable[[], object] | None = None

    def acquire(self, pattern: str, *, watch: bool = False) -> None:
        """Count one more who wants ``pattern``."""
        counts = self._watched if watch else self._streamed
        counts[pattern] += 1
        if counts[pattern] == 1:
            self._tell()

    def release(self, pattern: str, *, watch: bool = False) -> None:
        """Count one fewer; the last one removes the pattern."""
        counts = self._watched if watch else self._streamed
        counts[pattern] -= 1
        if counts[pattern] <= 0:
            del counts[pattern]
            self._tell()

    def _tell(self) -> None:
        self.changed.set()
        if self.on_change is not None:
            self.on_change()

    def owns(self, symbol: str) -> bool:  # noqa: ARG002 - replicas share their demand
        """Return True: a process without others reads everything."""
        return True

    @property
    def streamed(self) -> set[str]:
        """The symbols and patterns that somebody streams."""
        return set(self._streamed)

    @property
    def watched(self) -> set[str]:
        """The symbols and patterns that are only to be kept fresh."""
        return set(self._watched)

    def is_streamed(self, pattern: str) -> bool:
        """True where somebody streams just this symbol or pattern."""
        return pattern in self._streamed

    def acquire_channel(self, channel: str, pattern: str) -> None:
        """Count one more who wants more of ``pattern`` than quotes, such as bars."""
        counts = self._channels.setdefault(channel, Counter())
        counts[pattern] += 1
        if counts[pattern] == 1:
            self._note_channel(pattern)

    def release_channel(self, channel: str, pattern: str) -> None:
        """Count one fewer; the last one removes the pattern."""
        counts = self._channels[channel]
        counts[pattern] -= 1
        if counts[pattern] <= 0:
            del counts[pattern]
            self._note_channel(pattern)

    def _note_channel(self, pattern: str) -> None:
        if len(self.channel_changes) >= _MOST_CHANGES:
            # Nobody follows at the moment; this stands for all of them.
            self.channel_changes = {"*"}
        self.channel_changes.add(pattern)

    def of_channel(self, channel: str) -> Collection[str]:
        """Return the symbols and patterns of which somebody wants ``channel``."""
        return self._channels.get(channel, ())
