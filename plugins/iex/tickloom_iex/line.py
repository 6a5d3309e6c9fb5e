"""One request of a stream, read in a task of its own until it breaks or is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress

from tickloom.errors import ProviderUnavailable, TickloomError, scrub
from tickloom_iex.client import IexClient
from tickloom_iex.fields import PROVIDER
from tickloom_iex.sse import EventSplitter

START_S = 15.0
"""Longest wait for the begin of an answer."""


class Line:
    """Opens at once.

    Args:
        client: Sends the request.
        channel: What is streamed.
        names: The vendor's symbol to ours, of all that the request names.
        take: Awaited with the data of each event.
        fail: Awaited with what broke it, also with its ordinary end; not when it is closed.
        start_s: Longest wait for the begin of an answer.
    """

    def __init__(
        self,
        client: IexClient,
        channel: str,
        names: Mapping[str, str],
        take: Callable[[bytes, Mapping[str, str]], Awaitable[None]],
        fail: Callable[[TickloomError], Awaitable[None]],
        start_s: float = START_S,
    ) -> None:
        self.symbols = frozenset(names.values())
        self._client = client
        self._channel = channel
        self._names = names
        self._take = take
        self._fail = fail
        self._start_s = start_s
        self._opened = asyncio.Event()
        self._spoke = asyncio.Event()
        self.failed = False
        self._task = asyncio.create_task(self._run(), name=f"{PROVIDER} {channel}")

    async def open(self) -> None:
        """Wait for the begin of an answer, or the failure."""
        await self._opened.wait()

    async def speak(self, patience_s: float) -> None:
        """Wait for the first event or the failure, at most ``patience_s`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._spoke.wait()

    async def aclose(self) -> None:
        """End the request and wait until its connection is gone."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._read()
            error: TickloomError = ProviderUnavailable(f"provider {PROVIDER} ended its stream")
        except TickloomError as found:
            error = found
        except Exception as found:  # noqa: BLE001 - whoever iterates must hear of it
            error = ProviderUnavailable(f"provider {PROVIDER} broke its stream: {scrub(found)}")
        self.failed = True
        self._opened.set()
        self._spoke.set()
        await self._fail(error)

    async def _read(self) -> None:
        splitter = EventSplitter(PROVIDER)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._start_s):
                    pieces = await stack.enter_async_context(
                        self._client.stream(self._channel, self._names)
                    )
            except TimeoutError:
                raise ProviderUnavailable(
                    f"provider {PROVIDER} did not open its stream within {self._start_s:g} s"
                ) from None
            self._opened.set()
            async for piece in pieces:
                for data in splitter.feed(piece):
                    await self._take(data, self._names)
                    self._spoke.set()
