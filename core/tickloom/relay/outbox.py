"""Sends what this replica has to say, joined and in order, and notices what was lost."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from loguru import logger

from tickloom.clock import Clock
from tickloom.cluster import Bus
from tickloom.relay.messages import Beat, Message, Ticks, encode
from tickloom.stream import Tick, WireFormat

_MOST_TICKS = 50_000
_MOST_OTHERS = 10_000
_TICKS_A_MESSAGE = 500
_BEAT_S = 1.0
_DOWN_S = 0.05


class Outbox:
    """Everything on its way to the other replicas.

    Ticks that cannot be sent are dropped and counted. The number of the next message then has a
    hole, so the others notice it and ask for what they miss.

    Args:
        bus: The wire.
        channel: Where all listen.
        me: This replica.
        clock: For the beats.
    """

    def __init__(self, bus: Bus, channel: str, me: str, clock: Clock) -> None:
        self._bus = bus
        self._channel = channel
        self._me = me
        self._clock = clock
        self._ticks: deque[Tick] = deque(maxlen=_MOST_TICKS)
        self._others: deque[tuple[str, Message]] = deque(maxlen=_MOST_OTHERS)
        self._confirmed: set[str] = set()
        self._wake = asyncio.Event()
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.sent = 0
        self.lost = 0

    def start(self) -> None:
        """Begin to send."""
        self._tasks = [
            asyncio.create_task(self._run(), name="relay outbox"),
            asyncio.create_task(self._beat(), name="relay beat"),
        ]

    async def aclose(self) -> None:
        """End it; what is left is not sent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def put_tick(self, tick: Tick) -> None:
        """Send a tick of a symbol that is ours."""
        if len(self._ticks) == _MOST_TICKS:
            self._lose(1)
        self._ticks.append(tick)
        self._wake.set()

    def put(self, message: Message, channel: str = "") -> None:
        """Send a message to all, or to the replica that listens on ``channel``."""
        if len(self._others) == _MOST_OTHERS:
            self.lost += 1
        self._others.append((channel or self._channel, message))
        self._wake.set()

    def confirm(self, symbol: str) -> None:
        """Tell with the next beat that the last quote of a symbol still holds."""
        self._confirmed.add(symbol)

    def _lose(self, count: int) -> None:
        if not self.lost:
            logger.warning("ticks for the other replicas are dropped; they will ask for them")
        self.lost += count
        self._number += 1

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ticks or self._others:
                if not await self._send_next():
                    await self._clock.sleep(_DOWN_S)

    async def _send_next(self) -> bool:
        if self._others:
            channel, message = self._others.popleft()
            count = 0
        else:
            count = min(len(self._ticks), _TICKS_A_MESSAGE)
            ticks = [self._ticks.popleft().encoded(WireFormat.JSON) for _ in range(count)]
            self._number += 1
            channel, message = self._channel, Ticks(self._me, self._number, ticks)
        try:
            await self._bus.publish(encode(message), channel)
        except ConnectionError:
            if count:
                # Its number is used up: the hole tells the others as soon as they hear the next.
                self._lose(count)
            elif len(self._others) < _MOST_OTHERS:
                self._others.appendleft((channel, message))
            return False
        self.sent += count
        return True

    async def _beat(self) -> None:
        while True:
            confirmed, self._confirmed = self._confirmed, set()
            # One that still waits is as good; what it does not confirm is confirmed again.
            if not any(isinstance(message, Beat) for _, message in self._others):
                self.put(Beat(self._me, self._number, sorted(confirmed)))
            await self._clock.sleep(_BEAT_S)

    def stats(self) -> dict[str, Any]:
        """Return what waits and counts since the start."""
        return {"ticks_sent": self.sent, "ticks_lost": self.lost, "ticks_waiting": len(self._ticks)}
