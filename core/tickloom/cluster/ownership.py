"""Which replica owns a symbol: rendezvous hashing over those that live.

Every replica gives each symbol a weight from both names; the heaviest owns it. So all agree without
asking, and only the symbols of a replica that comes or goes change hands.

Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

_MOST_REMEMBERED = 100_000


class View:
    """The living replicas as one of them sees them.

    Args:
        me: This replica.
        members: All that live; this one is always among them.
    """

    def __init__(self, me: str, members: Iterable[str] = ()) -> None:
        self.me = me
        self.members = tuple(sorted({me, *members}))
        self._owners: dict[str, str] = {}

    def owner_of(self, symbol: str) -> str:
        """Return the replica that owns a symbol."""
        if len(self.members) == 1:
            return self.me
        owner = self._owners.get(symbol)
        if owner is None:
            if len(self._owners) >= _MOST_REMEMBERED:
                self._owners.clear()
            owner = max(self.members, key=lambda member: (_weight(member, symbol), member))
            self._owners[symbol] = owner
        return owner

    def owns(self, symbol: str) -> bool:
        """True where this replica owns a symbol."""
        return self.owner_of(symbol) == self.me


def _weight(member: str, symbol: str) -> bytes:
    return blake2b(f"{member} {symbol}".encode(), digest_size=8).digest()
