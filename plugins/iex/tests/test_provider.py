"""What is asked of the vendor for each question, and what comes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tickloom.clock import FakeClock
from tickloom.errors import (
    CredentialsError,
    InvalidDates,
    NoData,
    NotEntitled,
    NotSupported,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)
from tickloom.model import Interval, PriceAdjustment, Quote, Timeliness, encode_json
from tickloom.roles import HistoryRequest, Secret
from tickloom.testing import FaultServer, Reply, Request
from tickloom_iex.client import IexClient
from tickloom_iex.options import IexSettings
from tickloom_iex.provider import IexProvider

Cassette = Callable[[str], tuple[int, bytes]]
Make = Callable[..., IexProvider]


def ask(
    start: str = "2025-12-30",
    end: str = "2025-12-31",
    interval: Interval = Interval.DAY,
    adjustment: PriceAdjustment = PriceAdjustment.NONE,
    symbol: str = "MSFT",
) -> HistoryRequest:
    return HistoryRequest(
        symbol=symbol,
        start=date.fromisoformat(start),
        end=date.fromisoformat(end),
        interval=interval,
        adjustment=adjustment,
    )


def paths(server: FaultServer) -> list[str]:
    return [request.path for request in server.requests]


async def test_one_share_and_several_are_asked_for_in_one_request_each(
    http: httpx.AsyncClient, server: FaultServer, make: Make, key: str
) -> None:
    provider = make(http, server)
    one = await provider.get_quotes(["MSFT"])
    two = await provider.get_quotes(["MSFT", "BRK.B"])

    assert paths(server) == ["/stock/MSFT/quote", "/stock/market/batch"]
    assert server.requests[1].query == {
        "symbols": "MSFT,BRK.B", "types": "quote", "token": key
    }  # fmt: skip
    assert isinstance(one["MSFT"], Quote)
    assert list(two) == ["MSFT"]


async def test_pairs_are_asked_for_where_the_vendor_has_them(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    found = await make(http, server).get_quotes(["EURUSD=X", "BTC-USD", "^GSPC", "TSCO.L"])
    rate, coin = found["EURUSD=X"], found["BTC-USD"]

    assert sorted(paths(server)) == ["/crypto/BTCUSD/quote", "/fx/latest"]
    assert isinstance(rate, Quote)
    assert isinstance(coin, Quote)
    assert rate.current_price == Decimal("1.0875")
    assert isinstance(found["^GSPC"], NotSupported)
    assert isinstance(found["TSCO.L"], NotSupported)


async def test_trouble_with_one_kind_of_symbols_leaves_the_others_alone(
    http: httpx.AsyncClient, make: Make, answer: Callable[[Request], Reply]
) -> None:
    def broken(request: Request) -> Reply:
        return Reply(status=500) if request.path.startswith("/fx") else answer(request)

    async with FaultServer(broken) as server:
        found = await make(http, server).get_quotes(["EURUSD=X", "MSFT"])
    assert isinstance(found["EURUSD=X"], ProviderUnavailable)
    assert isinstance(found["MSFT"], Quote)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, b"The API key provided is not valid.", CredentialsError),
        (402, b"You have used all available credits for the month.", RateLimited),
        (503, b"", ProviderUnavailable),
    ],
)
async def test_what_is_true_of_all_symbols_is_raised(
    http: httpx.AsyncClient, status: int, body: bytes, kind: type[TickloomError], make: Make
) -> None:
    async with FaultServer(lambda _: Reply(status=status, body=body)) as server:
        with pytest.raises(kind):
            await make(http, server).get_quotes(["MSFT", "ACME", "EURUSD=X"])


async def test_what_concerns_a_symbol_stands_in_its_place(
    http: httpx.AsyncClient, make: Make
) -> None:
    async with FaultServer(lambda _: Reply(status=404, body=b"Unknown symbol")) as server:
        found = await make(http, server).get_quotes(["MSFT"])
    assert isinstance(found["MSFT"], UnknownSymbol)


@pytest.mark.parametrize(
    ("start", "chart"),
    [
        ("2025-12-29", "5d"),
        ("2025-12-10", "1m"),
        ("2025-10-10", "3m"),
        ("2025-08-01", "6m"),
        ("2025-02-01", "1y"),
        ("2024-02-01", "2y"),
        ("2022-02-01", "5y"),
        ("2015-02-01", "max"),
    ],
)
async def test_the_shortest_chart_that_reaches_back_is_asked_for(
    http: httpx.AsyncClient, server: FaultServer, start: str, chart: str, make: Make
) -> None:
    await make(http, server, events=False).get_history(ask(start))
    assert paths(server) == [f"/stock/MSFT/chart/{chart}"]


async def test_a_single_day_is_asked_for_by_its_date(
    http: httpx.AsyncClient, server: FaultServer, make: Make, bar: dict[str, Any]
) -> None:
    async with FaultServer(lambda _: Reply(body=json.dumps([bar]).encode())) as other:
        await make(http, other, events=False).get_history(ask(end="2025-12-30"))
        [request] = other.requests
    assert request.path == "/stock/MSFT/chart/date/20251230"
    assert request.query["chartByDay"] == "true"


async def test_days_carry_their_splits_and_dividends(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    history = await make(http, server).get_history(ask())

    assert [bar.close_price for bar in history.data_points] == [2]
    assert [one.ratio for one in history.splits] == [4]
    assert [one.amount for one in history.dividends] == [Decimal("0.5")]


async def test_an_endpoint_without_events_still_has_bars(
    http: httpx.AsyncClient, make: Make, answer: Callable[[Request], Reply]
) -> None:
    def bare(request: Request) -> Reply:
        return answer(request) if "/chart/" in request.path else Reply(status=404)

    async with FaultServer(bare) as server:
        history = await make(http, server).get_history(ask())
    assert (len(history.data_points), history.splits) == (1, ())


async def test_minutes_cost_a_request_for_each_day_of_trading(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    history = await make(http, server).get_history(ask("2025-12-30", "2026-01-04", Interval.MINUTE))
    assert sorted(paths(server)) == [
        "/stock/MSFT/chart/1d",
        "/stock/MSFT/chart/date/20251230",
        "/stock/MSFT/chart/date/20251231",
        "/stock/MSFT/chart/date/20260101",
    ]
    assert history.exchange == "IEX"


async def test_the_requests_of_one_question_keep_to_the_limit(
    http: httpx.AsyncClient, server: FaultServer
) -> None:
    clock = FakeClock()
    options = IexSettings(base_url=server.url, calls_per_second=2)
    provider = IexProvider(IexClient(http, options, clock), options, clock)
    asking = asyncio.create_task(
        provider.get_history(ask("2025-12-15", "2025-12-30", Interval.MINUTE))
    )
    sent = []
    for _ in range(6):
        # Until it has sent what it may, on sockets that take their time.
        await asyncio.sleep(0.1)
        sent.append(len(server.requests))
        await clock.advance(1)
    await asking

    assert sent == [2, 4, 6, 8, 10, 12]


async def test_half_hours_are_raw_only_where_no_split_lies_among_them(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    provider = make(http, server)
    adjusted = ask(interval=Interval.MINUTES_30, adjustment=PriceAdjustment.SPLITS)

    assert len((await provider.get_history(adjusted)).data_points) == 1
    with pytest.raises(NotSupported):
        await provider.get_history(ask(interval=Interval.MINUTES_30))


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (ask("2026-02-01", "2026-02-03"), NoData),
        (ask("2025-12-01", "2025-12-05"), NoData),
        (ask("2025-12-27", "2025-12-28", Interval.MINUTE), NoData),
        (ask("2025-01-01", "2025-12-30", Interval.MINUTE), InvalidDates),
        (ask("2025-10-01", "2025-12-30", Interval.MINUTES_30), NoData),
        (ask(interval=Interval.HOUR), NotSupported),
        (ask(interval=Interval.MINUTE, adjustment=PriceAdjustment.ALL), NotSupported),
        (ask(symbol="BTC-USD"), NotSupported),
        (ask(symbol="^GSPC"), NotSupported),
    ],
)
async def test_bars_that_cannot_be_are_told_apart(
    http: httpx.AsyncClient,
    server: FaultServer,
    request_: HistoryRequest,
    kind: type[TickloomError],
    make: Make,
) -> None:
    with pytest.raises(kind):
        await make(http, server).get_history(request_)


async def test_prices_that_are_told_in_another_adjustment_only_are_refused_not_passed_off(
    http: httpx.AsyncClient, make: Make, bar: dict[str, Any]
) -> None:
    plain = {key: value for key, value in bar.items() if key[1:2].islower()}
    async with FaultServer(lambda _: Reply(body=json.dumps([plain]).encode())) as server:
        provider = make(http, server, events=False)
        with pytest.raises(NotSupported, match="another adjustment"):
            await provider.get_history(ask())
        adjusted = await provider.get_history(ask(adjustment=PriceAdjustment.SPLITS))
    assert adjusted.data_points[0].close_price == 2


async def test_a_refused_range_does_not_stop_other_questions(
    http: httpx.AsyncClient, make: Make
) -> None:
    body = b"The API key provided is not valid."
    async with FaultServer(lambda _: Reply(status=403, body=body)) as server:
        with pytest.raises(NotEntitled):
            await make(http, server).get_history(ask())


async def test_what_the_endpoint_charges_is_summed(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    provider = make(http, server)
    await provider.get_quotes(["MSFT"])
    await provider.get_company("MSFT")
    assert provider.messages_used == 6


async def test_a_text_to_search_for_cannot_leave_its_place_in_the_path(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    provider = make(http, server)
    await provider.search("../a b?c#d/é", 5)
    assert paths(server) == ["/search/..%2Fa%20b%3Fc%23d%2F%C3%A9"]
    assert await provider.search("  ", 5) == []


async def test_a_key_is_not_sent_where_there_is_none(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    await make(http, server, api_key=None).get_quotes(["MSFT"])
    assert server.requests[0].query == {}


@pytest.mark.parametrize("options", [{"sandbox": True}, {"api_key": Secret("Tpk_1")}])
async def test_a_sandbox_is_simulated_and_says_so(
    http: httpx.AsyncClient, server: FaultServer, options: dict[str, Any], make: Make
) -> None:
    provider = make(http, server, **options)
    quote = (await provider.get_quotes(["MSFT"]))["MSFT"]

    assert provider.info.timeliness is Timeliness.SIMULATED
    assert "scrambled" in provider.info.notice
    assert isinstance(quote, Quote)
    assert not quote.is_real_time
    assert b"scrambled" in encode_json(quote)


async def test_its_notice_says_that_the_vendor_closed(
    http: httpx.AsyncClient, server: FaultServer, make: Make
) -> None:
    assert "closed in August 2024" in make(http, server).info.notice


async def test_recorded_answers_come_out_as_quotes_bars_and_companies(
    http: httpx.AsyncClient, cassette: Cassette, make: Make
) -> None:
    tapes = {
        "/v1/stock/MSFT/quote": "quote/msft",
        "/v1/stock/MSFT/chart/max": "historical_prices/msft_5d",
        "/v1/stock/MSFT/chart/date/20201110": "historical_prices/msft_date_and_chart_by_day",
        "/v1/stock/MSFT/chart/date/20190809": "chart/1d",
        "/v1/stock/MSFT/dividends/5y": "dividends/msft_1y",
        "/v1/stock/MSFT/company": "company/msft",
    }

    def play(request: Request) -> Reply:
        status, body = cassette(tapes.get(request.path, "quote/invalid"))
        return Reply(status=status, body=body)

    async with FaultServer(play) as server:
        provider = make(http, server, base_url=f"{server.url}/v1")
        quote = (await provider.get_quotes(["MSFT"]))["MSFT"]
        days = await provider.get_history(ask("2020-11-01", "2020-11-30"))
        day = await provider.get_history(ask("2020-11-10", "2020-11-10"))
        minutes = await provider.get_history(ask("2019-08-09", "2019-08-09", Interval.MINUTE))
        company = await provider.get_company("MSFT")
        unknown = await provider.get_quotes(["INVALID"])

    assert isinstance(quote, Quote)
    assert quote.current_price == Decimal("119.36")
    assert [bar.close_price for bar in days.data_points][-1] == Decimal("211.01")
    assert (len(days.data_points), days.dividends) == (5, ())
    assert day.data_points == days.data_points[-1:]
    assert len(minutes.data_points) == 388
    assert company.name == "Microsoft Corp."
    assert isinstance(unknown["INVALID"], UnknownSymbol)
