"""Clients without a socket, and what they are told."""

from __future__ import annotations

import json
from typing import Any

from scripted import make_quote
from tickloom.clock import FakeClock
from tickloom.errors import UnknownSymbol
from tickloom.model import Quote
from tickloom.stream import Connection, Demand, Hub, Ring, Session, SessionRules, WireFormat


class Client:
    """A client without a socket."""

    def __init__(self, ring_count: int = 100, **rules: Any) -> None:
        self.clock = FakeClock()
        self.hub = Hub("e1", Demand(), Ring(self.clock, ring_count, 1_000_000, 300.0))
        self.newest: dict[str, Quote] = {}
        self.connection = Connection(WireFormat.JSON, 1_000_000, clock=self.clock)
        values: dict[str, Any] = {
            "server": "tickloom test",
            "clock": self.clock,
            "snapshot": self.newest.get,
            "known": lambda: list(self.newest),
            "refuse": lambda symbol: UnknownSymbol("nobody") if symbol == "NOPE" else None,
            "troubles": lambda symbols: [],
            "authenticate": None,
            "max_user_connections": 3,
            "max_symbols": 10,
            "max_message_bytes": 65_536,
            "messages_per_s": 100,
        }
        self.rules = SessionRules(**(values | rules))
        self.session = Session(self.hub, self.connection, self.rules)
        self.session.open()

    def publish(self, symbol: str) -> None:
        quote = self.hub.number(make_quote(symbol))
        self.newest[symbol] = quote
        self.hub.publish(quote)
        self.hub.flush()

    async def got(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in await self.connection.take()]

    async def ask(self, message: Any) -> list[dict[str, Any]]:
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        self.session.handle(text)
        return await self.got()


def kinds(messages: list[dict[str, Any]]) -> list[Any]:
    return [
        (one["type"], one["sequence"]) if one["type"] == "market_data" else one["type"]
        for one in messages
    ]
