"""The stored past for clients that ask for it, joined to the stream without a hole or a double."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from loguru import logger

from tickloom.errors import TickloomError
from tickloom.model import Quote
from tickloom.stream.connection import Connection
from tickloom.stream.hub import Hub
from tickloom.stream.protocol import Failure
from tickloom.stream.tick import Tick

ReadPast: TypeAlias = Callable[[str, datetime, int], Awaitable[Sequence[tuple[Quote, str]]]]
"""Returns at most so many stored quotes of a symbol from a time on, oldest first, with epochs."""

MOST_STORED = 10_000
"""Quotes of one symbol that are brought from the store."""
MOST_SYMBOLS = 100
"""Symbols that one subscription brings from the store."""
_READ_LIMIT_S = 15.0


class CatchUp:
    """Brings one client what was published before it came.

    What the ring still has comes from there. Where that does not reach back far enough, older
    quotes come from the store; until they are here, the client's new ticks of the symbol wait.

    Args:
        hub: Has the newest past.
        connection: The client's.
        read: Reads the store.
    """

    __slots__ = ("_connection", "_hub", "_read", "_tasks")

    def __init__(self, hub: Hub, connection: Connection, read: ReadPast) -> None:
        self._hub = hub
        self._connection = connection
        self._read = read
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, symbols: Sequence[str], since: datetime) -> None:
        """Bring all quotes of ``symbols`` from ``since`` on, by the venue's time."""
        stored: dict[str, list[Tick]] = {}
        for symbol in symbols:
            kept = self._hub.kept(symbol)
            recent = [tick for tick in kept if tick.quote.timestamp >= since]
            if kept and kept[0].quote.timestamp < since:
                self._connection.hold(symbol)
                self._connection.release(symbol, recent)
            else:
                self._connection.hold(symbol)
                stored[symbol] = recent
        if stored:
            task = asyncio.create_task(self._fill(stored, since), name="stream catch up")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fill(self, recent: dict[str, list[Tick]], since: datetime) -> None:
        for symbol, kept in recent.items():
            older: list[Tick] = []
            try:
                async with asyncio.timeout(_READ_LIMIT_S):
                    older = await self._older(symbol, since, kept)
            except (TickloomError, TimeoutError) as error:
                why = str(error) or "the database did not answer in time"
                text = f"the stored quotes of {symbol} are not available: {why}"
                logger.debug("{}", text)
                self._connection.send(Failure(code=500, message=text, symbol=symbol))
            self._connection.release(symbol, [*older, *kept])

    async def _older(self, symbol: str, since: datetime, kept: list[Tick]) -> list[Tick]:
        rows = await self._read(symbol, since, MOST_STORED + 1)
        if len(rows) > MOST_STORED:
            text = f"more than {MOST_STORED} quotes of {symbol} are stored since then"
            advice = "Ask for less, or for history over REST."
            self._connection.send(Failure(code=400, message=f"{text}. {advice}", symbol=symbol))
            return []
        live = kept[0] if kept else self._connection.first_held(symbol)
        # Where nothing was published before, all of this epoch came since, and waits already.
        first = (live.epoch, live.sequence) if live else (self._hub.epoch_of(symbol), 1)
        return [
            Tick(quote, epoch, stored=True)
            for quote, epoch in rows
            if epoch != first[0] or quote.sequence < first[1]
        ]

    def close(self) -> None:
        """Give up what is not here yet."""
        for task in self._tasks:
            task.cancel()
