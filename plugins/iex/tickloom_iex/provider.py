"""The provider: joins requests and parsers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import TypeAlias, TypeGuard
from urllib.parse import quote as quoted

from tickloom.clock import Clock
from tickloom.errors import (
    CredentialsError,
    NoData,
    NotEntitled,
    NotFound,
    NotSupported,
    ProviderUnavailable,
    TickloomError,
    Unavailable,
)
from tickloom.fetch import parse_off_loop
from tickloom.model import (
    Bar,
    Company,
    Dividend,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quote,
    Split,
    SymbolKind,
    SymbolMatch,
    Timeliness,
    split_symbol,
)
from tickloom.roles import Budget, HistoryRequest, Provider, ProviderInfo, QuoteStream
from tickloom_iex.client import IexClient
from tickloom_iex.fields import NEW_YORK, PROVIDER
from tickloom_iex.options import IexSettings
from tickloom_iex.parse_chart import Series, parse_days, parse_minutes
from tickloom_iex.parse_company import parse_company, parse_matches
from tickloom_iex.parse_events import parse_dividends, parse_splits
from tickloom_iex.parse_quote import parse_batch, parse_quote
from tickloom_iex.parse_tops import parse_rates
from tickloom_iex.plan import INTERVALS, Chart, Plan, plan_history, stock_path
from tickloom_iex.stream import IexStream
from tickloom_iex.symbols import to_vendor

NOTICE = (
    "IEX Cloud closed in August 2024: this asks an endpoint that answers as it did. "
    "Real-time prices are those of IEX alone."
)
_SCRAMBLED = " The values of this sandbox are scrambled."
_BATCH = 100
_AT_ONCE = 4

Found: TypeAlias = dict[str, Quote | TickloomError]
_Ask: TypeAlias = Callable[[dict[str, str]], Awaitable[Found]]


class IexProvider(Provider):
    """Quotes, bars, companies, searches and a stream of an endpoint compatible with IEX Cloud."""

    def __init__(self, client: IexClient, options: IexSettings, clock: Clock) -> None:
        self._client = client
        self._options = options
        self._clock = clock
        self._scrambled = options.is_scrambled
        self._open = asyncio.Semaphore(_AT_ONCE)
        self._streams: set[IexStream] = set()
        self._closed = False
        self._info = ProviderInfo(
            name=PROVIDER,
            title="IEX Cloud (compatible endpoint)",
            timeliness=Timeliness.SIMULATED if self._scrambled else Timeliness.REAL_TIME,
            max_batch=_BATCH,
            intervals=INTERVALS,
            has_company=True,
            has_search=True,
            has_stream=bool(options.stream_url),
            budget=Budget(per_second=options.calls_per_second),
            concurrency=_AT_ONCE,
            credentials=("api_key",),
            notice=NOTICE + (_SCRAMBLED if self._scrambled else ""),
        )

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself."""
        return self._info

    @property
    def messages_used(self) -> int:
        """What the endpoint charged since the start, in its own unit."""
        return self._client.messages_used

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return the newest prices: shares in one request, currencies in one, each crypto in one.

        Raises:
            Unavailable: Nothing was answered.
            CredentialsError: The key is refused.
        """
        found: Found = {}
        names: dict[SymbolKind, dict[str, str]] = {}
        for symbol in symbols:
            try:
                vendor = to_vendor(symbol)
            except NotSupported as error:
                found[symbol] = error
            else:
                names.setdefault(split_symbol(symbol).kind, {})[vendor] = symbol
        questions = [
            self._settled(names.get(SymbolKind.EQUITY, {}), self._shares),
            self._settled(names.get(SymbolKind.FX, {}), self._rates),
            *(
                self._settled({vendor: symbol}, self._crypto)
                for vendor, symbol in names.get(SymbolKind.CRYPTO, {}).items()
            ),
        ]
        for answer in await asyncio.gather(*questions):
            found |= answer
        _raise_common(found)
        return found

    async def _settled(self, names: dict[str, str], ask: _Ask) -> Found:
        if not names:
            return {}
        try:
            async with self._open:
                return await ask(names)
        except TickloomError as error:
            return dict.fromkeys(names.values(), error)

    async def _shares(self, names: dict[str, str]) -> Found:
        if len(names) > 1:
            body = await self._client.ask(
                "/stock/market/batch", symbols=",".join(names), types="quote"
            )
            return await parse_off_loop(
                parse_batch, body, names, self._clock.now(), scrambled=self._scrambled
            )
        [(vendor, symbol)] = names.items()
        body = await self._client.ask(stock_path(symbol, "quote"))
        return {symbol: await self._parse_quote(body, symbol, vendor)}

    async def _crypto(self, names: dict[str, str]) -> Found:
        [(vendor, symbol)] = names.items()
        body = await self._client.ask(f"/crypto/{quoted(vendor, safe='')}/quote")
        return {symbol: await self._parse_quote(body, symbol, vendor)}

    async def _parse_quote(self, body: bytes, symbol: str, vendor: str) -> Quote:
        return await parse_off_loop(
            parse_quote, body, symbol, vendor, self._clock.now(), scrambled=self._scrambled
        )

    async def _rates(self, names: dict[str, str]) -> Found:
        body = await self._client.ask("/fx/latest", symbols=",".join(names))
        return await parse_off_loop(
            parse_rates, body, names, self._clock.now(), scrambled=self._scrambled
        )

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return bars; how many requests that costs is in the plugin's README.

        Raises:
            UnknownSymbol: The endpoint does not know the symbol.
            NoData: It has no bars in the range.
            NotSupported: It has no such bars, or not with this adjustment.
        """
        plan = plan_history(request, self._clock.now().astimezone(NEW_YORK).date())
        charts = [self._chart(chart, request) for chart in plan.charts]
        answers, (dividends, splits) = await asyncio.gather(
            asyncio.gather(*charts), self._events(plan, request)
        )
        if (
            request.interval is Interval.MINUTES_30
            and request.adjustment is PriceAdjustment.NONE
            and splits
        ):
            raise NotSupported(
                f"provider {PROVIDER} has half hours of {request.symbol} adjusted for splits only"
            )
        return self._history(request, answers, dividends, splits)

    def _history(
        self,
        request: HistoryRequest,
        answers: Sequence[Series],
        dividends: Sequence[Dividend],
        splits: Sequence[Split],
    ) -> HistoricalData:
        first, last = request.start, request.end
        bars = {bar.timestamp: bar for series in answers for bar in series.bars}
        kept = tuple(bars[at] for at in sorted(bars) if first <= _day_of(bars[at]) <= last)
        if not kept and any(series.other for series in answers):
            raise NotSupported(
                f"provider {PROVIDER} does not tell prices of {request.symbol} with adjustment "
                f"{request.adjustment}",
                fix="Ask with another adjustment.",
            )
        if not kept:
            raise NoData(
                f"provider {PROVIDER} has no bars of {request.symbol} from {first} to {last}"
            )
        own = request.interval is Interval.MINUTE and not self._options.market_minutes
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
            currency="USD",
            exchange="IEX" if own else None,
            splits=tuple(one for one in splits if first <= one.day <= last),
            dividends=tuple(one for one in dividends if first <= one.day <= last),
        )

    async def _chart(self, chart: Chart, request: HistoryRequest) -> Series:
        async with self._open:
            body = await self._client.ask(chart.path, ranged=True, **chart.params)
        if request.interval is Interval.DAY:
            return await parse_off_loop(parse_days, body, request.adjustment)
        market = self._options.market_minutes and request.interval is Interval.MINUTE
        return await parse_off_loop(parse_minutes, body, market=market)

    async def _events(
        self, plan: Plan, request: HistoryRequest
    ) -> tuple[Sequence[Dividend], Sequence[Split]]:
        needed = request.interval is not Interval.DAY
        dividends: Sequence[Dividend] = ()
        splits: Sequence[Split] = ()
        for path in plan.events if self._options.events or needed else ():
            try:
                async with self._open:
                    body = await self._client.ask(path, ranged=True)
            except (NotFound, NotEntitled):
                # The bars are worth having without them, unless they say how the bars are adjusted.
                if needed:
                    raise
                continue
            if "/dividends/" in path:
                dividends = await parse_off_loop(parse_dividends, body)
            else:
                splits = await parse_off_loop(parse_splits, body)
        return dividends, splits

    async def get_company(self, symbol: str) -> Company:
        """Describe a company or fund.

        Raises:
            UnknownSymbol: The endpoint knows no company of that symbol.
        """
        body = await self._client.ask(stock_path(symbol, "company"))
        return await parse_off_loop(
            parse_company, body, symbol, self._clock.now(), scrambled=self._scrambled
        )

    async def search(self, text: str, limit: int) -> Sequence[SymbolMatch]:
        """Return what fits ``text``, best first."""
        if not text.strip():
            return []
        body = await self._client.ask(f"/search/{quoted(text.strip(), safe='')}")
        return await parse_off_loop(parse_matches, body, limit)

    async def open_stream(self) -> QuoteStream:
        """Open a stream without symbols.

        Raises:
            NotSupported: ``stream_url`` is empty.
            ProviderUnavailable: The provider was closed.
        """
        if not self._options.stream_url:
            raise NotSupported(
                f"provider {PROVIDER} offers no stream", fix="Set plugins.iex.stream_url."
            )
        if self._closed:
            raise ProviderUnavailable(f"provider {PROVIDER} is closed")
        channel = self._options.stream_channel
        stream = IexStream(
            self._client,
            channel,
            self._clock,
            forget=self._streams.discard,
            scrambled=self._scrambled,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close the streams that are open; calling it twice is allowed."""
        if not self._closed:
            self._client.tell_usage()
        self._closed = True
        await asyncio.gather(*(stream.aclose() for stream in list(self._streams)))


def _day_of(bar: Bar) -> date:
    return bar.timestamp.astimezone(NEW_YORK).date()


def _raise_common(found: Found) -> None:
    """Raise what is true of the provider as a whole, where no symbol was answered.

    Raises:
        TickloomError: Said of each symbol.
    """
    errors = [one for one in found.values() if _concerns_all(one)]
    if errors and len(errors) == len(found):
        raise errors[0]


def _concerns_all(answer: Quote | TickloomError) -> TypeGuard[TickloomError]:
    return isinstance(answer, Unavailable) or (
        isinstance(answer, CredentialsError) and not isinstance(answer, NotEntitled)
    )
