"""Plays the captures at the pace of the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, MutableMapping
from contextlib import aclosing
from datetime import datetime
from threading import Event as Flag

from loguru import logger
from msgspec import Struct

from tickloom.clock import Clock
from tickloom.model import Quote
from tickloom_iex.capture.background import finish
from tickloom_iex.capture.directory import Directory
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.pace import Pace
from tickloom_iex.capture.playback import Piece, Playback
from tickloom_iex.capture.session import stamp

_BATCH_QUOTES = 256
# Waking a hair too early by rounding is not worth another wait.
_TOLERANCE_S = 1e-6
_IDLE_S = 1.0
_MOST_TOLD = 20


class Played(Struct, frozen=True, gc=False):
    """A quote in the venue's time, and when it was played; ``None`` = quotes keep their time."""

    quote: Quote
    at: datetime | None


class Player:
    """The playback of all captures for one stream.

    Args:
        directory: Knows the captures.
        options: How they are played.
        clock: The host's.
        wanted: The symbols whose quotes are sent; may change while it plays.
        reached: The newest quote of every symbol is put here, wanted or not.
        send: Takes a batch, oldest first; may wait.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        options: CaptureOptions,
        clock: Clock,
        wanted: Collection[str],
        reached: MutableMapping[str, Played],
        send: Callable[[list[Quote]], Awaitable[None]],
    ) -> None:
        self._directory = directory
        self._options = options
        self._clock = clock
        self._wanted = wanted
        self._reached = reached
        self._send = send
        self._pace = Pace(options, clock)
        self._batch: list[Quote] = []
        self._sent = 0
        self._told: set[str] = set()

    async def run(self) -> None:
        """Play until the end, or for ever where it loops.

        Raises:
            ProviderUnavailable: There is no capture that can be read.
        """
        while True:
            before = self._sent
            await self._play_once()
            self._tell_silent()
            if not self._options.loop:
                return
            self._pace.rewind()
            if before == self._sent:
                # Nothing that anybody waits for slows this down.
                await self._clock.sleep(_IDLE_S)

    def _tell_silent(self) -> None:
        silent = set(self._wanted) - self._reached.keys() - self._told
        if silent:
            self._told |= silent
            shown = ", ".join(sorted(silent)[:_MOST_TOLD])
            logger.warning(
                "iex_captures: {} symbols have no price in the captures, such as {}",
                len(silent),
                shown,
            )

    async def _play_once(self) -> None:
        async with aclosing(self._read_ahead()) as pieces:
            async for piece in pieces:
                await self._clock.sleep(0)
                await self._play(piece)

    async def _read_ahead(self) -> AsyncGenerator[Piece, None]:
        halt = Flag()
        captures = await self._directory.captures()
        playback = Playback(captures, self._options, halt)
        job = self._read(playback)
        try:
            while True:
                await asyncio.wait({job})
                piece = job.result()
                if piece is None:
                    return
                job = self._read(playback)
                yield piece
        finally:
            await finish(job, halt)

    def _read(self, playback: Playback) -> asyncio.Task[Piece | None]:
        wanted = frozenset(self._wanted)

        def read() -> Piece | None:
            with self._directory.turn:
                return playback.read(wanted)

        return asyncio.create_task(asyncio.to_thread(read))

    async def _play(self, piece: Piece) -> None:
        for moment in piece.moments:
            at = await self._wait(moment.due_ns)
            timestamp, now = self._pace.stamp(at), self._clock.now()
            for quote in moment.quotes:
                self._reached[quote.symbol] = Played(quote, timestamp)
                self._batch.append(stamp(quote, timestamp, now))
            if len(self._batch) >= _BATCH_QUOTES:
                await self._flush()
        # What is due does not wait for the disk.
        await self._flush()
        at = await self._wait(piece.end_ns)
        timestamp = self._pace.stamp(at)
        for quote in piece.others:
            self._reached[quote.symbol] = Played(quote, timestamp)

    async def _wait(self, due_ns: int) -> float:
        at = self._pace.place(due_ns)
        wait_s = at - self._clock.monotonic()
        if wait_s > _TOLERANCE_S:
            await self._flush()
            await self._clock.sleep(wait_s)
        return at

    async def _flush(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._sent += len(batch)
            await self._send(batch)
