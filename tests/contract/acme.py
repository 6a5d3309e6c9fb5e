"""A provider, a notifier and a validator without a fault, to be broken one rule at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tickloom.clock import SystemClock
from tickloom.errors import (
    ConfigError,
    NoData,
    NotSupported,
    ProviderUnavailable,
    TickloomError,
    Unavailable,
    UnknownSymbol,
)
from tickloom.model import (
    Bar,
    Company,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quality,
    Quote,
    SymbolMatch,
    Timeliness,
)
from tickloom.roles import HistoryRequest, Notification, Provider, ProviderInfo, Verdict

KNOWN = ("ACM.ONE", "ACM.TWO")
SECRET = "s3cr3t-key"

INFO = ProviderInfo(
    name="acme",
    title="Acme",
    timeliness=Timeliness.DELAYED,
    max_batch=10,
    intervals=(Interval.DAY, Interval.WEEK),
    has_company=True,
    has_search=True,
    has_stream=True,
    namespace="ACM.",
    symbols=frozenset(KNOWN),
    credentials=("api_key",),
)


class AcmeStream:
    """Gives a quote of each subscribed symbol again and again."""

    def __init__(self, make: Callable[[str], Quote]) -> None:
        self.make = make
        self.symbols: list[str] = []
        self.closed = asyncio.Event()

    async def subscribe(self, symbols: Collection[str]) -> None:
        self.symbols += [one for one in symbols if one in KNOWN and one not in self.symbols]

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        self.symbols = [one for one in self.symbols if one not in symbols]

    def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        return self

    async def __anext__(self) -> Sequence[Quote]:
        while not self.closed.is_set():
            await self.rest()
            if self.symbols and not self.closed.is_set():
                return [self.make(symbol) for symbol in self.symbols]
        raise StopAsyncIteration

    async def rest(self) -> None:
        if self.symbols:
            await asyncio.sleep(0)
            return
        waiting = asyncio.ensure_future(self.closed.wait())
        try:
            await asyncio.wait({waiting}, timeout=0.001)
        finally:
            waiting.cancel()

    async def aclose(self) -> None:
        self.closed.set()


class Acme(Provider):
    """Knows two symbols and offers everything; twins override one step each."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.key = SECRET
        self.closed = False
        self.streams: list[AcmeStream] = []

    @property
    def info(self) -> ProviderInfo:
        return INFO

    def make(self, symbol: str) -> Quote:
        now = self.clock.now()
        return Quote(
            symbol=symbol,
            provider="acme",
            timestamp=now,
            received_at=now,
            is_real_time=False,
            current_price=Decimal("10.25"),
            currency="USD",
        )

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        if self.closed:
            raise ProviderUnavailable("provider acme is closed")
        await self.wait()
        return {symbol: self.make(symbol) for symbol in symbols if symbol in KNOWN}

    async def wait(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        if request.interval not in self.info.intervals:
            raise NotSupported("acme has days and weeks")
        if request.adjustment is PriceAdjustment.ALL:
            raise NotSupported("acme knows no dividends")
        self.check_known(request.symbol)
        days = (min(request.end, self.clock.now().date()) - request.start).days
        bars = [self.bar(request, number) for number in range(days)]
        if not bars:
            raise NoData("there is nothing yet")
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider="acme",
            received_at=self.clock.now(),
            data_points=tuple(bars),
            timeliness=Timeliness.DELAYED,
            adjustment=request.adjustment,
        )

    def bar(self, request: HistoryRequest, number: int) -> Bar:
        day = request.start + timedelta(days=number)
        price = Decimal(number + 1)
        return Bar(
            timestamp=datetime.combine(day, time(), UTC),
            open_price=price,
            high_price=price,
            low_price=price,
            close_price=price,
        )

    def check_known(self, symbol: str) -> None:
        if symbol not in KNOWN:
            raise UnknownSymbol(f"acme does not know {symbol}")

    async def get_company(self, symbol: str) -> Company:
        self.check_known(symbol)
        return Company(symbol=symbol, name="Acme", provider="acme", received_at=self.clock.now())

    async def search(self, text: str, limit: int) -> Sequence[SymbolMatch]:
        found = [
            SymbolMatch(symbol=symbol, name=symbol, provider="acme")
            for symbol in KNOWN
            if text.upper() in symbol
        ]
        return found[:limit]

    async def open_stream(self) -> AcmeStream:
        stream = AcmeStream(self.make)
        self.streams.append(stream)
        return stream

    async def aclose(self) -> None:
        self.closed = True
        for stream in self.streams:
            await stream.aclose()


class AcmeNotifier:
    """Puts every notification into a list."""

    name: Any = "acme"

    def __init__(self, box: list[str]) -> None:
        self.box = box
        self.key = SECRET
        self.keys: set[str] = set()
        self.closed = False

    async def send(self, notification: Notification) -> None:
        if self.closed:
            raise Unavailable("acme is closed")
        if "@" not in notification.recipient:
            raise ConfigError("no such address", found=notification.recipient)
        await asyncio.sleep(0)
        if notification.key not in self.keys:
            self.keys.add(notification.key)
            self.box.append(f"{notification.title}\n{notification.body}")

    async def aclose(self) -> None:
        self.closed = True


class AcmeValidator:
    """Flags what costs nothing or less."""

    name: Any = "acme"

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        if quote.current_price > 0:
            return None
        return Verdict(Quality.FLAGGED, "not-positive", f"the price is {quote.current_price}")
