"""The stream that the host subscribes to: a player for each timeline that somebody wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, MutableMapping, Sequence

from loguru import logger

from tickloom.clock import Clock
from tickloom.model import Quote
from tickloom_replay.factors import Factors
from tickloom_replay.options import ReplaySettings
from tickloom_replay.player import Player
from tickloom_replay.session import Session
from tickloom_replay.timeline import Timeline

_QUEUE_BATCHES = 4


class ReplayStream:
    """One open stream.

    A timeline starts at its begin when the first of its symbols is subscribed, and stops when the
    last one is unsubscribed. A symbol that joins later joins where the timeline is. With ``loop``
    off, the symbols of a timeline are silent after its end while the stream stays open.
    """

    def __init__(
        self,
        *,
        timelines: Sequence[Timeline],
        options: ReplaySettings,
        clock: Clock,
        factors: Mapping[str, Factors],
        reached: MutableMapping[str, Session],
        on_close: Callable[[ReplayStream], None],
    ) -> None:
        self._timelines = timelines
        self._options = options
        self._clock = clock
        self._factors = factors
        self._reached = reached
        self._on_close = on_close
        self._wanted: set[str] = set()
        self._players: dict[int, asyncio.Task[None]] = {}
        # A player waits while the host is slow; nothing is dropped. ``None`` = closed.
        self._queue: asyncio.Queue[list[Quote] | Exception | None] = asyncio.Queue(_QUEUE_BATCHES)
        self._closed = False

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Add symbols; those not recorded are told in the log and stay silent."""
        if self._closed:
            return
        known = frozenset[str]().union(*(line.symbols for line in self._timelines))
        for symbol in sorted(set(symbols) - known):
            logger.warning("replay: {} is not recorded and stays silent", symbol)
        self._wanted.update(known.intersection(symbols))
        for place, timeline in enumerate(self._timelines):
            if place not in self._players and timeline.symbols & self._wanted:
                self._players[place] = asyncio.create_task(self._play(timeline))

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Remove symbols; their quotes that wait to be taken are not given out either."""
        self._wanted.difference_update(symbols)
        idle = [
            place for place in self._players if not self._timelines[place].symbols & self._wanted
        ]
        await _cancel([self._players.pop(place) for place in idle])

    def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        return self

    async def __anext__(self) -> Sequence[Quote]:
        """Wait for the next batch, oldest first."""
        while True:
            item = None if self._closed else await self._queue.get()
            if item is None:
                # Others may wait too.
                self._wake()
                raise StopAsyncIteration
            if isinstance(item, Exception):
                raise item
            batch = [quote for quote in item if quote.symbol in self._wanted]
            if batch:
                return batch

    async def aclose(self) -> None:
        """Stop all players and end the iteration."""
        if self._closed:
            return
        self._closed = True
        players, self._players = list(self._players.values()), {}
        await _cancel(players)
        while not self._queue.empty():
            self._queue.get_nowait()
        self._wake()
        self._on_close(self)

    def _wake(self) -> None:
        if self._queue.empty():
            self._queue.put_nowait(None)

    async def _play(self, timeline: Timeline) -> None:
        player = Player(
            timeline=timeline,
            options=self._options,
            clock=self._clock,
            wanted=self._wanted,
            factors=self._factors,
            reached=self._reached,
            send=self._queue.put,
        )
        try:
            await player.run()
        except Exception as error:  # noqa: BLE001 - handed to whoever iterates
            await self._queue.put(error)


async def _cancel(players: Collection[asyncio.Task[None]]) -> None:
    for player in players:
        player.cancel()
    # A player ends as soon as its reader does, which has a limit of its own.
    await asyncio.gather(*players, return_exceptions=True)
