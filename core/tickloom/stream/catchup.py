"""The stored past for clients that ask for it, joined to the stream without a hole or a double."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import dropwhile
from typing import TypeAlias

from loguru import logger

from tickloom.errors import TickloomError, TooManySymbols, verbatim
from tickloom.model import Quote
from tickloom.stream.connection import Connection, Held
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

    __slots__ = ("_connection", "_hub", "_read", "_reading", "_tasks", "_waiting")

    def __init__(self, hub: Hub, connection: Connection, read: ReadPast) -> None:
        self._hub = hub
        self._connection = connection
        self._read = read
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = asyncio.Lock()
        self._waiting = 0

    def begin(self, symbols: Sequence[str], since: datetime) -> None:
        """Bring all quotes of ``symbols`` from ``since`` on, by the venue's time.

        Raises:
            TooManySymbols: There are more than :data:`MOST_SYMBOLS`, with those on their way.
        """
        if self._waiting + len(symbols) > MOST_SYMBOLS:
            raise TooManySymbols(
                "since was asked for too many symbols at once",
                found=verbatim(f"{self._waiting + len(symbols)} symbols"),
                expected=f"at most {MOST_SYMBOLS}",
                fix="Subscribe to some of them later.",
            )
        stored: dict[str, tuple[Held, list[Tick]]] = {}
        for symbol in symbols:
            kept = self._hub.kept(symbol)
            # Late ones among them have older times, but a number, too.
            recent = list(dropwhile(lambda tick: tick.quote.timestamp < since, kept))
            held = self._connection.hold(symbol)
            if kept and kept[0].quote.timestamp < since:
                self._connection.release(symbol, held, recent)
            else:
                stored[symbol] = held, recent
        if stored:
            self._waiting += len(stored)
            task = asyncio.create_task(self._fill(stored, since), name="stream catch up")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fill(self, recent: dict[str, tuple[Held, list[Tick]]], since: datetime) -> None:
        async with self._reading:
            for symbol, (held, kept) in recent.items():
                # One after the other: a client that reads nothing costs one symbol's past.
                await self._connection.past_taken()
                older: list[Tick] = []
                if self._connection.is_holding(symbol, held):
                    older = await self._older_or_none(symbol, since, kept, held)
                self._waiting -= 1
                self._connection.release(symbol, held, [*older, *kept])

    async def _older_or_none(
        self, symbol: str, since: datetime, kept: list[Tick], held: Held
    ) -> list[Tick]:
        try:
            async with asyncio.timeout(_READ_LIMIT_S):
                return await self._older(symbol, since, kept, held)
        except (TickloomError, TimeoutError) as error:
            why = str(error) or "the database did not answer in time"
            text = f"the stored quotes of {symbol} are not available: {why}"
            logger.debug("{}", text)
            self._connection.send(Failure(code=500, message=text, symbol=symbol))
            return []

    async def _older(
        self, symbol: str, since: datetime, kept: list[Tick], held: Held
    ) -> list[Tick]:
        rows = await self._read(symbol, since, MOST_STORED + 1)
        if len(rows) > MOST_STORED:
            text = f"more than {MOST_STORED} quotes of {symbol} are stored since then"
            advice = "Ask for less, or for history over REST."
            self._connection.send(Failure(code=400, message=f"{text}. {advice}", symbol=symbol))
            return []
        if not self._connection.is_holding(symbol, held):
            return []
        live = kept[0] if kept else next(iter(held.items), None)
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
