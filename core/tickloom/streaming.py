"""The streaming engine as one thing: hub, feeds and what is wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from tickloom.clock import Clock
from tickloom.errors import InvalidInterval, InvalidSymbol, TickloomError
from tickloom.feeds import Feeds, Router
from tickloom.model import (
    Interval,
    Quote,
    Timeliness,
    is_glob,
    matches,
    parse_glob,
    parse_interval,
)
from tickloom.relay import Cluster
from tickloom.settings import StreamSettings
from tickloom.stream import Bars, Connection, Demand, Hub, LiveBar, Status, Tick, WireFormat
from tickloom.stream.bar import BAR_INTERVALS, BarItem
from tickloom.stream.bars import Keeper
from tickloom.stream.wanted import PLAIN, Wish


class StreamManager:
    """Starts and stops the feeds, and knows who listens.

    Args:
        hub: Who gets what.
        demand: What is wanted.
        feeds: Read while the engine runs.
        router: Says which symbols can be served.
        settings: Limits of a connection.
        clock: Closes bars.
        cluster: The other replicas.
        keeper: Stores closed bars before they are told; ``None`` = nobody does.
    """

    def __init__(
        self,
        hub: Hub,
        demand: Demand,
        feeds: Feeds,
        router: Router,
        settings: StreamSettings,
        clock: Clock,
        cluster: Cluster,
        keeper: Keeper | None = None,
    ) -> None:
        self.hub = hub
        self.feeds = feeds
        self._demand = demand
        self._router = router
        self._settings = settings
        self._cluster = cluster
        self._relay = cluster.relay
        self._watched: set[str] = set()
        daily = {
            name
            for name, source in router.sources.items()
            if source.info.timeliness is Timeliness.END_OF_DAY
        }
        self.bars = Bars(
            hub, demand, clock, is_daily=lambda quote: quote.provider in daily, keeper=keeper
        )
        hub.on_tick = self.bars.take

    @property
    def running(self) -> bool:
        """True while the feeds are read."""
        return self.feeds.running

    async def start(self, watched: Sequence[str] = ()) -> None:
        """Begin to read the feeds, and add ``watched`` to what is kept fresh."""
        for symbol in watched:
            if symbol not in self._watched:
                self._watched.add(symbol)
                self._demand.acquire(symbol, watch=True)
        await self.feeds.start()

    async def stop(self) -> None:
        """Stop reading the feeds and forget what was watched; subscriptions stay."""
        for symbol in self._watched:
            self._demand.release(symbol, watch=True)
        self._watched.clear()
        await self.feeds.stop()

    async def aclose(self) -> None:
        """Stop for good; calling it twice is allowed."""
        self.bars.close()
        await self.stop()

    def refusal(self, symbol: str) -> TickloomError | None:
        """Return why a symbol cannot be streamed, ``None`` where it can."""
        try:
            self._router.candidates(symbol)
        except TickloomError as error:
            return error
        refusal = self.feeds.refusal(symbol)
        if refusal is None and self._relay is not None:
            refusal = self._relay.refusal(symbol)
        return refusal

    def troubles(self, symbols: Collection[str]) -> list[Status]:
        """Return a status for each feed of ``symbols`` that is not live."""
        found = self.feeds.troubles(symbols)
        return found + self._relay.troubles(symbols) if self._relay is not None else found

    @asynccontextmanager
    async def listen(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[Quote]]:
        """Subscribe in this process; leaving the context gives the subscription back.

        A listener that falls behind by more than ``stream.buffer_bytes`` gets the newest quote of
        each symbol; ``Quote.sequence`` shows the hole.

        Raises:
            InvalidSymbol: There is no symbol, or one is malformed.
            UnknownSymbol: No provider serves one of them.
        """
        patterns = self._admit(symbols)
        with self._connected(patterns, PLAIN) as connection:
            yield _quotes(connection)

    @asynccontextmanager
    async def listen_bars(
        self, symbols: Sequence[str], interval: str | Interval
    ) -> AsyncIterator[AsyncIterator[LiveBar]]:
        """Do the same for bars; the forming bar of each symbol comes at once.

        Raises:
            InvalidSymbol: There is no symbol, or one is malformed.
            InvalidInterval: Bars of this length are not built live.
            UnknownSymbol: No provider serves one of them.
        """
        patterns = self._admit(symbols)
        length = parse_interval(interval)
        if length not in BAR_INTERVALS:
            raise InvalidInterval(
                "bars of this length are not built live",
                found=interval,
                expected=f"one of {', '.join(BAR_INTERVALS)}",
            )
        channel = f"bars.{length}"
        with self._connected(patterns, Wish(channels=frozenset({channel}))) as connection:
            known = list(self.hub.symbols())
            for pattern in patterns:
                named = [one for one in known if matches(one, pattern)]
                for symbol in named if is_glob(pattern) else [pattern]:
                    self.bars.bring(connection, symbol, channel)
            yield _bars(connection)

    def _admit(self, symbols: Sequence[str]) -> list[str]:
        patterns = [parse_glob(symbol) for symbol in symbols]
        if not patterns:
            raise InvalidSymbol("no symbol was named", found=[], expected="at least one symbol")
        for pattern in patterns:
            if not is_glob(pattern):
                self._router.candidates(pattern)
        return patterns

    @contextmanager
    def _connected(self, patterns: list[str], wish: Wish) -> Iterator[Connection]:
        connection = Connection(WireFormat.JSON, self._settings.buffer_bytes)
        self.hub.attach(connection)
        try:
            for pattern in patterns:
                self.hub.subscribe(connection, pattern, wish)
            yield connection
        finally:
            self.hub.detach(connection)

    def get_streaming_stats(self) -> dict[str, Any]:
        """Return whether the engine runs, counts of the connections, and each feed's state."""
        return {
            "streaming": self.running,
            "epoch": self.hub.epoch,
            "websocket_stats": self.hub.stats(),
            "cluster": self._cluster.stats(),
            "watched": sorted(self._watched),
            "bars": self.bars.stats(),
            "feeds": self.feeds.stats(),
        }


async def _quotes(connection: Connection) -> AsyncIterator[Quote]:
    while True:
        for item in await connection.take_items():
            if isinstance(item, Tick):
                yield item.quote


async def _bars(connection: Connection) -> AsyncIterator[LiveBar]:
    while True:
        for item in await connection.take_items():
            if isinstance(item, BarItem):
                yield item.bar
