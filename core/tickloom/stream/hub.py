"""Numbers each quote and hands it to all who subscribed to its symbol."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from tickloom.model import Quote, is_glob, matches
from tickloom.stream.connection import Connection
from tickloom.stream.demand import Demand
from tickloom.stream.protocol import Failure, Status, StatusState
from tickloom.stream.tick import Tick


class Hub:
    """Symbol to connections, and each symbol's sequence.

    Sequences begin at 1 and have no holes within an ``epoch``; a new hub is a new epoch.

    Args:
        epoch: Names this run of the numbering.
        demand: Told which symbols are streamed.
    """

    def __init__(self, epoch: str, demand: Demand) -> None:
        self.epoch = epoch
        self.connections: set[Connection] = set()
        self.published = 0
        self.delivered = 0
        self.dropped = 0
        self.total_connections = 0
        self._demand = demand
        self._sequences: dict[str, int] = {}
        self._subscribers: dict[str, set[Connection]] = {}
        self._globs: dict[str, set[Connection]] = {}
        self._matched: dict[str, set[Connection]] = {}

    def number(self, quote: Quote) -> Quote:
        """Return the quote with the next sequence number of its symbol."""
        sequence = self._sequences.get(quote.symbol, 0) + 1
        self._sequences[quote.symbol] = sequence
        return replace(quote, sequence=sequence)

    def publish(self, quote: Quote) -> None:
        """Hand a numbered quote to every connection that wants its symbol, each once."""
        self.published += 1
        receivers = self._receivers(quote.symbol)
        if not receivers:
            return
        tick = Tick(quote, self.epoch)
        for connection in receivers:
            connection.offer(tick)

    def _receivers(self, symbol: str) -> Collection[Connection]:
        if not self._globs:
            return self._subscribers.get(symbol, ())
        # Matching every pattern at every tick would let one client with many slow all others.
        receivers = self._matched.get(symbol)
        if receivers is None:
            receivers = set(self._subscribers.get(symbol, ()))
            for pattern, connections in self._globs.items():
                if matches(symbol, pattern):
                    receivers |= connections
            self._matched[symbol] = receivers
        return receivers

    def _changed(self, pattern: str) -> None:
        if is_glob(pattern):
            self._matched.clear()
        else:
            self._matched.pop(pattern, None)

    def attach(self, connection: Connection) -> None:
        """Begin to count a connection."""
        self.connections.add(connection)
        self.total_connections += 1

    def detach(self, connection: Connection) -> None:
        """End a connection and all that it wanted; calling it twice is allowed."""
        if connection not in self.connections:
            return
        for pattern in list(connection.patterns):
            self.unsubscribe(connection, pattern)
        self.connections.discard(connection)
        self.delivered += connection.delivered
        self.dropped += connection.dropped

    def subscribe(self, connection: Connection, pattern: str) -> None:
        """Add a symbol or pattern to what a connection wants; doing so again changes nothing."""
        if pattern in connection.patterns:
            return
        connection.patterns.add(pattern)
        table = self._globs if is_glob(pattern) else self._subscribers
        table.setdefault(pattern, set()).add(connection)
        self._changed(pattern)
        self._demand.acquire(pattern)

    def unsubscribe(self, connection: Connection, pattern: str) -> None:
        """Remove a symbol or pattern; what was not wanted is ignored."""
        if pattern not in connection.patterns:
            return
        connection.patterns.discard(pattern)
        table = self._globs if is_glob(pattern) else self._subscribers
        holders = table[pattern]
        holders.discard(connection)
        if not holders:
            del table[pattern]
        self._changed(pattern)
        self._demand.release(pattern)

    def publish_status(
        self,
        provider: str,
        state: StatusState,
        since: datetime,
        symbols: Collection[str],
        reason: str = "",
    ) -> None:
        """Tell the state of a feed to each connection that wants any of ``symbols``."""
        for connection in list(self.connections):
            theirs = sorted(filter(connection.wants, symbols))
            if theirs:
                connection.send(
                    Status(
                        provider=provider, state=state, since=since, symbols=theirs, reason=reason
                    )
                )

    def publish_failure(self, symbol: str, code: int, message: str) -> None:
        """Tell that a symbol has trouble to each connection that named it."""
        for connection in self._subscribers.get(symbol, ()):
            connection.send(Failure(code=code, message=message, symbol=symbol))

    def stats(self) -> dict[str, Any]:
        """Return counts since the start; ``waiting_bytes`` is what clients have not taken yet."""
        delivered = self.delivered + sum(one.delivered for one in self.connections)
        dropped = self.dropped + sum(one.dropped for one in self.connections)
        return {
            "connected_clients": len(self.connections),
            "total_connections": self.total_connections,
            "subscriptions": sum(len(one.patterns) for one in self.connections),
            "symbols": len(self._subscribers),
            "messages_published": self.published,
            "messages_delivered": delivered,
            "messages_dropped": dropped,
            "waiting_bytes": sum(one.waiting_bytes for one in self.connections),
        }
