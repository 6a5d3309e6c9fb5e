"""Numbers each quote and hands it to all who subscribed to its symbol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from loguru import logger
from msgspec.structs import replace

from tickloom.clock import Cancellable, Clock
from tickloom.model import Quote, is_glob, matches
from tickloom.stream.audience import Audience, Audiences, Table
from tickloom.stream.connection import Connection
from tickloom.stream.demand import Demand
from tickloom.stream.item import Item
from tickloom.stream.outlet import Joiner
from tickloom.stream.protocol import Failure, Status, StatusState
from tickloom.stream.ring import Ring
from tickloom.stream.tick import Tick
from tickloom.stream.wanted import PLAIN, QUOTES, Wish

# Items wait for the end of the loop's turn, so that what comes together goes out together.
_MOST_UNFLUSHED = 512


class Hub:
    """Symbol to connections, and each symbol's sequence.

    Sequences begin at 1 and have no holes within an ``epoch``; a new hub is a new epoch.
    ``on_tick``, where it is set, is called with every quote after it was handed on.

    Args:
        epoch: Names this run of the numbering.
        demand: Told which symbols are wanted.
        ring: Keeps what can be resumed; ``None`` = nothing can.
        clock: For the flush interval; ``None`` = there is none.
        flush_interval_s: Items are joined for so long; 0 = for the turn of the event loop.
    """

    def __init__(
        self,
        epoch: str,
        demand: Demand,
        ring: Ring | None = None,
        clock: Clock | None = None,
        flush_interval_s: float = 0.0,
    ) -> None:
        self.epoch = epoch
        self.connections: set[Connection] = set()
        self.published = 0
        self.total_connections = 0
        self._delivered = 0
        self._dropped = 0
        self._demand = demand
        self._ring = ring
        self._clock = clock
        self._flush_interval_s = flush_interval_s
        self._sequences: dict[str, int] = {}
        self._newest: dict[str, Tick] = {}
        self._epochs: dict[str, str] = {}
        self._renewals = 0
        self._audiences = Audiences()
        self._tables = {QUOTES: Table(self._audiences)}
        self._quotes = self._tables[QUOTES]
        # Since which position a symbol or pattern has been streamed without a pause.
        self._begun: dict[str, int] = {}
        self._begun_globs: dict[str, int] = {}
        self.on_tick: Callable[[Quote], object] | None = None
        # What waits for a flush: whose it is and, in the order of all, what it is.
        self._dirty: list[Audience] = []
        self._unflushed: list[tuple[Audience, Item]] = []
        self._flushing: Cancellable | None = None

    def epoch_of(self, symbol: str) -> str:
        """Return what the numbers of a symbol count in."""
        return self._epochs.get(symbol, self.epoch)

    def renew(self, symbol: str) -> None:
        """Count a symbol anew under another epoch: somebody else may number it meanwhile."""
        self._renewals += 1
        self._epochs[symbol] = f"{self.epoch}.{self._renewals}"
        self._sequences.pop(symbol, None)

    def number(self, quote: Quote) -> Quote:
        """Return the quote with the next sequence number of its symbol."""
        symbol = quote.symbol
        newest = self._newest.get(symbol)
        if newest is not None and newest.epoch != self.epoch_of(symbol):
            self.renew(symbol)
        sequence = self._sequences.get(symbol, 0) + 1
        self._sequences[symbol] = sequence
        return replace(quote, sequence=sequence)

    def publish(self, quote: Quote) -> Tick:
        """Hand a quote of :meth:`number` to every connection that wants its symbol, each once."""
        self.published += 1
        tick = Tick(quote, self.epoch_of(quote.symbol), self.published)
        self._publish(tick)
        return tick

    def _publish(self, tick: Tick) -> None:
        self._newest[tick.symbol] = tick
        if self._ring is not None:
            self._ring.put(tick)
        self._offer(self._quotes.audience(tick.symbol), tick)
        if self.on_tick is not None:
            self.on_tick(tick.quote)

    def is_news(self, quote: Quote, epoch: str) -> bool:
        """True where a quote that another process numbered was not relayed before."""
        newest = self._newest.get(quote.symbol)
        return newest is None or newest.epoch != epoch or quote.sequence > newest.sequence

    def relay(self, quote: Quote, epoch: str, encoded: bytes | None = None) -> None:
        """Hand on a quote that another process numbered, and that is news.

        Where numbers are missing before it, or it counts in another epoch than the last one and is
        not its first, those who want it are told.

        Args:
            quote: Numbered.
            epoch: In which.
            encoded: Its message as JSON, where it is at hand.
        """
        newest = self._newest.get(quote.symbol)
        before = quote.sequence - 1
        missing = before if newest is not None else 0
        if newest is not None and newest.epoch == epoch:
            missing = before - newest.sequence
        self.published += 1
        tick = Tick(quote, epoch, self.published, encoded)
        tick.missing = missing
        self._publish(tick)

    def publish_item(self, item: Item, channel: str) -> None:
        """Hand an item of another channel to every connection that wants it."""
        table = self._tables.get(channel)
        if table is not None:
            self._offer(table.audience(item.symbol), item)

    def _offer(self, audience: Audience, item: Item) -> None:
        if not audience.members:
            return
        if not audience.items:
            self._dirty.append(audience)
        audience.items.append(item)
        self._unflushed.append((audience, item))
        if len(self._unflushed) >= _MOST_UNFLUSHED:
            self.flush()
        elif self._flushing is None:
            if self._flush_interval_s and self._clock is not None:
                self._flushing = self._clock.call_later(self._flush_interval_s, self.flush)
            else:
                self._flushing = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send all that was published and is still held back to be joined."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        dirty, self._dirty = self._dirty, []
        unflushed, self._unflushed = self._unflushed, []
        if not dirty:
            return
        everybody = dirty[0].members.union(*(audience.members for audience in dirty[1:]))
        are_apart = len(everybody) == sum(len(audience.members) for audience in dirty)
        if not are_apart:
            # Whoever belongs to several gets their items in the order of all.
            for audience, item in unflushed:
                for member in audience.members:
                    member.pending.append(item)
        joiner = Joiner()
        for audience in dirty:
            items, audience.items = audience.items, []
            if are_apart:
                self._flush_to(audience.members, items, joiner)
        if not are_apart:
            self._flush_to(everybody, (), joiner)

    def _flush_to(
        self, members: Iterable[Connection], items: Sequence[Item], joiner: Joiner
    ) -> None:
        for connection in members:
            try:
                connection.flush(joiner, items)
            except Exception as error:  # noqa: BLE001 - one client's trouble is not another's
                logger.opt(exception=error).error("a client could not be written to")
                connection.pending.clear()

    def symbols(self) -> Collection[str]:
        """Return the symbols that have a last tick."""
        return self._newest.keys()

    def newest(self, symbol: str) -> Tick | None:
        """Return the last tick of a symbol, ``None`` where there was none."""
        return self._newest.get(symbol)

    def kept(self, symbol: str) -> list[Tick]:
        """Return the newest past of a symbol, oldest first and without a hole."""
        newest = self._newest.get(symbol)
        kept = self._ring.kept(symbol) if self._ring is not None else []
        return kept or ([newest] if newest is not None else [])

    def missed(self, symbol: str, epoch: str, sequence: int) -> list[Tick] | None:
        """Return all ticks of a symbol after one that a client has seen; ``None`` = not known."""
        newest = self._newest.get(symbol)
        if newest is None or newest.epoch != epoch or sequence > newest.sequence:
            return None
        if sequence >= newest.sequence - 1:
            return [newest] if sequence < newest.sequence else []
        return self._ring.since(symbol, epoch, sequence) if self._ring is not None else None

    def missed_after(self, symbol: str, position: int) -> list[Tick] | None:
        """Return all ticks of a symbol after a position of this process; ``None`` = not known."""
        newest = self._newest.get(symbol)
        if newest is None or newest.position <= position:
            return []
        return self._ring.after(symbol, position) if self._ring is not None else None

    def watched(self, symbol: str) -> list[Quote]:
        """Return the quotes of a symbol since somebody streams it, as far as they are kept."""
        if self._ring is None:
            return []
        globs = self._begun_globs.items()
        begun = [position for pattern, position in globs if matches(symbol, pattern)]
        if symbol in self._begun:
            begun.append(self._begun[symbol])
        return [tick.quote for tick in self._ring.held(symbol, min(begun))] if begun else []

    def attach(self, connection: Connection) -> None:
        """Begin to count a connection."""
        self.connections.add(connection)
        self.total_connections += 1

    def detach(self, connection: Connection) -> None:
        """End a connection and all that it wanted; calling it twice is allowed."""
        if connection not in self.connections:
            return
        self.flush()
        for pattern in list(connection.patterns):
            self.unsubscribe(connection, pattern)
        self.connections.discard(connection)
        connection.close()
        self._delivered += connection.delivered
        self._dropped += connection.dropped

    def subscribe(self, connection: Connection, pattern: str, wish: Wish = PLAIN) -> None:
        """Add a symbol or pattern to what a connection wants, or change how it is wanted."""
        before = connection.patterns.get(pattern)
        if before == wish:
            return
        # What was published before is for those who wanted it then.
        self.flush()
        if before is None:
            self._demand.acquire(pattern)
            begun = self._begun_globs if is_glob(pattern) else self._begun
            begun.setdefault(pattern, self.published)
        else:
            self._leave(connection, pattern, before)
        connection.patterns.put(pattern, wish)
        connection.changed()
        for channel in wish.channels:
            self._table(channel).add(pattern, connection)
            if channel != QUOTES:
                self._demand.acquire_channel(channel, pattern)

    def unsubscribe(self, connection: Connection, pattern: str) -> None:
        """Remove a symbol or pattern; what was not wanted is ignored."""
        wish = connection.patterns.get(pattern)
        if wish is None:
            return
        self.flush()
        connection.patterns.drop(pattern)
        connection.changed()
        self._leave(connection, pattern, wish)
        self._demand.release(pattern)
        if not self._demand.is_streamed(pattern):
            self._begun.pop(pattern, None)
            self._begun_globs.pop(pattern, None)

    def _table(self, channel: str) -> Table:
        table = self._tables.get(channel)
        if table is None:
            table = self._tables[channel] = Table(self._audiences)
        return table

    def _leave(self, connection: Connection, pattern: str, wish: Wish) -> None:
        for channel in wish.channels:
            self._tables[channel].remove(pattern, connection)
            if channel != QUOTES:
                self._demand.release_channel(channel, pattern)

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
        tables = self._tables.values()
        for connection in set().union(*(table.symbols.get(symbol, ()) for table in tables)):
            connection.send(Failure(code=code, message=message, symbol=symbol))

    def stats(self) -> dict[str, Any]:
        """Return counts since the start; ``waiting_bytes`` is what clients have not taken yet."""
        return {
            "connected_clients": len(self.connections),
            "total_connections": self.total_connections,
            "subscriptions": sum(len(one.patterns) for one in self.connections),
            "symbols": len(self._quotes.symbols),
            "messages_published": self.published,
            "messages_delivered": self._delivered + sum(one.delivered for one in self.connections),
            "messages_dropped": self._dropped + sum(one.dropped for one in self.connections),
            "waiting_bytes": sum(one.waiting_bytes for one in self.connections),
        }
