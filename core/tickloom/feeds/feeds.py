"""Keeps the feeds in line with what somebody wants."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from datetime import datetime
from typing import Any

from loguru import logger
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import TickloomError
from tickloom.feeds.intake import Announcer, Intake, Wanted
from tickloom.feeds.poll import PollFeed
from tickloom.feeds.push import PushFeed
from tickloom.feeds.reader import Reader
from tickloom.feeds.sessions import Sessions
from tickloom.feeds.source import Source
from tickloom.feeds.standins import find_stand_ins
from tickloom.model import Quote, Timeliness, is_glob, matcher
from tickloom.settings import FeedSettings
from tickloom.stream import Status, StatusState

# How often it is looked whether a stream fell silent or a venue opened.
_LOOK_S = 1.0
# A stream that was just opened has so long to bring something before its symbols are asked for.
_OPENING_S = 3.0
# While the stream of another one stands in, a provider is asked so often whether it is back.
_PROBE_S = 5.0
_VENUELESS = (Timeliness.SIMULATED, Timeliness.REPLAYED)


class Feeds:
    """Demand-driven: what nobody wants is not read.

    A symbol goes to the push stream of its first provider where that offers one. It is polled where
    there is none, and where the stream is down or silent: at the fast interval where somebody
    streams it, at the slow one where it is only watched. A symbol that its stream does not mention
    for the slow interval is polled at that interval besides. While a provider neither streams nor
    answers, the stream of the next one stands in; without one its answers do.

    Args:
        reader: Asks with failover; its router says who serves what.
        demand: What is wanted.
        told: Told of the state of feeds.
        intake: Where quotes go.
        settings: Intervals.
        clock: Passed on.
        jitter: Passed on.
        sessions: When venues are open; ``None`` = they are always.
    """

    def __init__(
        self,
        reader: Reader,
        demand: Wanted,
        told: Announcer,
        intake: Intake,
        settings: FeedSettings,
        clock: Clock,
        jitter: random.Random,
        sessions: Sessions | None = None,
    ) -> None:
        self._router = reader.router
        self._reader = reader
        self._demand = demand
        self._told = told
        self._intake = intake
        self._settings = settings
        self._clock = clock
        self._sessions = sessions
        self._tasks: list[asyncio.Task[None]] = []
        self._states: dict[str, tuple[StatusState, datetime, str]] = {}
        self._serving: dict[str, set[str]] = {}
        self._standing: dict[str, dict[str, str]] = {}
        self._streamed: set[str] = set()
        self._closed: dict[str, set[str]] = {}
        sources = reader.router.sources.values()
        self._push = {
            source.name: PushFeed(source, self._pushed, self._tell, clock, jitter)
            for source in sources
            if source.info.has_stream
        }
        # One for each provider: one that hangs must not hold up the symbols of another.
        self._poll = {
            source.name: PollFeed(source, reader, self, self._hours_of(source), clock)
            for source in sources
        }

    def _hours_of(self, source: Source) -> Sessions | None:
        # Simulated and recorded prices keep the hours of nobody.
        return None if source.info.timeliness in _VENUELESS else self._sessions

    @property
    def running(self) -> bool:
        """True between :meth:`start` and :meth:`stop`."""
        return bool(self._tasks)

    async def start(self) -> None:
        """Begin to follow the demand; calling it twice is allowed."""
        if not self._tasks:
            self._demand.changed.set()
            self._tasks = [
                asyncio.create_task(self._follow(), name="feeds"),
                asyncio.create_task(self._watch(), name="watch the feeds"),
            ]

    async def stop(self) -> None:
        """Stop reading; subscriptions stay and are served again after :meth:`start`."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(
            *(feed.want(set()) for feed in self._push.values()),
            *(feed.want({}) for feed in self._poll.values()),
        )
        for name, symbols in self._serving.items():
            if symbols:
                now = self._clock.now()
                self._told.publish_status(name, "down", now, symbols, "streaming was stopped")
        self._serving.clear()
        self._standing.clear()
        self._states.clear()
        self._closed.clear()

    async def _follow(self) -> None:
        while True:
            await self._demand.changed.wait()
            self._demand.changed.clear()
            try:
                await self._distribute()
            except Exception as error:  # noqa: BLE001 - foreign code in a provider's subscribe
                logger.opt(exception=error).error("the feeds could not follow the demand")

    async def _distribute(self) -> None:
        streamed = self._expanded(self._demand.streamed)
        watched = self._expanded(self._demand.watched) - streamed
        self._streamed = streamed
        self._serving = {}
        for symbol in filter(self._demand.owns, streamed | watched):
            try:
                source = self._router.candidates(symbol)[0]
            except TickloomError:
                continue
            self._serving.setdefault(source.name, set()).add(symbol)
        await self._share_streams()
        await self._share_polls()

    async def _share_streams(self) -> None:
        self._standing = find_stand_ins(self._serving, self._router, self._is_away)
        await asyncio.gather(*(feed.want(self._read_by(name)) for name, feed in self._push.items()))

    def _is_away(self, name: str) -> bool:
        source = self._router.sources[name]
        return not source.healthy and (name not in self._push or not source.stream_healthy)

    def _read_by(self, name: str) -> set[str]:
        """Return the symbols that a provider serves, also those for another one."""
        return self._serving.get(name, set()) | self._standing.get(name, {}).keys()

    async def _share_polls(self) -> None:
        await asyncio.gather(*(feed.want(self._polled(name)) for name, feed in self._poll.items()))

    def _polled(self, name: str) -> dict[str, float]:
        """Return which symbols of a provider are polled now, and at which interval."""
        fast_s = self._settings.real_time_update_interval_s
        slow_s = self._settings.batch_update_interval_s
        push = self._push.get(name)
        source = self._router.sources[name]
        away = push is None or not source.stream_healthy
        intervals = {}
        stood_in = self._stood_in(name, slow_s)
        for symbol in self._serving.get(name, ()):
            if push is not None and not away:
                opening = not push.live and push.quiet_s() < _OPENING_S
                if opening or push.is_covered(symbol, slow_s):
                    continue
            interval_s = fast_s if away and symbol in self._streamed else slow_s
            intervals[symbol] = max(interval_s, _PROBE_S) if symbol in stood_in else interval_s
        return intervals

    def _stood_in(self, name: str, most_s: float) -> set[str]:
        return {
            symbol
            for other, symbols in self._standing.items()
            for symbol, first in symbols.items()
            if first == name and self._push[other].is_covered(symbol, most_s)
        }

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - the next look may go well
                logger.opt(exception=error).error("the feeds could not be looked after")

    async def _look(self) -> None:
        if self._sessions is not None:
            wanted = [
                symbol
                for name, symbols in self._serving.items()
                if self._hours_of(self._router.sources[name]) is not None
                for symbol in symbols
            ]
            await self._sessions.prepare(wanted)
            self._tell_hours(self._sessions)
        for name, push in self._push.items():
            open_now = self._read_by(name) - self._closed.get(name, set())
            if open_now and push.quiet_s() > self._settings.silence_s:
                reason = f"its stream has said nothing for {push.quiet_s():.0f} s"
                source = self._router.sources[name]
                source.stream_healthy = False
                self._tell(source, "stale", reason)
                await push.reopen()
        if self._standing != find_stand_ins(self._serving, self._router, self._is_away):
            await self._share_streams()
        await self._share_polls()

    def _tell_hours(self, sessions: Sessions) -> None:
        for name, symbols in self._serving.items():
            if self._hours_of(self._router.sources[name]) is None:
                continue
            closed = {symbol for symbol in symbols if not sessions.is_open(symbol)}
            before = self._closed.get(name, set())
            self._closed[name] = closed
            now = self._clock.now()
            if closed - before:
                reason = "the venue is closed"
                self._told.publish_status(name, "closed", now, closed - before, reason)
            if (before - closed) & symbols:
                state, since, reason = self._states.get(name, ("live", now, ""))
                self._told.publish_status(name, state, since, (before - closed) & symbols, reason)

    def _expanded(self, patterns: set[str]) -> set[str]:
        symbols = {pattern for pattern in patterns if not is_glob(pattern)}
        globs = patterns - symbols
        if globs:
            symbols |= set(filter(matcher(globs), self._router.listed()))
        return symbols

    def _tell(self, source: Source, state: StatusState, reason: str = "") -> None:
        known = self._states.get(source.name)
        if known is not None and known[0] == state:
            return
        since = self._clock.now()
        self._states[source.name] = (state, since, reason)
        if known is not None or state != "live":
            logger.info("feed of provider {} is {} {}", source.name, state, reason)
            symbols = self._read_by(source.name)
            self._told.publish_status(source.name, state, since, symbols, reason)

    def _pushed(self, quote: Quote) -> None:
        first = self._standing.get(quote.provider, {}).get(quote.symbol)
        if first is None:
            self._intake.accept(self._reader.set_back(quote))
        elif self._is_away(first):
            reason = self._router.sources[first].last_error
            self._intake.accept(replace(quote, fallback_from=first, fallback_reason=reason))

    def refusal(self, symbol: str) -> TickloomError | None:
        """Return what the last poll said of a symbol that no provider knows, else ``None``."""
        for feed in self._poll.values():
            error = feed.unknown(symbol)
            if error is not None:
                return error
        return None

    def found(self, quote: Quote, *, news: bool) -> None:
        """Take what a poll found, unless the stream of the same provider brought it before."""
        push = self._push.get(quote.provider)
        if news and (push is None or not push.has_newer(quote)):
            self._intake.accept(quote)
        else:
            self._intake.confirm(quote.symbol)

    def refused(self, symbol: str, error: TickloomError) -> None:
        """Tell those who want a symbol that nobody knows it."""
        self._told.publish_failure(symbol, 404, str(error))

    def settled(self) -> None:
        """Tell which providers are up and which are not, as the last polls found."""
        for name in self._serving:
            source = self._router.sources[name]
            if not source.healthy:
                self._tell(source, "down", source.last_error)
            elif name not in self._push or not source.stream_healthy:
                polled = "polled while its stream is away" if name in self._push else ""
                self._tell(source, "live", polled)

    def troubles(self, symbols: Collection[str]) -> list[Status]:
        """Return a status for each provider of ``symbols`` whose feed is not live."""
        told = []
        for name, (state, since, reason) in self._states.items():
            source = self._router.sources[name]
            theirs = sorted(symbol for symbol in symbols if source.knows(symbol))
            if state != "live" and theirs:
                told.append(
                    Status(provider=name, state=state, since=since, symbols=theirs, reason=reason)
                )
        return told

    def stats(self) -> dict[str, Any]:
        """Return which provider reads how many symbols, and how its feed is."""
        return {
            name: {
                "symbols": len(self._serving.get(name, ())),
                "state": self._states[name][0] if name in self._states else "idle",
                "since": self._states[name][1] if name in self._states else None,
                "received": self._push[name].received if name in self._push else None,
                "reconnects": self._push[name].reconnects if name in self._push else None,
                "refused": self._push[name].refused if name in self._push else None,
            }
            for name in self._router.sources
        }
