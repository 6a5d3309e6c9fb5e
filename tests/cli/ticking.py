"""A provider of the command line's tests, installed by a folder on the path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import ProviderUnavailable, TickloomError
from tickloom.hookspecs import hookimpl
from tickloom.model import Bar, Company, HistoricalData, Interval, Quote, Timeliness
from tickloom.roles import HistoryRequest, PluginSettings, Provider, ProviderInfo

tickloom_api = (1,)


class TickingSettings(Struct, forbid_unknown_fields=True):
    away: bool = False
    hanging: bool = False
    ticks_per_s: float = 20.0


class TickingStream:
    def __init__(self, make: Callable[[str], Quote], pause_s: float) -> None:
        self._make = make
        self._pause_s = pause_s
        self._symbols: set[str] = set()
        self._open = True

    async def subscribe(self, symbols: Collection[str]) -> None:
        self._symbols |= set(symbols)

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        self._symbols -= set(symbols)

    async def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        while self._open:
            await asyncio.sleep(self._pause_s)
            if self._symbols:
                yield [self._make(symbol) for symbol in sorted(self._symbols)]

    async def aclose(self) -> None:
        self._open = False


class TickingProvider(Provider):
    def __init__(self, clock: Clock, options: TickingSettings) -> None:
        self._clock = clock
        self._options = options
        self._ticks = 0
        self._info = ProviderInfo(
            name="ticking",
            title="A clock",
            timeliness=Timeliness.SIMULATED,
            max_batch=100,
            intervals=(Interval.DAY,),
            has_company=True,
            has_stream=True,
            namespace="TICK.",
            symbols=frozenset({"TICK.ONE", "TICK.TWO"}),
            notice="these prices are made up",
        )

    @property
    def info(self) -> ProviderInfo:
        return self._info

    def _make(self, symbol: str) -> Quote:
        self._ticks += 1
        return Quote(
            symbol=symbol,
            provider="ticking",
            timestamp=self._clock.now(),
            received_at=self._clock.now(),
            is_real_time=False,
            current_price=Decimal("100.10") + Decimal(self._ticks) / 100,
            price_change_percent=Decimal("1.234"),
            volume=1_234_567,
            currency="USD",
        )

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        if self._options.away:
            raise ProviderUnavailable("provider ticking is away")
        if self._options.hanging:
            await asyncio.Event().wait()
        return {symbol: self._make(symbol) for symbol in symbols}

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        days = (request.end - request.start).days + 1
        bars = [
            Bar(
                timestamp=datetime.combine(request.start + timedelta(days=day), time(), UTC),
                open_price=Decimal("0.10"),
                high_price=Decimal("123456789012.12345678"),
                low_price=Decimal("0.10"),
                close_price=Decimal("1.50"),
            )
            for day in range(days)
        ]
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider="ticking",
            received_at=self._clock.now(),
            data_points=tuple(bars),
            timeliness=Timeliness.SIMULATED,
        )

    async def get_company(self, symbol: str) -> Company:
        return Company(
            symbol=symbol, name="[red]Ticking[/red] Inc.", provider="ticking",
            received_at=self._clock.now(),
        )  # fmt: skip

    async def open_stream(self) -> TickingStream:
        return TickingStream(self._make, 1 / self._options.ticks_per_s)

    async def aclose(self) -> None:
        pass


@hookimpl
def tickloom_providers(settings: PluginSettings) -> Sequence[Provider]:
    return [TickingProvider(settings.clock, settings.load(TickingSettings))]
