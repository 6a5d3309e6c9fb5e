"""Plays one timeline at the pace of the clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial

from loguru import logger

from tickloom.clock import Clock
from tickloom.model import Quote
from tickloom_replay.background import read_ahead
from tickloom_replay.event import TICK
from tickloom_replay.factors import Factors
from tickloom_replay.options import ReplaySettings
from tickloom_replay.session import Session
from tickloom_replay.timeline import Moment, Timeline, merge_events

_BATCH_QUOTES = 256
# Waking a hair too early by rounding is not worth another wait.
_TOLERANCE_S = 1e-6


class Pace:
    """Where on the clock a recorded time falls. It begins with the first time that it is asked."""

    def __init__(self, options: ReplaySettings, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._start: tuple[float, datetime] | None = None
        self._played_s = 0.0
        self._before: datetime | None = None

    def place(self, due: datetime) -> float:
        """Return the monotonic time at which ``due`` is played; ask in order of time."""
        if self._start is None:
            self._start = self._clock.monotonic(), self._clock.now()
        if self._before is not None:
            gap_s = (due - self._before).total_seconds()
            limit_s = self._options.max_gap_s
            self._played_s += min(gap_s, limit_s) if limit_s else gap_s
        self._before = due
        if not self._options.speed:
            return self._start[0]
        return self._start[0] + self._played_s / self._options.speed

    def rewind(self) -> None:
        """Let the next time follow after the longest gap, a second where gaps are kept."""
        self._played_s += self._options.max_gap_s or 1.0
        self._before = None

    def stamp(self, at: float) -> datetime | None:
        """Return the timestamp of what is played at ``at``; ``None`` = its recorded one."""
        if not self._options.shift_to_now:
            return None
        now = self._clock.now()
        if not self._options.speed or self._start is None:
            return now
        return min(now, self._start[1] + timedelta(seconds=at - self._start[0]))


class Player:
    """The playback of one timeline for one stream.

    Args:
        timeline: What is played.
        options: How.
        clock: The host's.
        wanted: The symbols whose quotes are sent; may change while it plays.
        factors: Split factors by symbol.
        reached: The newest session of every symbol is put here, wanted or not.
        send: Takes a batch, oldest first; may wait.
    """

    def __init__(
        self,
        *,
        timeline: Timeline,
        options: ReplaySettings,
        clock: Clock,
        wanted: Collection[str],
        factors: Mapping[str, Factors],
        reached: MutableMapping[str, Session],
        send: Callable[[list[Quote]], Awaitable[None]],
    ) -> None:
        self._timeline = timeline
        self._options = options
        self._clock = clock
        self._wanted = wanted
        self._factors = factors
        self._reached = reached
        self._send = send
        self._pace = Pace(options, clock)
        self._batch: list[Quote] = []

    async def run(self) -> None:
        """Play until the end, or for ever where it loops."""
        while await self._play_once():
            if not self._options.loop:
                return
            self._pace.rewind()
        logger.warning("replay: nothing to play of {}", ", ".join(sorted(self._timeline.symbols)))

    async def _play_once(self) -> bool:
        sessions: dict[str, Session] = {}
        open_events = partial(merge_events, self._timeline.series)
        async with aclosing(read_ahead(open_events)) as chunks:
            async for chunk in chunks:
                await self._clock.sleep(0)
                for moment in chunk:
                    await self._play(moment, sessions)
                # What is due does not wait for the disk.
                await self._flush()
        return bool(sessions)

    async def _play(self, moment: Moment, sessions: dict[str, Session]) -> None:
        at = self._pace.place(moment.due)
        wait_s = at - self._clock.monotonic()
        if wait_s > _TOLERANCE_S:
            await self._flush()
            await self._clock.sleep(wait_s)
        elif len(self._batch) >= _BATCH_QUOTES:
            await self._flush()
        self._batch.extend(self._fold(moment, at, sessions))

    async def _flush(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            await self._send(batch)

    def _fold(self, moment: Moment, at: float, sessions: dict[str, Session]) -> list[Quote]:
        stamp, now = self._pace.stamp(at), self._clock.now()
        quotes: list[Quote] = []
        last: dict[str, int] = {}
        traded: set[str] = set()
        for event in moment.events:
            symbol = event.symbol
            session = sessions.get(symbol)
            if session is None:
                session = Session(self._timeline.step, self._factors.get(symbol))
                sessions[symbol] = self._reached[symbol] = session
            session.take(event)
            session.played_at = stamp
            if symbol not in self._wanted:
                continue
            quote = session.quote(symbol, stamp, now)
            if quote is None:
                continue
            # What is due together is one quote, but two trades or recorded quotes stay two.
            is_trade = event.bar is not None and self._timeline.step == TICK
            if symbol in last and not (is_trade and symbol in traded):
                quotes[last[symbol]] = quote
            else:
                last[symbol] = len(quotes)
                quotes.append(quote)
            if is_trade:
                traded.add(symbol)
        return quotes
