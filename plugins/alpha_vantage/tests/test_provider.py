from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tickloom.clock import FakeClock
from tickloom.errors import NoData, NotConfigured, NotSupported, TickloomError
from tickloom.model import Company, HistoricalData, Interval, PriceAdjustment, Quote
from tickloom.roles import HistoryRequest, PluginSettings, Secret
from tickloom.testing import FAULTS, FaultServer, Reply, Request
from tickloom_alpha_vantage import tickloom_providers
from tickloom_alpha_vantage.client import AlphaVantageClient
from tickloom_alpha_vantage.options import AlphaVantageSettings
from tickloom_alpha_vantage.provider import AlphaVantageProvider

KEY = "TOPSECRET99"
FILES = {
    "GLOBAL_QUOTE": "json/crazzyghost_globalquote.json",
    "TIME_SERIES_DAILY": "json/crazzyghost_daily.json",
    "TIME_SERIES_DAILY_ADJUSTED": "pricehist/ibm-partial-adj.json",
    "TIME_SERIES_INTRADAY": "json/crazzyghost_intraday.json",
    "TIME_SERIES_MONTHLY": "json/crazzyghost_monthly.json",
    "DIGITAL_CURRENCY_DAILY": "pricehist/btc-aud-partial.json",
    "CURRENCY_EXCHANGE_RATE": "json/CURRENCY_EXCHANGE_RATE_2026.json",
    "OVERVIEW": "json/overview_IBM.json",
    "SYMBOL_SEARCH": "json/symbol_search_BA.json",
    "REALTIME_BULK_QUOTES": "json/REALTIME_BULK_QUOTES_2026_artificial.json",
}


@pytest.fixture
async def server(recorded: Path) -> AsyncIterator[FaultServer]:
    def answer(request: Request) -> Reply:
        return Reply(body=(recorded / FILES[request.query["function"]]).read_bytes())

    async with FaultServer(answer) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=0.5) as client:
        yield client


def make(http: httpx.AsyncClient, url: str, **options: object) -> AlphaVantageProvider:
    # After the newest recording.
    clock = FakeClock(datetime(2026, 6, 1, 15, 0, tzinfo=UTC))
    settings = AlphaVantageSettings(**options)  # type: ignore[arg-type]
    client = AlphaVantageClient(http, url, Secret(KEY), settings.entitlement, clock)
    return AlphaVantageProvider(client, settings, clock)


def ask(
    symbol: str,
    start: str,
    end: str,
    interval: Interval = Interval.DAY,
    adjustment: PriceAdjustment = PriceAdjustment.NONE,
) -> HistoryRequest:
    return HistoryRequest(
        symbol=symbol,
        start=date.fromisoformat(start),
        end=date.fromisoformat(end),
        interval=interval,
        adjustment=adjustment,
    )


async def test_without_a_key_it_is_not_configured(http: httpx.AsyncClient) -> None:
    settings = PluginSettings("alpha_vantage", FakeClock(), lambda kind: kind())
    with pytest.raises(NotConfigured, match="api_key is missing"):
        tickloom_providers(settings, http)


async def test_recorded_answers_come_out_as_quotes_bars_and_companies(
    http: httpx.AsyncClient, server: FaultServer
) -> None:
    provider = make(http, server.url)
    quote = (await provider.get_quotes(["IBM"]))["IBM"]
    bars = await provider.get_history(ask("IBM", "2020-05-01", "2020-05-31"))
    company = await provider.get_company("IBM")
    matches = await provider.search("BA", 3)

    assert isinstance(quote, Quote)
    assert quote.current_price == Decimal("121.7400")
    assert len(bars.data_points) == 2
    assert bars.data_points[0].timestamp.hour == 4
    assert company.name == "International Business Machines Corporation"
    assert matches[0].symbol == "BA"


async def test_currencies_and_crypto_are_asked_for_by_their_two_codes(
    http: httpx.AsyncClient, server: FaultServer
) -> None:
    provider = make(http, server.url)
    rate = (await provider.get_quotes(["USDJPY=X"]))["USDJPY=X"]
    bars = await provider.get_history(ask("BTC-AUD", "2021-01-01", "2021-01-10"))

    assert isinstance(rate, Quote)
    assert (rate.current_price, rate.currency) == (Decimal("158.73166867"), "JPY")
    assert server.requests[0].query["from_currency"] == "USD"
    assert (server.requests[1].query["symbol"], server.requests[1].query["market"]) == (
        "BTC",
        "AUD",
    )
    assert bars.currency == "AUD"


async def test_old_bars_of_minutes_are_asked_for_month_by_month(
    http: httpx.AsyncClient, server: FaultServer
) -> None:
    provider = make(http, server.url)
    request = ask("IBM", "2020-04-20", "2020-06-02", Interval.MINUTES_5)
    bars = await provider.get_history(request)

    assert [one.query["month"] for one in server.requests] == ["2020-04", "2020-05", "2020-06"]
    assert {one.query["adjusted"] for one in server.requests} == {"false"}
    assert len(bars.data_points) == 2


async def test_a_month_carries_the_day_it_begins_on(
    http: httpx.AsyncClient, server: FaultServer
) -> None:
    bars = await make(http, server.url).get_history(
        ask("IBM", "2020-01-01", "2020-12-31", Interval.MONTH)
    )
    assert {bar.timestamp.day for bar in bars.data_points} == {1}


async def test_what_is_not_there_is_told_apart(
    http: httpx.AsyncClient, server: FaultServer
) -> None:
    provider = make(http, server.url)
    with pytest.raises(NoData):
        await provider.get_history(ask("IBM", "2019-01-01", "2019-01-02"))
    with pytest.raises(NotSupported):
        await provider.get_history(ask("IBM", "2019-01-01", "2019-01-02", Interval.SECOND))


async def test_a_batch_of_a_paid_plan_that_is_a_sample_is_refused(
    http: httpx.AsyncClient, server: FaultServer
) -> None:
    provider = make(http, server.url, premium=True, calls_per_day=None)
    with pytest.raises(TickloomError, match="sample"):
        await provider.get_quotes(["MSFT", "AAPL"])


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_every_fault_ends_in_a_value_or_an_error_of_ours_that_hides_the_key(
    http: httpx.AsyncClient, server: FaultServer, fault: str
) -> None:
    provider = make(http, server.url)
    server.fault = FAULTS[fault]
    for question in (
        lambda: provider.get_quotes(["IBM"]),
        lambda: provider.get_history(ask("IBM", "2020-05-01", "2020-05-31")),
        lambda: provider.get_company("IBM"),
        lambda: provider.search("BA", 3),
    ):
        told = ""
        try:
            # The host puts a limit on each call; a drip has no other end.
            async with asyncio.timeout(2):
                answer = await question()  # type: ignore[no-untyped-call]
            assert isinstance(answer, dict | HistoricalData | Company | list)
        except (TickloomError, TimeoutError) as error:
            told = "".join(traceback.format_exception(error))
        assert KEY not in told
