"""The wire between replicas: Litestar's channels over Redis, kept up by a task of ours.

Of Litestar's channels the back end is used and not the plugin, whose workers end for good at the
first lost connection, and which drops messages without counting them. What is lost while Redis is
away is lost here too, but everybody is told: ``up`` is called anew, and whoever needs more asks for
it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar.channels.backends.base import ChannelsBackend
from loguru import logger
from redis.exceptions import RedisError

from tickloom.clock import Clock
from tickloom.errors import scrub

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_CLOSE_S = 1.0
_HELLO = b"hello"
_AWAY = (RedisError, OSError, TimeoutError, RuntimeError, ValueError)


class Bus:
    """Publishes to channels, and hears some of them.

    Args:
        open_backend: Makes a new back end, with connections of its own.
        channels: Those that are heard. Whoever beats on one of them hears himself too.
        receive: Takes what comes.
        up: Called when the channels are heard, and again each time after they were not.
        clock: For pauses and limits.
        jitter: Spreads the replicas when all come back.
        silence_s: Nothing for so long, not even our own beat, and the connection counts as dead.
        timeout_s: Longest wait for one message to be taken.
    """

    def __init__(
        self,
        open_backend: Callable[[], tuple[ChannelsBackend, Callable[[], Awaitable[None]]]],
        channels: Sequence[str],
        receive: Callable[[bytes], None],
        up: Callable[[], None],
        clock: Clock,
        jitter: random.Random,
        *,
        silence_s: float,
        timeout_s: float,
    ) -> None:
        self._open_backend = open_backend
        self._channels = list(channels)
        self._receive = receive
        self._up = up
        self._clock = clock
        self._jitter = jitter
        self._silence_s = silence_s
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None
        self._backend: ChannelsBackend | None = None
        self._heard_s = 0.0
        self.is_up = False
        self.reconnects = 0
        self.received = 0
        self.unreadable = 0
        self.last_error = ""

    @property
    def running(self) -> bool:
        """True between :meth:`start` and :meth:`aclose`."""
        return self._task is not None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run(), name="cluster bus")

    async def aclose(self) -> None:
        """End it; calling it twice is allowed."""
        task, self._task = self._task, None
        # A client of Redis may take a cancellation for a time limit of its own, and go on.
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_CLOSE_S)

    async def publish(self, data: bytes, channel: str) -> None:
        """Publish to all who hear a channel.

        Raises:
            ConnectionError: Redis does not take it.
        """
        backend = self._backend
        if backend is None:
            raise ConnectionError("the bus is down")
        try:
            async with asyncio.timeout(self._timeout_s):
                await backend.publish(data, [channel])
        except _AWAY as error:
            raise ConnectionError(f"the bus did not take a message: {scrub(error)}") from None

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            received = self.received
            try:
                await self._listen()
            except _AWAY as error:
                self._note(error)
            pause_s = _FIRST_PAUSE_S if self.received > received else pause_s
            await self._clock.sleep(pause_s * (0.5 + self._jitter.random()))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self.reconnects += 1

    def _note(self, error: Exception) -> None:
        self.last_error = scrub(error)
        if self.is_up or not self.reconnects:
            logger.warning("the bus to the other replicas is down: {}", self.last_error)

    async def _listen(self) -> None:
        backend, close = self._open_backend()
        try:
            async with asyncio.timeout(self._timeout_s):
                await backend.on_startup()
                await backend.subscribe(self._channels)
                # Heard by ourselves it proves that the channels are heard from now on.
                await backend.publish(_HELLO, self._channels[:1])
            self._backend = backend
            self._heard_s = self._clock.monotonic()
            watch = asyncio.create_task(self._watch(), name="cluster bus watch")
            read = asyncio.create_task(self._read(backend), name="cluster bus reader")
            try:
                await asyncio.wait({watch, read}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (watch, read):
                    task.cancel()
                results = await asyncio.gather(watch, read, return_exceptions=True)
            for result in results:
                if isinstance(result, Exception):
                    raise result
        finally:
            self.is_up, self._backend = False, None
            await _quietly(backend.on_shutdown())
            await _quietly(close())

    async def _read(self, backend: ChannelsBackend) -> None:
        async for _, data in backend.stream_events():
            self._heard_s = self._clock.monotonic()
            self.received += 1
            if not self.is_up:
                self.is_up = True
                self._up()
            if data == _HELLO:
                continue
            try:
                self._receive(data)
            except Exception as error:  # noqa: BLE001 - one message must not end the bus
                self.unreadable += 1
                if self.unreadable == 1:
                    logger.opt(exception=error).error("a message of another replica failed")

    async def _watch(self) -> None:
        while self._clock.monotonic() - self._heard_s < self._silence_s:
            await self._clock.sleep(self._silence_s / 4)
        raise TimeoutError(f"nothing was heard for {self._silence_s:g} s, not even ourselves")

    def stats(self) -> dict[str, Any]:
        """Return whether it is up, and counts since the start."""
        return {
            "up": self.is_up,
            "received": self.received,
            "reconnects": self.reconnects,
            "unreadable": self.unreadable,
            "last_error": self.last_error or None,
        }


async def _quietly(closing: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await closing
    except _AWAY as error:
        logger.debug("a connection of the bus did not close: {!r}", error)
