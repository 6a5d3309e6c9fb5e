"""Keeps the feeds in line with what somebody wants."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from datetime import datetime
from typing import Any

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import TickloomError
from tickloom.feeds.intake import Intake
from tickloom.feeds.poll import PollFeed
from tickloom.feeds.push import PushFeed
from tickloom.feeds.reader import Reader
from tickloom.feeds.router import Router
from tickloom.feeds.source import Source
from tickloom.model import is_glob, matches
from tickloom.settings import FeedSettings
from tickloom.stream import Demand, Hub, Status, StatusState


class Feeds:
    """Demand-driven: what nobody wants is not read.

    A symbol goes to the push stream of its first provider where that offers one, else into a poll
    loop: the fast one where somebody streams it, the slow one where it is only watched.

    Args:
        router: Who serves what.
        reader: Asks with failover.
        demand: What is wanted.
        hub: Told of the state of feeds.
        intake: Where quotes go.
        settings: Intervals.
        clock: Passed on.
        jitter: Passed on.
    """

    def __init__(
        self,
        router: Router,
        reader: Reader,
        demand: Demand,
        hub: Hub,
        intake: Intake,
        settings: FeedSettings,
        clock: Clock,
        jitter: random.Random,
    ) -> None:
        self._router = router
        self._demand = demand
        self._hub = hub
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._states: dict[str, tuple[StatusState, datetime, str]] = {}
        self._serving: dict[str, set[str]] = {}
        self._push = {
            source.name: PushFeed(source, intake.accept, self._tell, clock, jitter)
            for source in router.sources.values()
            if source.info.has_stream
        }
        told = (intake, self._refuse, self._settled, clock)
        intervals = (settings.batch_update_interval_s, settings.real_time_update_interval_s)
        # One loop for each provider: one that hangs must not hold up the symbols of another.
        self._poll = {
            (source.name, streamed): PollFeed(
                reader, *told, intervals[streamed], f"{source.name} every {intervals[streamed]:g} s"
            )
            for source in router.sources.values()
            if not source.info.has_stream
            for streamed in (False, True)
        }

    @property
    def running(self) -> bool:
        """True between :meth:`start` and :meth:`stop`."""
        return self._task is not None

    async def start(self) -> None:
        """Begin to follow the demand; calling it twice is allowed."""
        if self._task is None:
            self._demand.changed.set()
            self._task = asyncio.create_task(self._follow(), name="feeds")

    async def stop(self) -> None:
        """Stop reading; subscriptions stay and are served again after :meth:`start`."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._assign({}, {})
        for name, symbols in self._serving.items():
            if symbols:
                now = self._clock.now()
                self._hub.publish_status(name, "down", now, symbols, "streaming was stopped")
        self._serving.clear()
        self._states.clear()

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
        push: dict[str, set[str]] = {}
        poll: dict[tuple[str, bool], set[str]] = {}
        self._serving = {}
        for symbol in streamed | watched:
            try:
                source = self._router.candidates(symbol)[0]
            except TickloomError:
                continue
            self._serving.setdefault(source.name, set()).add(symbol)
            if source.info.has_stream:
                push.setdefault(source.name, set()).add(symbol)
            else:
                poll.setdefault((source.name, symbol in streamed), set()).add(symbol)
        await self._assign(push, poll)

    def _expanded(self, patterns: set[str]) -> set[str]:
        symbols = {pattern for pattern in patterns if not is_glob(pattern)}
        globs = patterns - symbols
        if globs:
            listed = self._router.listed()
            symbols |= {symbol for symbol in listed if any(matches(symbol, glob) for glob in globs)}
        return symbols

    async def _assign(
        self, push: dict[str, set[str]], poll: dict[tuple[str, bool], set[str]]
    ) -> None:
        await asyncio.gather(
            *(feed.want(push.get(name, set())) for name, feed in self._push.items()),
            *(feed.want(poll.get(key, set())) for key, feed in self._poll.items()),
        )

    def _tell(self, source: Source, state: StatusState, reason: str = "") -> None:
        known = self._states.get(source.name)
        if known is not None and known[0] == state:
            return
        since = self._clock.now()
        self._states[source.name] = (state, since, reason)
        if known is not None or state != "live":
            logger.info("feed of provider {} is {} {}", source.name, state, reason)
            symbols = self._serving.get(source.name, set())
            self._hub.publish_status(source.name, state, since, symbols, reason)

    def refusal(self, symbol: str) -> TickloomError | None:
        """Return what the last poll said of a symbol that no provider knows, else ``None``."""
        for feed in self._poll.values():
            error = feed.unknown(symbol)
            if error is not None:
                return error
        return None

    def _refuse(self, symbol: str, error: TickloomError) -> None:
        self._hub.publish_failure(symbol, 404, str(error))

    def _settled(self) -> None:
        for name in self._serving.keys() - self._push.keys():
            source = self._router.sources[name]
            if source.healthy:
                self._tell(source, "live")
            else:
                self._tell(source, "down", source.last_error)

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
