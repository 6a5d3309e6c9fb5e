"""One upstream stream of one provider, kept open while somebody wants its symbols."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import PluginError, ProviderUnavailable
from tickloom.feeds.source import Source
from tickloom.model import Quote
from tickloom.roles import QuoteStream
from tickloom.stream import StatusState

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_CLOSE_LIMIT_S = 3.0
_MOST_AHEAD = timedelta(days=1)


class Tell(Protocol):
    """Says that a provider's feed changed its state."""

    def __call__(self, source: Source, state: StatusState, reason: str = "") -> None:
        """Tell that the feed of ``source`` is in ``state`` from now on."""


class PushFeed:
    """Opens the stream at the first symbol, reopens it with growing pauses, closes it at the last.

    Args:
        source: The provider.
        accept: Where quotes go.
        tell: Told of every change between live and down.
        clock: For the pauses.
        jitter: Random numbers in [0, 1), so that replicas do not come back at the same moment.
    """

    def __init__(
        self,
        source: Source,
        accept: Callable[[Quote], object],
        tell: Tell,
        clock: Clock,
        jitter: random.Random,
    ) -> None:
        self._source = source
        self._accept = accept
        self._tell = tell
        self._clock = clock
        self._jitter = jitter
        self._wanted: set[str] = set()
        self._subscribed: set[str] = set()
        self._stream: QuoteStream | None = None
        self._task: asyncio.Task[None] | None = None
        self._aligning = asyncio.Lock()
        self._began_s = 0.0
        self._heard_s: float | None = None
        self._ticked_s: dict[str, float] = {}
        self._newest: dict[str, datetime] = {}
        self.reconnects = 0
        self.refused = 0
        self.stray = 0
        self.received = 0

    async def want(self, symbols: set[str]) -> None:
        """Make ``symbols`` the whole set that is read; an empty set closes the stream."""
        self._wanted = symbols
        for kept in (self._ticked_s, self._newest):
            for symbol in kept.keys() - symbols:
                del kept[symbol]
        if not symbols:
            await self.aclose()
        elif self._task is None:
            self._begin(0.0)
        elif self._stream is not None:
            try:
                await self._align(self._stream)
            except Exception as error:  # noqa: BLE001 - foreign code: anything may come
                # Which symbols it has now nobody knows; a new stream does.
                await self.aclose()
                self._fail(error)
                self._begin(_FIRST_PAUSE_S)

    @property
    def live(self) -> bool:
        """True where the open stream has brought something."""
        return self._stream is not None and self._heard_s is not None

    def quiet_s(self) -> float:
        """Return the seconds since the open stream brought something or was opened."""
        if self._stream is None:
            return 0.0
        return self._clock.monotonic() - (self._heard_s or self._began_s)

    def is_covered(self, symbol: str, most_s: float) -> bool:
        """True where the open stream brought this symbol within ``most_s`` seconds."""
        ticked_s = self._ticked_s.get(symbol)
        return self.live and ticked_s is not None and self._clock.monotonic() - ticked_s <= most_s

    def has_newer(self, quote: Quote) -> bool:
        """True where a polled quote is no newer than what the stream brought of its symbol."""
        newest = self._newest.get(quote.symbol)
        return newest is not None and quote.timestamp <= newest

    async def reopen(self) -> None:
        """Give up a stream that says nothing and open another one."""
        await self.aclose()
        if self._wanted:
            self._begin(_FIRST_PAUSE_S)

    def _begin(self, pause_s: float) -> None:
        self._task = asyncio.create_task(self._run(pause_s), name=f"push {self._source.name}")

    async def aclose(self) -> None:
        """Close the stream and wait until its task is gone."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _fail(self, error: BaseException) -> None:
        explained = self._source.explain("stream", error)
        self._source.note_stream_failure(explained)
        self._tell(self._source, "down", str(explained))

    async def _run(self, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        pause_s = _FIRST_PAUSE_S
        while True:
            received = self.received
            try:
                await self._read()
                reason: BaseException = ProviderUnavailable(
                    f"provider {self._source.name} ended its stream"
                )
            except BaseException as error:
                # Foreign code may even call sys.exit; only our own cancellation goes through.
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                reason = error
            self._fail(reason)
            pause_s = _FIRST_PAUSE_S if self.received > received else pause_s
            await self._clock.sleep(pause_s * (0.5 + self._jitter.random()))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self.reconnects += 1

    async def _read(self) -> None:
        stream = await self._source.open_stream()
        try:
            self._subscribed = set()
            self._began_s, self._heard_s = self._clock.monotonic(), None
            self._stream = stream
            await self._align(stream)
            async for batch in stream:
                self._heard_s = self._clock.monotonic()
                self._source.stream_succeeded()
                # Cheap where nothing changed; an open stream that says nothing is not live yet.
                self._tell(self._source, "live")
                self.received += len(batch)
                for quote in batch:
                    self._take(quote)
        finally:
            self._stream = None
            await _close(stream)

    def _take(self, quote: Quote) -> None:
        try:
            vouched = self._source.vouched(quote)
        except PluginError as error:
            if not self.refused:
                logger.error("{}", error)
            self.refused += 1
            return
        # Late ticks of a symbol that was just given back, or of one that is none of its business.
        if vouched.symbol in self._wanted:
            self._ticked_s[vouched.symbol] = self._clock.monotonic()
            # One that claims to be of another year must not outdo all that is polled later.
            now = self._clock.now()
            plausible = vouched.timestamp <= now + _MOST_AHEAD
            self._newest[vouched.symbol] = vouched.timestamp if plausible else now
            self._accept(vouched)
        else:
            self.stray += 1

    async def _align(self, stream: QuoteStream) -> None:
        async with self._aligning, asyncio.timeout(self._source.timeout_s):
            added = self._wanted - self._subscribed
            if added:
                await stream.subscribe(added)
                self._subscribed |= added
            removed = self._subscribed - self._wanted
            if removed:
                await stream.unsubscribe(removed)
                self._subscribed -= removed


async def _close(stream: QuoteStream) -> None:
    try:
        async with asyncio.timeout(_CLOSE_LIMIT_S):
            await stream.aclose()
    except Exception as error:  # noqa: BLE001 - foreign code: the next stream matters more
        logger.debug("a stream failed to close: {!r}", error)
