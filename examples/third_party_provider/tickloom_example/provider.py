"""The way in: joins client and parser, and hands the provider to tickloom."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import (
    BadRecord,
    ConfigError,
    NoData,
    NotSupported,
    ProviderUnavailable,
    TickloomError,
    UnknownSymbol,
)
from tickloom.hookspecs import hookimpl
from tickloom.model import HistoricalData, Interval, Quote, Timeliness
from tickloom.roles import HistoryRequest, PluginSettings, Provider, ProviderInfo
from tickloom_example.client import RatesClient
from tickloom_example.parse import Rates, bars_of, parse_rates, quote_of

NAMESPACE = "EXA."
SHIPPED = Path(__file__).with_name("rates.csv")

# The versions of the plugin interface that this plugin was written for.
tickloom_api = (1,)


class Options(Struct, frozen=True, kw_only=True):
    """The keys of ``[plugins.example]``."""

    url: str = ""
    path: Path | None = None
    refresh_s: float = 3_600.0


@hookimpl
def tickloom_providers(settings: PluginSettings, http: httpx.AsyncClient) -> list[Provider]:
    """Hand over the provider. No I/O here: the host waits for it at start."""
    options = settings.load(Options)
    if options.url and options.path:
        raise ConfigError("[plugins.example] has both url and path", expected="one of them")
    client = RatesClient(http, options.url, options.path or SHIPPED)
    notice = "" if options.url or options.path else "The rates of the shipped file are invented."
    return [ExampleProvider(client, settings.clock, options.refresh_s, notice)]


class ExampleProvider(Provider):
    """One price a day for each currency of the file.

    Args:
        client: Fetches the file.
        clock: The host's.
        refresh_s: How long a file that was read stays good.
        notice: What a user must know before relying on the rates.
    """

    def __init__(
        self, client: RatesClient, clock: Clock, refresh_s: float, notice: str = ""
    ) -> None:
        self._client = client
        self._clock = clock
        self._refresh_s = refresh_s
        self._notice = notice
        self._rates: Rates = {}
        self._good_until_s = clock.monotonic()
        self._reading = asyncio.Lock()

    @property
    def info(self) -> ProviderInfo:
        """What the host may expect."""
        return ProviderInfo(
            name="example",
            title="Example reference rates",
            timeliness=Timeliness.END_OF_DAY,
            max_batch=1_000,
            intervals=(Interval.DAY,),
            namespace=NAMESPACE,
            notice=self._notice,
        )

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return the newest rate of each symbol."""
        rates = await self._read()
        now = self._clock.now()
        known = {symbol: code for symbol in symbols if (code := _currency(symbol)) in rates}
        return {symbol: quote_of(symbol, code, rates[code], now) for symbol, code in known.items()}

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return the rates of a range of days as bars."""
        if request.interval is not Interval.DAY:
            raise NotSupported("there is one rate a day", found=request.interval, expected="1d")
        code = _currency(request.symbol)
        days = (await self._read()).get(code)
        if days is None:
            raise UnknownSymbol(f"the rates have no currency for {request.symbol}")
        bars = bars_of(days, request.start, request.end)
        if not bars:
            raise NoData(f"no rate of {request.symbol} from {request.start} to {request.end}")
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider="example",
            received_at=self._clock.now(),
            data_points=bars,
            timeliness=Timeliness.END_OF_DAY,
            adjustment=request.adjustment,
            currency=code,
        )

    async def aclose(self) -> None:
        """Nothing to let go of: the HTTP client is the host's."""

    async def _read(self) -> Rates:
        # One read for all who ask meanwhile.
        async with self._reading:
            if not self._rates or self._clock.monotonic() >= self._good_until_s:
                try:
                    self._rates = parse_rates(await self._client.fetch())
                except BadRecord as error:
                    raise ProviderUnavailable(f"the rates cannot be read: {error}") from error
                self._good_until_s = self._clock.monotonic() + self._refresh_s
            return self._rates


def _currency(symbol: str) -> str:
    return symbol.removeprefix(f"{NAMESPACE}EUR")
