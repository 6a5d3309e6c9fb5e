"""What came for one stream and was not taken yet, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from tickloom.errors import TickloomError

T = TypeVar("T")


class Inbox(Generic[T]):
    """Holds what came until it is taken; whoever fills it waits while it is full.

    Args:
        size: Full with so many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._parcels: deque[T] = deque()
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()
        self._error: TickloomError | None = None
        self._over = False

    def __len__(self) -> int:
        return len(self._parcels)

    @property
    def is_full(self) -> bool:
        """True while nothing more should be put."""
        return len(self._parcels) >= self._size and not self._over

    @property
    def is_over(self) -> bool:
        """True once it was closed."""
        return self._over

    async def room(self) -> None:
        """Wait until there is room for about half of its size again."""
        while self.is_full:
            self._emptied.clear()
            await self._emptied.wait()

    def put(self, parcel: T) -> None:
        """Add one; after the end it is forgotten."""
        if not self._over:
            self._parcels.append(parcel)
            self._arrived.set()

    def fail(self, error: TickloomError) -> None:
        """Let takers get ``error`` after what came before; the first one counts."""
        if self._error is None:
            self._error = error
        self._arrived.set()

    def close(self) -> None:
        """End it at once and forget what came; takers get nothing from now on."""
        self._over = True
        self._parcels.clear()
        self._arrived.set()
        self._emptied.set()

    async def wait(self) -> bool:
        """Wait until there is something to take; ``False`` = it is over.

        Raises:
            TickloomError: That of :meth:`fail`, once all is taken.
        """
        while not self._parcels:
            if self._over:
                return False
            if self._error is not None:
                raise self._error
            self._arrived.clear()
            await self._arrived.wait()
        return True

    def take(self) -> T:
        """Return the oldest; there must be one."""
        parcel = self._parcels.popleft()
        if len(self._parcels) <= self._size // 2:
            self._emptied.set()
        return parcel
