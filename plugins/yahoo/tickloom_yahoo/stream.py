"""Yahoo's live stream over a socket of our own.

yfinance's client stops the event loop when the socket closes, or never comes back; of it only the
definition of the messages is used.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Self

import msgspec
from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from tickloom.clock import Clock
from tickloom.errors import BadRecord, ConfigError, ProviderUnavailable, TickloomError, scrub
from tickloom.model import Quote
from tickloom_yahoo.parse_frame import REGULAR, Decode, parse_frame
from tickloom_yahoo.refusals import PROVIDER
from tickloom_yahoo.symbols import to_yahoo

# Yahoo forgets who does not ask again.
_AGAIN_S = 15.0
_PING_S = 20.0
_CLOSE_S = 1.0
_MOST_BYTES = 1024 * 1024
_MOST_FRAMES = 64
_PIECE = 100
_TURN = 200


class _Connect(connect):
    """Opens a socket where it was told to, and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Take a redirect for what it is here: no stream."""
        return exc


class YahooStream:
    """One open socket. Between it and the reader stands the newest quote of each symbol.

    Args:
        socket: Open.
        decode: Reads a protobuf message.
        clock: For receive times and the pause between subscriptions.
        extended: Let prices through that were made outside of the regular session.

    Attributes:
        bad: Frames that could not be read.
        dropped: Quotes that a newer one of the same symbol replaced before they were read.
        outside: Quotes left out because the regular session was closed.
    """

    def __init__(
        self, socket: ClientConnection, decode: Decode, clock: Clock, *, extended: bool
    ) -> None:
        self._socket = socket
        self._decode = decode
        self._clock = clock
        self._extended = extended
        self._symbols: set[str] = set()
        self._newest: dict[str, Quote] = {}
        self._stirred = asyncio.Event()
        self._failure: TickloomError | None = None
        self._closed = False
        self.bad = 0
        self.dropped = 0
        self.outside = 0
        self._tasks = [
            asyncio.create_task(self._read(), name="yahoo stream"),
            asyncio.create_task(self._subscribe_again(), name="yahoo subscriptions"),
        ]

    @property
    def closed(self) -> bool:
        """True once somebody ended it."""
        return self._closed

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Add symbols; those already there are ignored.

        Raises:
            ProviderUnavailable: The stream is broken.
        """
        added = sorted(set(symbols) - self._symbols)
        self._symbols.update(added)
        await self._send("subscribe", added)

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Remove symbols; those not there are ignored.

        Raises:
            ProviderUnavailable: The stream is broken.
        """
        removed = sorted(self._symbols.intersection(symbols))
        self._symbols.difference_update(removed)
        for symbol in removed:
            self._newest.pop(symbol, None)
        await self._send("unsubscribe", removed)

    async def _send(self, verb: str, symbols: Sequence[str]) -> None:
        try:
            for start in range(0, len(symbols), _PIECE):
                piece = [to_yahoo(symbol) for symbol in symbols[start : start + _PIECE]]
                await self._socket.send(msgspec.json.encode({verb: piece}).decode())
        except ConnectionClosed as error:
            raise self._broken(error) from None

    def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        return self._batches()

    async def _batches(self) -> AsyncIterator[Sequence[Quote]]:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            batch, self._newest = list(self._newest.values()), {}
            if batch:
                yield batch
            elif self._failure is not None:
                self._stirred.set()
                raise self._failure
            elif self._closed:
                self._stirred.set()
                return
            if self._failure is not None or self._closed:
                self._stirred.set()

    async def _read(self) -> None:
        try:
            count = 0
            async for frame in self._socket:
                self._take(frame)
                count += 1
                if count % _TURN == 0:
                    # A burst that is already here would keep everybody else waiting.
                    await asyncio.sleep(0)
            self._fail(self._broken(None))
        except ConnectionClosed as error:
            self._fail(self._broken(error))
        except Exception as error:  # noqa: BLE001 - whoever iterates must learn of it
            logger.exception("yahoo: its stream failed")
            self._fail(ProviderUnavailable(f"the stream of provider {PROVIDER} failed: {error!r}"))

    def _take(self, frame: str | bytes) -> None:
        try:
            tick = parse_frame(frame, self._decode, self._clock.now())
        except BadRecord as error:
            self.bad += 1
            if self.bad == 1:
                logger.debug("yahoo: {}", error)
            return
        if tick is None or tick.quote.symbol not in self._symbols:
            return
        if not self._extended and tick.market_hours != REGULAR:
            self.outside += 1
            return
        symbol = tick.quote.symbol
        if self._newest.pop(symbol, None) is not None:
            self.dropped += 1
        self._newest[symbol] = tick.quote
        self._stirred.set()

    async def _subscribe_again(self) -> None:
        while True:
            await self._clock.sleep(_AGAIN_S)
            try:
                await self._send("subscribe", sorted(self._symbols))
            except ProviderUnavailable:
                # The reader of the socket says so, too.
                return

    def _broken(self, error: ConnectionClosed | None) -> ProviderUnavailable:
        why = "closed by Yahoo" if error is None else scrub(error)
        return ProviderUnavailable(f"the stream of provider {PROVIDER} ended: {why}")

    def _fail(self, error: TickloomError) -> None:
        self._failure = self._failure or error
        self._stirred.set()

    async def aclose(self) -> None:
        """End the stream; calling it twice is allowed."""
        self._closed = True
        self._newest.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._failure = None
        self._stirred.set()
        with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
            await self._socket.close()

    @classmethod
    async def open(
        cls,
        url: str,
        decode: Decode,
        clock: Clock,
        *,
        timeout_s: float,
        extended: bool,
        ping_s: float = _PING_S,
    ) -> Self:
        """Open a socket without symbols; a peer that answers no ping for ``ping_s`` is dead.

        Raises:
            ProviderUnavailable: There is no connection.
            ConfigError: The URL cannot be used.
        """
        try:
            socket = await _Connect(
                url,
                open_timeout=timeout_s,
                close_timeout=_CLOSE_S,
                ping_interval=ping_s,
                ping_timeout=ping_s,
                max_size=_MOST_BYTES,
                max_queue=_MOST_FRAMES,
            )
        except InvalidURI as error:
            raise _misspelt(error) from None
        except (WebSocketException, OSError, EOFError, ImportError) as error:
            raise ProviderUnavailable(
                f"the stream of provider {PROVIDER} cannot be opened: {scrub(error)}"
            ) from None
        except ValueError as error:
            # Of a port or an address; an untrusted certificate is a ValueError too, but an OSError.
            raise _misspelt(error) from None
        return cls(socket, decode, clock, extended=extended)


def _misspelt(error: Exception) -> ConfigError:
    return ConfigError(
        f"plugins.yahoo.stream_url cannot be used: {scrub(error)}", expected="wss://…"
    )
