"""The provider: joins requests and parsers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote as quote_url

from tickloom.clock import Clock
from tickloom.errors import NoData, ProviderUnavailable, TickloomError
from tickloom.fetch import parse_off_loop
from tickloom.model import (
    Company,
    HistoricalData,
    Quote,
    SymbolMatch,
    Timeliness,
)
from tickloom.roles import Budget, HistoryRequest, Provider, ProviderInfo, QuoteStream
from tickloom_yahoo.adjust import adjust, cut
from tickloom_yahoo.client import YahooClient
from tickloom_yahoo.options import YahooSettings
from tickloom_yahoo.parse_chart import Chart, parse_chart, parse_splits
from tickloom_yahoo.parse_company import MODULES, parse_company
from tickloom_yahoo.parse_frame import Decode
from tickloom_yahoo.parse_quote import parse_quotes
from tickloom_yahoo.parse_search import parse_matches
from tickloom_yahoo.plan import INTERVALS, plan_history
from tickloom_yahoo.refusals import PROVIDER
from tickloom_yahoo.stream import YahooStream
from tickloom_yahoo.symbols import to_yahoo

_BATCH = 100
# Yahoo names no limits; this is well below where others were refused.
_BUDGET = Budget(per_second=5, per_minute=60)
_LOCALE = {"lang": "en-US", "region": "US"}
_MOST_MATCHES = 50


class YahooProvider(Provider):
    """Quotes, bars, companies, searches and the live stream of Yahoo Finance."""

    def __init__(self, client: YahooClient, options: YahooSettings, clock: Clock) -> None:
        self._client = client
        self._options = options
        self._clock = clock
        self._streams: set[YahooStream] = set()
        self._closed = False
        self._info = ProviderInfo(
            name=PROVIDER,
            title="Yahoo Finance",
            timeliness=Timeliness.DELAYED,
            max_batch=_BATCH,
            intervals=INTERVALS,
            has_actions=True,
            has_company=True,
            has_search=True,
            has_stream=True,
            budget=_BUDGET,
            concurrency=options.threads,
            notice=(
                "Yahoo offers no official API; its terms allow personal use only, and it may "
                "change or refuse at any time."
            ),
        )

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself."""
        return self._info

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return for each symbol its newest quote, or its error, in one request."""
        if not symbols:
            return {}
        params = {"symbols": ",".join(map(to_yahoo, symbols)), "formatted": "false", **_LOCALE}
        body = await self._client.ask("/v7/finance/quote", params, "quotes")
        return await parse_off_loop(
            parse_quotes,
            body,
            symbols,
            self._clock.now(),
            extended=self._options.extended_hours,
        )

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return bars; unadjusted ones of the past take a second request for later splits.

        Raises:
            UnknownSymbol: Yahoo does not know the symbol.
            NoData: It has no bars in the range.
            InvalidDates: The range is reversed, or begins before bars of minutes do.
            NotSupported: There are no such bars, or not with this adjustment.
        """
        plan = plan_history(request, self._clock.now(), extended=self._options.extended_hours)
        body = await self._ask_chart(request, plan.bars)
        later = b""
        if plan.later_splits is not None:
            # Where nothing was traded after the bars, no split came either.
            with suppress(NoData):
                later = await self._ask_chart(request, plan.later_splits)
        within = await parse_off_loop(_read_history, body, later, request)
        if not within.bars:
            raise NoData(
                f"provider {PROVIDER} has no bars of {request.symbol} "
                f"from {request.start} to {request.end}"
            )
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider=PROVIDER,
            received_at=self._clock.now(),
            data_points=within.bars,
            timeliness=self._info.timeliness,
            adjustment=request.adjustment,
            currency=within.currency,
            exchange=within.exchange,
            splits=within.splits,
            dividends=within.dividends,
        )

    async def _ask_chart(self, request: HistoryRequest, query: Mapping[str, str]) -> bytes:
        path = f"/v8/finance/chart/{quote_url(to_yahoo(request.symbol), safe='=^')}"
        what = f"bars of {request.symbol}"
        return await self._client.ask(path, query, what, crumb=False)

    async def get_company(self, symbol: str) -> Company:
        """Describe what stands behind a symbol.

        Raises:
            UnknownSymbol: Yahoo does not know the symbol.
        """
        path = f"/v10/finance/quoteSummary/{quote_url(to_yahoo(symbol), safe='=^')}"
        params = {"modules": ",".join(MODULES), "formatted": "false", **_LOCALE}
        body = await self._client.ask(path, params, f"company information of {symbol}")
        return await parse_off_loop(parse_company, body, symbol, self._clock.now())

    async def search(self, text: str, limit: int) -> Sequence[SymbolMatch]:
        """Return what fits ``text``, best first."""
        params = {
            "q": text,
            "quotesCount": str(min(max(limit, 1), _MOST_MATCHES)),
            "newsCount": "0",
            "listsCount": "0",
            "enableFuzzyQuery": "false",
            **_LOCALE,
        }
        body = await self._client.ask(
            "/v1/finance/search", params, f"symbols that fit {text!r}", crumb=False
        )
        return await parse_off_loop(parse_matches, body, limit)

    async def open_stream(self) -> QuoteStream:
        """Open a socket without symbols.

        Raises:
            ProviderUnavailable: There is no connection.
        """
        decode = await self._client.run(_load_messages)
        stream = await YahooStream.open(
            self._options.stream_url,
            decode,
            self._clock,
            timeout_s=self._options.timeout_s,
            extended=self._options.extended_hours,
        )
        if self._closed:
            await stream.aclose()
            raise ProviderUnavailable(f"provider {PROVIDER} is closed")
        self._streams = {one for one in self._streams if not one.closed} | {stream}
        return stream

    async def aclose(self) -> None:
        """End streams and threads; calling it twice is allowed."""
        self._closed = True
        streams, self._streams = self._streams, set()
        await asyncio.gather(*(stream.aclose() for stream in streams))
        await self._client.aclose()


def _read_history(body: bytes, later: bytes, request: HistoryRequest) -> Chart:
    chart = parse_chart(body, request.symbol, request.interval)
    splits = chart.splits
    if later:
        with suppress(NoData):
            splits += parse_splits(later, request.symbol)
    return adjust(cut(chart, request), request, splits)


def _load_messages() -> Decode:
    # It comes with the whole of yfinance, which takes most of a second: for a thread.
    messages: Any = importlib.import_module("yfinance.pricing_pb2")
    decode: Decode = messages.PricingData.FromString
    return decode
