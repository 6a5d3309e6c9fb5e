"""The stream that the host subscribes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, MutableMapping, Sequence
from functools import partial

from tickloom.clock import Clock
from tickloom.model import Quote
from tickloom_iex.capture.directory import Directory
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.player import Played, Player

_QUEUE_BATCHES = 4


class CaptureStream:
    """One open stream.

    The captures start at their begin when the first symbol is subscribed, and stop when the last
    one is unsubscribed. A symbol that joins later joins where they are. With ``loop`` off all is
    silent after the end while the stream stays open.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        options: CaptureOptions,
        clock: Clock,
        reached: MutableMapping[str, Played],
        on_close: Callable[[CaptureStream], None],
    ) -> None:
        self._on_close = on_close
        self._wanted: set[str] = set()
        # The player waits while the host is slow; nothing is dropped. ``None`` = closed.
        self._queue: asyncio.Queue[list[Quote] | Exception | None] = asyncio.Queue(_QUEUE_BATCHES)
        self._new_player = partial(
            Player,
            directory=directory,
            options=options,
            clock=clock,
            wanted=self._wanted,
            reached=reached,
            send=self._queue.put,
        )
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Add symbols; those in no capture are told in the log at its end and stay silent."""
        if self._closed:
            return
        self._wanted.update(symbols)
        if self._task is None and self._wanted:
            self._task = asyncio.create_task(self._play())

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Remove symbols; their quotes that wait to be taken are not given out either."""
        self._wanted.difference_update(symbols)
        if not self._wanted:
            await self._stop()

    def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        return self

    async def __anext__(self) -> Sequence[Quote]:
        """Wait for the next batch, oldest first."""
        while True:
            item = None if self._closed else await self._queue.get()
            if item is None:
                # Others may wait too.
                self._wake()
                raise StopAsyncIteration
            if isinstance(item, Exception):
                raise item
            batch = [quote for quote in item if quote.symbol in self._wanted]
            if batch:
                return batch

    async def aclose(self) -> None:
        """Stop the playback and end the iteration."""
        if self._closed:
            return
        self._closed = True
        await self._stop()
        while not self._queue.empty():
            self._queue.get_nowait()
        self._wake()
        self._on_close(self)

    def _wake(self) -> None:
        if self._queue.empty():
            self._queue.put_nowait(None)

    async def _play(self) -> None:
        try:
            await self._new_player().run()
        except Exception as error:  # noqa: BLE001 - handed to whoever iterates
            await self._queue.put(error)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # It ends as soon as its reader does, which has a limit of its own.
            await asyncio.gather(task, return_exceptions=True)
