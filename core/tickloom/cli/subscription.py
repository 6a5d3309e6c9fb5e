"""What a running server sends, through disconnects and restarts of it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NoReturn, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from tickloom import __version__
from tickloom.clock import Clock
from tickloom.errors import (
    NotAuthenticated,
    NotFound,
    RequestError,
    ServerUnavailable,
    TickloomError,
    UnknownMessage,
)
from tickloom.settings import is_loopback
from tickloom.stream.protocol import (
    PROTOCOL_VERSION,
    Authenticated,
    Failure,
    Gap,
    MarketData,
    Pong,
    ResumePoint,
    Status,
    Subscribe,
    Subscribed,
    Welcome,
)

ServerMessage = Welcome | Subscribed | MarketData | Status | Gap | Pong | Authenticated | Failure

_OPEN_LIMIT_S = 10.0
# Where we do not read any more, the other side's answer to our goodbye waits behind the prices.
_CLOSE_LIMIT_S = 1.0
_MAX_BYTES = 16 * 1_048_576
_MOST_WAITING = 10_000
_SYMBOLS_AT_ONCE = 1_000
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0
# Codes with which the server closes because of us; the same try would end in the same way.
_OUR_FAULT = {4400, 4401, 4403}

_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


class Message(Struct, frozen=True):
    """One message as it came.

    Attributes:
        data: The JSON, on one line.
        body: What it says; ``None`` = a kind that this version does not know.
    """

    data: bytes
    body: ServerMessage | None


class Target(Struct, frozen=True):
    """Where to connect.

    Attributes:
        url: ``ws://…`` or ``wss://…``.
        key: The API key; ``None`` = none.
    """

    url: str
    key: str | None = None


class Subscription:
    """Keeps symbols subscribed at a server and hands over what it sends.

    After a disconnect it connects again, with growing and scattered delays, and resumes where it
    was, so that the server tells what was missed. Only a first connection that fails is an error.

    Args:
        target: The server.
        symbols: Symbols and patterns in canonical form.
        clock: Waits between attempts.
        jitter: Scatters them.
        tell: Called with a sentence where the connection is lost or found again.
    """

    def __init__(
        self,
        target: Target,
        symbols: Sequence[str],
        clock: Clock,
        jitter: random.Random,
        tell: Callable[[str], None],
        *,
        snapshot: bool = True,
    ) -> None:
        self._target = target
        self._symbols = list(symbols)
        self._clock = clock
        self._jitter = jitter
        self._tell = tell
        self._snapshot = snapshot
        self._seen: dict[str, ResumePoint] = {}
        self._inbox: list[Message] = []
        self._arrived = asyncio.Event()
        self._has_room = asyncio.Event()
        self._over = False
        self._error: TickloomError | None = None
        self._greetings = 0
        self._unanswered: set[int] = set()
        self._accepted: list[str] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="stream subscription")
        self._task.add_done_callback(self._finished)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task

    def end(self) -> None:
        """Let :meth:`take` return nothing from now on; may be called at any time."""
        self._over = True
        self._arrived.set()

    async def take(self) -> list[Message]:
        """Wait for messages and return all that came; empty = it was ended.

        While nobody takes, at most 10,000 messages wait here; then the server waits, and tells by
        a ``gap`` what it left out.

        Raises:
            ServerUnavailable: The first connection failed.
            NotAuthenticated: The server wants another key.
            NotFound: The server accepts none of the symbols.
        """
        await self._arrived.wait()
        if self._over:
            return []
        batch, self._inbox = self._inbox, []
        if not batch and self._error is not None:
            raise self._error
        if self._error is None:
            self._arrived.clear()
        self._has_room.set()
        return batch

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            error = task.exception()
            self._error = (
                error
                if isinstance(error, TickloomError)
                else ServerUnavailable(f"the subscription broke: {error!r}")
            )
        self._arrived.set()

    async def _run(self) -> None:
        failures = 0
        while True:
            before = self._greetings
            reason = await self._attempt()
            failures = 1 if self._greetings > before else failures + 1
            longest_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0**failures)
            delay_s = self._jitter.uniform(longest_s / 2, longest_s)
            self._tell(f"no connection: {reason}; trying again in {delay_s:.1f} s")
            await self._clock.sleep(delay_s)

    async def _attempt(self) -> str:
        try:
            async with self._connect() as socket:
                await self._follow(socket)
        except (OSError, WebSocketException) as error:
            reason = _reason(error)
            if not self._greetings:
                raise self._unreachable(reason) from None
            if isinstance(error, ConnectionClosed) and _close_code(error) in _OUR_FAULT:
                raise RequestError(f"the server closed the connection: {reason}") from None
            return reason

    def _connect(self) -> connect:
        host = urlsplit(self._target.url).hostname or ""
        key = self._target.key
        return connect(
            self._target.url,
            additional_headers={"X-API-Key": key} if key else None,
            user_agent_header=f"tickloom/{__version__}",
            compression=None,
            open_timeout=_OPEN_LIMIT_S,
            close_timeout=_CLOSE_LIMIT_S,
            max_size=_MAX_BYTES,
            proxy=None if is_loopback(host) else True,
        )

    def _unreachable(self, reason: str) -> ServerUnavailable:
        return ServerUnavailable(
            f"no tickloom server answers at {self._target.url} ({reason})",
            fix="Start one with tickloom serve, or name another with --url.",
        )

    async def _follow(self, socket: ClientConnection) -> NoReturn:
        async with asyncio.timeout(_OPEN_LIMIT_S):
            greeting = await self._receive(socket)
        self._check_greeting(greeting.body)
        self._greetings += 1
        if self._greetings > 1:
            self._tell(f"connected again to {self._target.url}")
        await self._put(greeting)
        await self._subscribe(socket)
        while True:
            message = await self._receive(socket)
            self._note(message.body)
            await self._put(message)

    async def _receive(self, socket: ClientConnection) -> Message:
        data = await socket.recv(decode=False)
        try:
            return Message(data, _decoder.decode(data))
        except msgspec.DecodeError:
            return Message(data, None)

    async def _put(self, message: Message) -> None:
        self._inbox.append(message)
        self._arrived.set()
        while len(self._inbox) >= _MOST_WAITING:
            self._has_room.clear()
            await self._has_room.wait()

    def _check_greeting(self, body: ServerMessage | None) -> None:
        if isinstance(body, Failure):
            raise RequestError(f"the server refuses: {body.message}")
        if not isinstance(body, Welcome) or body.version != PROTOCOL_VERSION:
            raise UnknownMessage(
                f"the server at {self._target.url} speaks another protocol",
                expected=f"tickloom's stream protocol, version {PROTOCOL_VERSION}",
            )
        if body.auth_required:
            known = "does not know the key" if self._target.key else "wants a key"
            raise NotAuthenticated(
                f"the server at {self._target.url} {known}",
                fix="Put the key into TICKLOOM_API_KEY, or name its variable with --key-env.",
            )

    async def _subscribe(self, socket: ClientConnection) -> None:
        starts = range(0, len(self._symbols), _SYMBOLS_AT_ONCE)
        self._unanswered = set(starts)
        for start in starts:
            symbols = self._symbols[start : start + _SYMBOLS_AT_ONCE]
            resume = {name: self._seen[name] for name in symbols if name in self._seen}
            request = Subscribe(
                symbols=list(symbols), id=start, resume=resume, snapshot=self._snapshot
            )
            await socket.send(msgspec.json.encode(request).decode())

    def _note(self, body: ServerMessage | None) -> None:
        match body:
            case MarketData():
                self._seen[body.symbol] = ResumePoint(epoch=body.epoch, sequence=body.sequence)
            case Subscribed(id=int()):
                self._accepted = body.symbols
                self._answered(body.id, "; ".join(item.message for item in body.rejected))
            case Failure(id=int()):
                self._answered(body.id, body.message)

    def _answered(self, number: str | int | None, reason: str) -> None:
        self._unanswered.discard(int(number or 0))
        if not self._unanswered and not self._accepted:
            raise NotFound(f"the server accepts none of the symbols: {reason}")


def _close_code(error: ConnectionClosed) -> int:
    return error.rcvd.code if error.rcvd is not None else 0


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, InvalidStatus):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return f"closed with {error.rcvd.code} {error.rcvd.reason}".rstrip()
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
