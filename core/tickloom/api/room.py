"""How many connections the server and an address may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tickloom.errors import TooManyConnections
from tickloom.settings import StreamSettings


class Room:
    """Counts connections while they are open.

    Args:
        limits: The most of each.
    """

    def __init__(self, limits: StreamSettings) -> None:
        self._limits = limits
        self._open = 0
        self._by_address: Counter[str] = Counter()

    @contextmanager
    def enter(self, address: str) -> Iterator[None]:
        """Hold a place for a connection of ``address``.

        Raises:
            TooManyConnections: There is none.
        """
        limits = self._limits
        self._check("the server", self._open, limits.max_connections, "stream.max_connections")
        per_address = limits.max_connections_per_address
        key = "stream.max_connections_per_address"
        self._check("your address", self._by_address[address], per_address, key)
        self._open += 1
        self._by_address[address] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _check(self, who: str, count: int, most: int, key: str) -> None:
        if count >= most:
            raise TooManyConnections(
                f"{who} holds as many connections as it may",
                expected=f"at most {most} ({key})",
                fix="Close others first; one connection takes many symbols.",
            )
