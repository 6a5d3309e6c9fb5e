"""The provider: joins requests and parsers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tickloom.clock import Clock
from tickloom.errors import BadRecord, NoData, NotEntitled, NotFound, TickloomError
from tickloom.fetch import parse_off_loop
from tickloom.model import (
    Bar,
    Company,
    HistoricalData,
    PriceAdjustment,
    Quote,
    SymbolKind,
    SymbolMatch,
    Timeliness,
    find_venue,
    split_symbol,
)
from tickloom.roles import Budget, HistoryRequest, Provider, ProviderInfo
from tickloom_alpha_vantage.client import PROVIDER, AlphaVantageClient
from tickloom_alpha_vantage.history import INTERVALS, cut, plan_history
from tickloom_alpha_vantage.options import AlphaVantageSettings
from tickloom_alpha_vantage.quote import parse_bulk, parse_global_quote, parse_rate
from tickloom_alpha_vantage.reference import parse_company, parse_matches
from tickloom_alpha_vantage.series import Series, adjust, parse_series
from tickloom_alpha_vantage.symbols import to_vendor

_TIMELINESS = {
    "": Timeliness.END_OF_DAY,
    "delayed": Timeliness.DELAYED,
    "realtime": Timeliness.REAL_TIME,
}
_BATCH = 100


class AlphaVantageProvider(Provider):
    """Quotes, bars, companies and searches of Alpha Vantage."""

    def __init__(
        self, client: AlphaVantageClient, options: AlphaVantageSettings, clock: Clock
    ) -> None:
        self._client = client
        self._options = options
        self._clock = clock
        self._info = ProviderInfo(
            name=PROVIDER,
            title="Alpha Vantage",
            timeliness=_TIMELINESS[options.entitlement],
            max_batch=_BATCH if options.premium else 1,
            intervals=INTERVALS,
            has_actions=options.premium,
            has_company=True,
            has_search=True,
            budget=Budget(
                per_second=1 if options.calls_per_minute is None else None,
                per_minute=options.calls_per_minute,
                per_day=options.calls_per_day,
            ),
            concurrency=2,
            credentials=("api_key",),
            notice="" if options.entitlement else "Quotes are those of the last close.",
        )

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself."""
        return self._info

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return the last close of each symbol; with a paid plan shares go in one request."""
        found: dict[str, Quote | TickloomError] = {}
        shares: dict[str, str] = {}
        for symbol in symbols:
            try:
                if self._options.premium and split_symbol(symbol).kind is SymbolKind.EQUITY:
                    shares[to_vendor(symbol)] = symbol
                else:
                    found[symbol] = await self._get_quote(symbol)
            except (NotFound, BadRecord, NotEntitled) as error:
                # What concerns this symbol alone; anything else is true of all of them.
                found[symbol] = error
        if shares:
            body = await self._client.ask("REALTIME_BULK_QUOTES", symbol=",".join(shares))
            now = self._clock.now()
            real_time = self._info.timeliness is Timeliness.REAL_TIME
            found |= parse_bulk(body, shares, now, real_time=real_time)
        return found

    async def _get_quote(self, symbol: str) -> Quote:
        parts = split_symbol(symbol)
        if parts.kind in {SymbolKind.FX, SymbolKind.CRYPTO}:
            body = await self._client.ask(
                "CURRENCY_EXCHANGE_RATE", from_currency=parts.root, to_currency=parts.counter
            )
            return parse_rate(body, symbol, self._clock.now())
        body = await self._client.ask("GLOBAL_QUOTE", symbol=to_vendor(symbol))
        return parse_global_quote(body, symbol, self._clock.now())

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return bars; how many requests that costs is in the plugin's README.

        Raises:
            UnknownSymbol: The vendor refuses the symbol.
            NoData: It has no bars in the range.
            NotSupported: It has no such bars, or not with this adjustment.
        """
        today = self._clock.now().date()
        plan = plan_history(request, today, premium=self._options.premium)
        parts = split_symbol(request.symbol)
        venue = find_venue(parts.suffix) if not parts.counter else None
        currency = venue.currency if venue is not None else parts.counter or None
        bars: list[Bar] = []
        series = Series(())
        for query in plan.queries:
            body = await self._client.ask(plan.function, **query)
            series = await parse_off_loop(parse_series, body, plan.zone, currency)
            bars.extend(self._adjusted(series, request, plan.function))
        kept = cut(tuple(bars), request, plan.zone)
        if not kept:
            raise NoData(
                f"provider alpha_vantage has no bars of {request.symbol} "
                f"from {request.start} to {request.end}"
            )
        first, last = request.start, request.end
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=first,
            end_date=last,
            provider=PROVIDER,
            received_at=self._clock.now(),
            data_points=kept,
            timeliness=self._info.timeliness,
            adjustment=request.adjustment,
            currency=currency,
            splits=tuple(one for one in series.splits if first <= one.day <= last),
            dividends=tuple(one for one in series.dividends if first <= one.day <= last),
        )

    def _adjusted(self, series: Series, request: HistoryRequest, function: str) -> Sequence[Bar]:
        if request.adjustment is PriceAdjustment.NONE or function == "TIME_SERIES_INTRADAY":
            return series.bars
        return adjust(series, dividends=request.adjustment is PriceAdjustment.ALL)

    async def get_company(self, symbol: str) -> Company:
        """Describe a company.

        Raises:
            UnknownSymbol: The vendor knows no company of that symbol.
        """
        body = await self._client.ask("OVERVIEW", symbol=to_vendor(symbol))
        return parse_company(body, symbol, self._clock.now())

    async def search(self, text: str, limit: int) -> Sequence[SymbolMatch]:
        """Return what fits ``text``, best first."""
        return parse_matches(await self._client.ask("SYMBOL_SEARCH", keywords=text), limit)
