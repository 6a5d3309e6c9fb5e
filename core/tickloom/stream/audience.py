"""Who receives the items of which symbols, and what waits for them until the next flush."""

from __future__ import annotations

from weakref import WeakValueDictionary

from tickloom.model import is_glob, matches
from tickloom.stream.connection import Connection
from tickloom.stream.item import Item


class Audience:
    """The clients of one or several symbols that just these clients want.

    Attributes:
        members: The clients.
        items: What waits for all of them, in order.
    """

    __slots__ = ("__weakref__", "items", "members")

    def __init__(self, members: frozenset[Connection]) -> None:
        self.members = members
        self.items: list[Item] = []


class Audiences:
    """All audiences of a hub: there is one for each set of clients, whatever they want.

    A tick is then put into one list instead of one for each client.
    """

    def __init__(self) -> None:
        self._known: WeakValueDictionary[frozenset[Connection], Audience] = WeakValueDictionary()

    def of(self, members: frozenset[Connection]) -> Audience:
        """Return the audience of these clients."""
        found = self._known.get(members)
        if found is None:
            found = self._known[members] = Audience(members)
        return found


class Table:
    """Who wants which symbols of one channel.

    Args:
        audiences: Those of the hub.
    """

    def __init__(self, audiences: Audiences) -> None:
        self.symbols: dict[str, set[Connection]] = {}
        self.globs: dict[str, set[Connection]] = {}
        self._all = audiences
        self._audiences: dict[str, Audience] = {}

    def add(self, pattern: str, connection: Connection) -> None:
        """Let a client receive what fits a symbol or pattern."""
        table = self.globs if is_glob(pattern) else self.symbols
        table.setdefault(pattern, set()).add(connection)
        self._changed(pattern)

    def remove(self, pattern: str, connection: Connection) -> None:
        """Let it no longer receive that."""
        table = self.globs if is_glob(pattern) else self.symbols
        holders = table[pattern]
        holders.discard(connection)
        if not holders:
            del table[pattern]
        self._changed(pattern)

    def audience(self, symbol: str) -> Audience:
        """Return who receives the items of a symbol, each client once."""
        # Matching every pattern at every tick would let one client with many slow all others.
        found = self._audiences.get(symbol)
        if found is None:
            members = set(self.symbols.get(symbol, ()))
            for pattern, connections in self.globs.items():
                if matches(symbol, pattern):
                    members |= connections
            found = self._audiences[symbol] = self._all.of(frozenset(members))
        return found

    def _changed(self, pattern: str) -> None:
        if is_glob(pattern):
            self._audiences.clear()
        else:
            self._audiences.pop(pattern, None)
