"""The stream: several requests behind one iteration, replaced without a hole as symbols change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Self

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import NotSupported, ProviderUnavailable, TickloomError
from tickloom.fetch import parse_off_loop
from tickloom.model import Quote
from tickloom_iex.client import IexClient
from tickloom_iex.fields import PROVIDER
from tickloom_iex.line import Line
from tickloom_iex.lines import MOST_LINES, MOST_SYMBOLS, rearrange
from tickloom_iex.options import Channel
from tickloom_iex.parse_stream import parse_event
from tickloom_iex.symbols import share_to_vendor

SETTLE_S = 1.0
"""Changes of so many seconds are made together, so that nobody's clicks become a storm."""
_HANDOVER_S = 5.0
_MOST_BATCHES = 1_000
_MOST_UNREADABLE = 20

Item = Sequence[Quote] | TickloomError | None


class IexStream:
    """One upstream stream. Its requests are opened by a task of its own.

    Args:
        client: Sends the requests.
        channel: What is streamed.
        clock: For timestamps and the pause between changes.
        forget: Called when it is closed.
        scrambled: The values are a sandbox's.

    Attributes:
        skipped: How many records and events could not be used.
    """

    def __init__(
        self,
        client: IexClient,
        channel: Channel,
        clock: Clock,
        forget: Callable[[IexStream], None],
        *,
        scrambled: bool,
    ) -> None:
        self._client = client
        self._channel = channel
        self._clock = clock
        self._forget = forget
        self._scrambled = scrambled
        self._wanted: dict[str, str] = {}
        self._newest: dict[str, datetime] = {}
        self._lines: list[Line] = []
        self._changed = asyncio.Event()
        self._batches: asyncio.Queue[Item] = asyncio.Queue(_MOST_BATCHES)
        self._unreadable = 0
        self._closed = False
        self._failed = False
        self.skipped = 0
        self._task = asyncio.create_task(self._arrange(), name=f"{PROVIDER} stream")

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Add symbols; those already there are ignored, and those the vendor cannot stream too.

        What it cannot stream the host asks for instead, as of any symbol that a stream leaves out.
        """
        left_out = []
        for symbol in sorted(symbols):
            try:
                vendor = share_to_vendor(symbol)
            except NotSupported:
                left_out.append(symbol)
                continue
            if symbol not in self._wanted and len(self._wanted) >= MOST_LINES * MOST_SYMBOLS:
                left_out.append(symbol)
                continue
            self._wanted[symbol] = vendor
        if left_out:
            logger.debug("provider {} does not stream {} symbols", PROVIDER, len(left_out))
        self._changed.set()

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Remove symbols; those not there are ignored. No value of theirs comes out any more."""
        for symbol in symbols:
            self._wanted.pop(symbol, None)
            self._newest.pop(symbol, None)
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[Quote]:
        """Return the next batch.

        Raises:
            StopAsyncIteration: The stream was closed.
            TickloomError: It broke.
        """
        while True:
            if self._closed and self._batches.empty():
                raise StopAsyncIteration
            item = await self._batches.get()
            if item is None:
                self._wake()
                raise StopAsyncIteration
            if isinstance(item, TickloomError):
                raise item
            # What was taken in before a symbol was given back is nobody's.
            batch = [quote for quote in item if quote.symbol in self._wanted]
            if batch:
                return batch

    async def aclose(self) -> None:
        """End the stream and its requests; calling it twice is allowed."""
        self._closed = True
        self._forget(self)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(line.aclose() for line in self._lines))
        self._lines.clear()
        while not self._batches.empty():
            self._batches.get_nowait()
        self._wake()

    def _wake(self) -> None:
        # One place is always free here: nobody puts in anything else any more.
        self._batches.put_nowait(None)

    async def _arrange(self) -> None:
        while not self._failed:
            await self._changed.wait()
            if self._lines:
                await self._clock.sleep(SETTLE_S)
            self._changed.clear()
            wanted = frozenset(self._wanted)
            changes = rearrange([line.symbols for line in self._lines], wanted)
            before = list(self._lines)
            for change in changes:
                old = before[change.line] if change.line is not None else None
                if not await self._replace(old, change.symbols):
                    return

    async def _replace(self, old: Line | None, symbols: frozenset[str]) -> bool:
        """Open a request before the one that it replaces is closed; False where it failed."""
        if symbols:
            names = {share_to_vendor(symbol): symbol for symbol in symbols}
            new = Line(self._client, self._channel, names, self._take, self._fail)
            self._lines.append(new)
            await new.open()
            if old is not None:
                await new.speak(_HANDOVER_S)
            if new.failed:
                return False
        if old is not None:
            await old.aclose()
            self._lines.remove(old)
        return True

    async def _fail(self, error: TickloomError) -> None:
        if not self._failed:
            self._failed = True
            await self._batches.put(error)

    async def _take(self, data: bytes, names: Mapping[str, str]) -> None:
        try:
            quotes, skipped = await parse_off_loop(
                parse_event,
                data,
                self._channel,
                names,
                self._clock.now(),
                scrambled=self._scrambled,
            )
        except TickloomError as error:
            self.skipped += 1
            self._unreadable += 1
            if self._unreadable >= _MOST_UNREADABLE:
                raise ProviderUnavailable(
                    f"provider {PROVIDER} streams what cannot be read", found=error.found
                ) from None
            return
        self._unreadable = 0
        self.skipped += skipped
        batch = [quote for quote in quotes if self._is_news(quote)]
        if batch:
            await self._batches.put(batch)

    def _is_news(self, quote: Quote) -> bool:
        # While a request replaces another one both bring values, and a snapshot may be older.
        if quote.symbol not in self._wanted:
            return False
        newest = self._newest.get(quote.symbol)
        if newest is not None and quote.timestamp < newest:
            return False
        self._newest[quote.symbol] = quote.timestamp
        return True
