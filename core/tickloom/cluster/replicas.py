"""This replica among the others: its lease, and what it knows of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from loguru import logger
from redis.exceptions import RedisError

from tickloom.clock import Clock
from tickloom.cluster.members import Members
from tickloom.cluster.ownership import View
from tickloom.cluster.wishes import Wishes, united
from tickloom.errors import scrub

_BEATS_A_LEASE = 4
# Many changes of what clients want are told together.
_SOONEST_S = 0.05
_AWAY = (RedisError, OSError, TimeoutError)


class Replicas:
    """Who lives, who owns what, and what the clients of the others want.

    While Redis is away for longer than a lease this replica works alone: it owns every symbol, and
    nobody else wants anything.

    Args:
        members: The leases; ``None`` = there are no others.
        me: This replica.
        lease_s: How long a lease is good.
        wishes: What our own clients want, asked before every beat.
        changed: Told the views before and after each change of the living or of their wishes.
        told: Called once others can read that our wishes changed.
        lapsed: Called when this replica is back after the others took it for dead.
        clock: For the beats.
    """

    def __init__(
        self,
        members: Members | None,
        me: str,
        lease_s: float,
        wishes: Callable[[], Wishes],
        changed: Callable[[View, View], None],
        told: Callable[[], None],
        lapsed: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._members = members
        self._lease_s = lease_s
        self._wishes = wishes
        self._changed = changed
        self._tell = told
        self._lapsed = lapsed
        self._has_joined = False
        self._clock = clock
        self._versions = itertools.count(1)
        self._version = ""
        self._told: Wishes | None = None
        self._known: dict[str, tuple[str, Wishes]] = {}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._renewed_s = clock.monotonic()
        self.view = View(me)
        self.others = Wishes()
        self.is_alone = members is not None
        self.last_error = ""

    def start(self) -> None:
        """Begin to renew the lease."""
        if self._members is not None:
            self._task = asyncio.create_task(self._run(), name="cluster lease")

    async def aclose(self) -> None:
        """Leave, so that the others take over at once; calling it twice is allowed."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
        if task is not None and self._members is not None and not self.is_alone:
            try:
                async with asyncio.timeout(1.0):
                    await self._members.leave()
            except _AWAY as error:
                logger.debug("the lease could not be given back: {!r}", error)

    def owns(self, symbol: str) -> bool:
        """True where this replica reads, numbers and stores a symbol."""
        return self.view.owns(symbol)

    def hurry(self) -> None:
        """Beat now: our wishes changed, or those of another."""
        self._wake.set()

    async def _run(self) -> None:
        assert self._members is not None  # noqa: S101 - there is no task otherwise
        beat_s = self._lease_s / _BEATS_A_LEASE
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(beat_s):
                    await self._beat(self._members)
            except _AWAY as error:
                self._failed(error)
            await self._pause(beat_s)

    async def _pause(self, beat_s: float) -> None:
        sleeping = asyncio.create_task(self._clock.sleep(beat_s), name="cluster beat")
        waking = asyncio.create_task(self._wake.wait(), name="cluster hurry")
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
            if waking.done():
                await self._clock.sleep(_SOONEST_S)
        finally:
            sleeping.cancel()
            waking.cancel()

    async def _beat(self, members: Members) -> None:
        wishes = self._wishes()
        changed = wishes != self._told
        if changed:
            self._version = f"{next(self._versions)}"
        await members.keep_wishes(wishes, changed=changed)
        self._told = wishes
        began_s = self._clock.monotonic()
        is_new, living = await members.renew(self._version)
        has_lapsed, self._has_joined = is_new and self._has_joined, True
        known = {}
        for member, version in living.items():
            if member == self.view.me:
                continue
            before = self._known.get(member)
            if before is None or before[0] != version:
                before = (version, await members.wishes_of(member))
            known[member] = before
        self._renewed_s = began_s
        if changed:
            self._tell()
        if self.is_alone:
            self.is_alone = False
            logger.info("this is replica {} of {}", self.view.me, len(known) + 1)
        self._settle(known)
        if has_lapsed:
            # It was paused, for example, and knows of nothing; others had its symbols meanwhile.
            self._lapsed()

    def _failed(self, error: Exception) -> None:
        self.last_error = scrub(error)
        # By now the others have taken over; our own clients are served as well as we can.
        if not self.is_alone and self._clock.monotonic() - self._renewed_s >= self._lease_s:
            self.is_alone = True
            logger.warning("this replica works alone while Redis is away: {}", self.last_error)
            self._settle({})

    def _settle(self, known: dict[str, tuple[str, Wishes]]) -> None:
        if known == self._known:
            return
        before, self._known = self.view, known
        if known.keys() | {before.me} != set(before.members):
            self.view = View(before.me, known)
            logger.info("the replicas are {}", ", ".join(self.view.members))
        self.others = united(wishes for _, wishes in known.values())
        self._changed(before, self.view)

    def stats(self) -> dict[str, Any]:
        """Return who lives and whether this replica is cut off from them."""
        return {
            "replica": self.view.me,
            "members": list(self.view.members),
            "alone": self.is_alone,
            "last_error": self.last_error or None,
        }
