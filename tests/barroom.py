"""A hub with bars, clients that want them, and ticks by their venue's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from outlets import FakeOutlet
from scripted import make_quote
from tickloom.clock import FakeClock
from tickloom.model import Quote
from tickloom.stream import Bars, Connection, Demand, Hub, Ring, WireFormat
from tickloom.stream.wanted import Wish

START = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
"""A Monday on which New York is open."""


class BarRoom:
    """Ticks are received as soon as they are made, unless the test says another time."""

    def __init__(self, ring: int = 1_000, **options: Any) -> None:
        self.clock = FakeClock(START)
        self.demand = Demand()
        kept = Ring(self.clock, ring, 10_000_000, 3_600.0) if ring else None
        self.hub = Hub("e1", self.demand, kept)
        self.bars = Bars(self.hub, self.demand, self.clock, **options)
        self.hub.on_tick = self.bars.take

    def client(
        self, *patterns: str, channels: tuple[str, ...] = ("bars.1m",), **options: Any
    ) -> tuple[Connection, FakeOutlet]:
        wish = Wish(channels=frozenset(channels), interval_s=options.pop("interval_s", 0.0))
        connection = Connection(WireFormat.JSON, options.pop("max_bytes", 1_000_000), **options)
        outlet = FakeOutlet()
        connection.use(outlet)
        self.hub.attach(connection)
        for pattern in patterns:
            self.hub.subscribe(connection, pattern, wish)
        return connection, outlet

    def tick(
        self, at_s: float, price: str = "10", volume: int | None = None, **fields: Any
    ) -> Quote:
        """Publish a tick of ``at_s`` seconds after the start."""
        values: dict[str, Any] = {"symbol": "AAPL", "received_at": self.clock.now(), **fields}
        moment = START + timedelta(seconds=at_s)
        quote = make_quote(price=price, timestamp=moment, volume=volume, **values)
        numbered = self.hub.number(quote)
        self.hub.publish(numbered)
        return numbered

    async def at(self, at_s: float, *args: Any, **fields: Any) -> None:
        """Wait until a tick's time and publish it."""
        await self.until(at_s)
        self.tick(at_s, *args, **fields)

    async def until(self, at_s: float) -> None:
        now_s = (self.clock.now() - START).total_seconds()
        if at_s > now_s:
            await self.clock.advance(at_s - now_s)


def shown(messages: list[Any]) -> list[tuple[str, str, str]]:
    """Return time of day, state and ``open high low close`` of each bar."""
    return [
        (
            one["timestamp"][11:19],
            one["state"],
            f"{one['open']} {one['high']} {one['low']} {one['close']}",
        )
        for one in messages
        if one["type"] == "bar"
    ]
