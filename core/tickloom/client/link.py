"""One connection that is made again whenever it breaks, with the streams that share it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NoReturn, TypeAlias

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from tickloom.client.conversation import Conversation, Parcel, Requests
from tickloom.client.dialing import close_code, dial, final_error, first_error, reason_of
from tickloom.client.inbox import Inbox
from tickloom.client.messages import Connected, Disconnected
from tickloom.client.target import Target
from tickloom.clock import Clock
from tickloom.errors import ServerUnavailable, TickloomError
from tickloom.stream.protocol import Ping

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_SEND_LIMIT_S = 10.0

StreamInbox: TypeAlias = Inbox[Parcel]


class Link:
    """Keeps its streams subscribed at a server.

    Only a first connection that fails is an error. After that it connects again, with growing and
    scattered pauses, and resumes each symbol behind the last price that came.

    Args:
        target: The server.
        conversation: What is wanted.
        clock: Waits between attempts and counts silence.
        jitter: Scatters attempts.
        idle_s: After so many seconds of silence the server is asked whether it is there; after
            twice as many it counts as dead.
    """

    def __init__(
        self,
        target: Target,
        conversation: Conversation[StreamInbox],
        clock: Clock,
        jitter: random.Random,
        idle_s: float,
    ) -> None:
        self.conversation = conversation
        self._target = target
        self._clock = clock
        self._jitter = jitter
        self._idle_s = idle_s
        self._task: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._connected: Connected | None = None
        self._opened: asyncio.Future[None] | None = None
        self._heard_s = 0.0
        self._is_held = False
        self._is_dead = False
        self._is_closing = False
        self.connections = 0

    @property
    def is_over(self) -> bool:
        """True once it takes no more streams."""
        return self._is_closing or (self._task is not None and self._task.done())

    async def join(self, inbox: StreamInbox, patterns: Collection[str]) -> None:
        """Subscribe a stream; the first one waits for the connection.

        Raises:
            TickloomError: The first connection failed.
        """
        if self._task is None:
            self._opened = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._run(), name="tickloom stream")
            self._task.add_done_callback(self._ended)
        is_new = inbox not in self.conversation.members
        requests, newest = self.conversation.join(inbox, patterns)
        if is_new and self._connected is not None:
            inbox.put(self._connected)
        for message in newest:
            inbox.put(message)
        if self._socket is not None:
            await self._send(requests)
        elif self._opened is not None and not self._opened.done():
            await asyncio.shield(self._opened)

    async def leave(self, inbox: StreamInbox, patterns: Collection[str] | None = None) -> None:
        """Give symbols back, ``None`` = all; without a stream the connection ends."""
        requests = self.conversation.leave(inbox, patterns)
        if self.conversation.members:
            await self._send(requests)
        else:
            await self.aclose()

    async def aclose(self) -> None:
        """End the connection and its streams; calling it twice is allowed."""
        self._is_closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        broken = None if task.cancelled() else task.exception()
        error: TickloomError = ServerUnavailable("the stream was closed")
        if isinstance(broken, TickloomError):
            error = broken
        elif broken is not None:
            error = ServerUnavailable(f"the stream broke: {broken!r}")
        for inbox in self.conversation.members:
            if broken is None:
                inbox.close()
            else:
                inbox.fail(error)
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(error)
            # Whoever waited may have been cancelled meanwhile.
            self._opened.exception()

    async def _run(self) -> None:
        failures = 0
        while True:
            before = self.connections
            reason, code = await self._attempt()
            failures = 1 if self.connections > before else failures + 1
            pause_s = pause_after(failures, self._jitter)
            self.conversation.lost()
            lost = Disconnected(reason=reason, code=code, retry_in_s=pause_s)
            await self._deliver(self.conversation.members, lost)
            await self._clock.sleep(pause_s)

    async def _attempt(self) -> tuple[str, int | None]:
        self._is_dead = False
        try:
            async with dial(self._target) as (socket, greeting, welcome):
                self.connections += 1
                self._connected = Connected(
                    url=self._target.stream,
                    server=welcome.server,
                    epoch=welcome.epoch,
                    number=self.connections,
                )
                self._socket = socket
                requests = self.conversation.greeted()
                if self._opened is not None and not self._opened.done():
                    self._opened.set_result(None)
                members = self.conversation.members
                await self._deliver(members, self._connected)
                await self._deliver(members, greeting)
                await self._send(requests)
                await self._follow(socket)
        except (OSError, WebSocketException, TickloomError) as error:
            if not self.connections:
                raise first_error(error, self._target) from None
            final = final_error(error, self._target)
            if final is not None:
                raise final from None
            if self._is_dead:
                return f"no sign of life for {2 * self._idle_s:g} s", None
            return reason_of(error), close_code(error)
        finally:
            self._socket = self._connected = None

    async def _follow(self, socket: ClientConnection) -> NoReturn:
        self._heard_s = self._clock.monotonic()
        watching = asyncio.create_task(self._watch(socket), name="tickloom stream watch")
        try:
            while True:
                frame = await socket.recv(decode=False)
                self._heard_s = self._clock.monotonic()
                for audience, parcel in self.conversation.take(frame):
                    await self._deliver(audience, parcel)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _deliver(self, audience: Iterable[StreamInbox], parcel: Parcel) -> None:
        for inbox in audience:
            if isinstance(parcel, TickloomError):
                inbox.fail(parcel)
                continue
            if inbox.is_full:
                # Nothing is read meanwhile, so that the server learns that we are behind.
                self._is_held = True
                try:
                    await inbox.room()
                finally:
                    self._is_held = False
                    self._heard_s = self._clock.monotonic()
            inbox.put(parcel)

    async def _watch(self, socket: ClientConnection) -> None:
        while True:
            await self._wait(self._idle_s / 2)
            silent_s = self._clock.monotonic() - self._heard_s
            if self._is_held or silent_s < self._idle_s:
                continue
            if silent_s >= 2 * self._idle_s:
                self._is_dead = True
                socket.transport.abort()
                return
            with suppress(ConnectionClosed):
                await socket.send(msgspec.json.encode(Ping()).decode())

    async def _wait(self, seconds: float) -> None:
        awake = asyncio.Event()
        timer = self._clock.call_later(seconds, awake.set)
        try:
            await awake.wait()
        finally:
            timer.cancel()

    async def _send(self, requests: Requests) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            async with asyncio.timeout(_SEND_LIMIT_S):
                for request in requests:
                    await socket.send(msgspec.json.encode(request).decode())
        except ConnectionClosed:
            # The next connection asks for all of it.
            return
        except TimeoutError:
            socket.transport.abort()


def pause_after(failures: int, jitter: random.Random) -> float:
    """Return the seconds to wait after so many failures in a row, at least one.

    They double from a second to half a minute, and between a half and the whole of that is drawn,
    so that clients which lost one server do not come back together.
    """
    longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures, 16))
    return jitter.uniform(longest_s / 2, longest_s)
