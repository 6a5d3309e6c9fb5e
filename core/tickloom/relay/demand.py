"""What the clients of all replicas want."""

from __future__ import annotations

import asyncio

from tickloom.cluster import Replicas
from tickloom.stream import Demand


class SharedDemand:
    """What is wanted anywhere, and which part of it is ours to read.

    Args:
        own: What our clients want.
        replicas: What the others want, and who owns what.
    """

    def __init__(self, own: Demand, replicas: Replicas) -> None:
        self._own = own
        self._replicas = replicas

    @property
    def changed(self) -> asyncio.Event:
        """Set at every change; whoever reads clears it first."""
        return self._own.changed

    @property
    def streamed(self) -> set[str]:
        """The symbols and patterns that somebody streams."""
        return self._own.streamed | self._replicas.others.streamed

    @property
    def watched(self) -> set[str]:
        """The symbols and patterns that are only to be kept fresh."""
        return self._own.watched | self._replicas.others.watched

    def owns(self, symbol: str) -> bool:
        """True where this replica reads a symbol."""
        return self._replicas.owns(symbol)
