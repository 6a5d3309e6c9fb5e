"""One server, as a client sees it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self, overload

import httpx

from tickloom.client.asking import Options
from tickloom.client.conversation import Conversation
from tickloom.client.link import Link, StreamInbox
from tickloom.client.messages import Message, PartialTick, Tick, Wire
from tickloom.client.rest import Rest
from tickloom.client.stream import Stream
from tickloom.client.target import Authentication, find_target
from tickloom.clock import Clock, SystemClock
from tickloom.errors import RequestError
from tickloom.stream.protocol import ResumePoint

BUFFER = 1_000
"""Items that wait for a user who is behind, unless a stream says otherwise."""
IDLE_S = 20.0


class Client(Rest):
    """A tickloom server: live prices by :meth:`stream`, single questions by the other methods.

    ::

        async with Client("ws://127.0.0.1:8000") as client:
            async with client.stream(["SIM.ACME", "DEMO.*"]) as ticks:
                async for tick in ticks:
                    print(tick.symbol, tick.quote.current_price)

    Streams with the same options share one connection; each symbol is subscribed once, and given
    back when the last stream leaves it. Streams that share a connection wait for the slowest.

    Args:
        url: Of the server or its stream: ``ws``, ``wss``, ``http`` or ``https``.
        api_key: Where the server asks for one. It stands in no error.
        authentication: ``header`` sends the key with the handshake, ``message`` after it, for ways
            that let no header through.
        wire: ``json`` keeps every digit of a price; with ``msgpack`` prices went through 64-bit
            floats.
        http: Asks over REST, and is left open; ``None`` = one of our own.
        clock: Counts pauses and silence; ``None`` = the system's.
        jitter: Scatters pauses; ``None`` = unpredictable.
        idle_s: After so many seconds without a message the server is asked whether it is there;
            after twice as many the connection is made again.

    Raises:
        RequestError: The address cannot be used.
    """

    def __init__(
        self,
        url: str = "ws://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        authentication: Authentication = "header",
        wire: Wire = "json",
        http: httpx.AsyncClient | None = None,
        clock: Clock | None = None,
        jitter: random.Random | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        super().__init__(find_target(url, api_key, authentication, wire), http)
        self._clock = clock or SystemClock()
        self._jitter = jitter or random.Random()  # noqa: S311 - scatters attempts, guards nothing
        self._idle_s = idle_s
        self._is_closed = False
        self._links: list[Link] = []
        self._shared: dict[Options, Link] = {}

    @property
    def url(self) -> str:
        """The address of the stream."""
        return self._target.stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all streams and connections; calling it twice is allowed."""
        self._is_closed = True
        links, self._links = self._links, []
        self._shared.clear()
        await asyncio.gather(*(link.aclose() for link in links))
        await self._close_http()

    def stats(self) -> dict[str, int]:
        """Return counts of the connections that are open now.

        ``attempts`` is how often they were made, ``duplicates`` what came twice and was left out,
        ``unreadable`` what could not be read.
        """
        return {
            "connections": sum(not link.is_over for link in self._links),
            "attempts": sum(link.connections for link in self._links),
            "duplicates": sum(link.conversation.duplicates for link in self._links),
            "unreadable": sum(link.conversation.unreadable for link in self._links),
        }

    @overload
    def stream(
        self,
        symbols: Sequence[str],
        *,
        fields: None = None,
        interval_ms: int | None = None,
        channels: Sequence[str] | None = None,
        snapshot: bool = True,
        since: datetime | None = None,
        resume: Mapping[str, ResumePoint] | None = None,
        buffer: int = BUFFER,
    ) -> Stream[Tick]: ...

    @overload
    def stream(
        self,
        symbols: Sequence[str],
        *,
        fields: Sequence[str],
        interval_ms: int | None = None,
        channels: Sequence[str] | None = None,
        snapshot: bool = True,
        since: datetime | None = None,
        resume: Mapping[str, ResumePoint] | None = None,
        buffer: int = BUFFER,
    ) -> Stream[PartialTick]: ...

    def stream(
        self,
        symbols: Sequence[str],
        *,
        fields: Sequence[str] | None = None,
        interval_ms: int | None = None,
        channels: Sequence[str] | None = None,
        snapshot: bool = True,
        since: datetime | None = None,
        resume: Mapping[str, ResumePoint] | None = None,
        buffer: int = BUFFER,
    ) -> Stream[Any]:
        """Return the live prices of symbols; enter it to subscribe.

        Args:
            symbols: Symbols, and patterns with ``*`` and ``?``.
            fields: The only fields wanted of each quote.
            interval_ms: At most one price of each symbol in so many milliseconds, the newest.
            channels: What is wanted of these symbols, as the server names it; ``None`` = prices.
            snapshot: Whether to begin with the newest price that the server has, however old.
            since: Begin with all prices from this time on, aware, by the venue's clock. What a
                disconnect in the midst of them cuts off is not asked for again.
            resume: Where an earlier stream ended, its ``positions``. A stream with this or with
                ``since`` has a connection of its own.
            buffer: Most items that wait for a user who is behind.

        Raises:
            RequestError: No symbol was named, one can be none, or ``since`` has no time zone.
        """
        options = Options(
            snapshot=snapshot,
            interval_ms=interval_ms,
            fields=tuple(fields) if fields else None,
            channels=tuple(channels) if channels is not None else None,
            since=since,
        )
        if since is not None and since.utcoffset() is None:
            raise RequestError("since has no time zone", found=since, expected="an aware datetime")
        return self._stream(symbols, options, buffer, resume, raw=False)

    def messages(
        self, symbols: Sequence[str], *, snapshot: bool = True, buffer: int = BUFFER
    ) -> Stream[Message]:
        """Return the messages of the server as they came, for those who keep or pass them on.

        Prices that come twice are left out. Gaps that the client found itself and states of the
        connection are no messages, and go where they go in :meth:`stream`.

        Args:
            symbols: Symbols, and patterns with ``*`` and ``?``.
            snapshot: Whether to begin with the newest price that the server has, however old.
            buffer: Most items that wait for a user who is behind.

        Raises:
            RequestError: No symbol was named, or one can be none.
        """
        return self._stream(symbols, Options(snapshot=snapshot), buffer, None, raw=True)

    def _stream(
        self,
        symbols: Sequence[str],
        options: Options,
        buffer: int,
        resume: Mapping[str, ResumePoint] | None,
        *,
        raw: bool,
    ) -> Stream[Any]:
        if isinstance(symbols, str) or not symbols:
            raise RequestError(
                "no symbols were named", found=symbols, expected='a list such as ["AAPL"]'
            )

        return Stream(symbols, max(1, buffer), lambda: self._link(options, resume), raw=raw)

    def _link(self, options: Options, resume: Mapping[str, ResumePoint] | None) -> Link:
        if self._is_closed:
            raise RequestError("the client is closed", fix="Make another one.")
        self._links = [link for link in self._links if not link.is_over]
        is_own = bool(resume) or options.since is not None
        link = self._shared.get(options) if not is_own else None
        if link is None or link.is_over:
            conversation: Conversation[StreamInbox] = Conversation(options, self._target.wire)
            conversation.begin(resume or {})
            link = Link(self._target, conversation, self._clock, self._jitter, self._idle_s)
            self._links.append(link)
            if not is_own:
                self._shared[options] = link
        return link
