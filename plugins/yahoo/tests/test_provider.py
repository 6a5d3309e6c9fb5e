"""Every question over a server on this machine, well and badly answered."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest

from tickloom.errors import (
    NoData,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)
from tickloom.fetch import each_turn
from tickloom.model import Interval, PriceAdjustment, Quote
from tickloom.roles import HistoryRequest, Provider
from tickloom.testing import FAULTS, FaultServer, LoopLag, Reply, Request

Serve = Callable[..., Any]
TODAY = datetime.now(UTC).date()
MOST_LAG_S = 0.05
QUICK = {"timeout_s": 0.5}


def bars_of(symbol: str = "ACME", **changes: Any) -> HistoryRequest:
    usual = {"symbol": symbol, "start": TODAY - timedelta(days=20), "end": TODAY}
    return HistoryRequest(**(usual | changes))


QUESTIONS: dict[str, Callable[[Provider], Awaitable[Any]]] = {
    "quotes": lambda provider: provider.get_quotes(["ACME", "TSCO.L"]),
    "history": lambda provider: provider.get_history(bars_of()),
    "company": lambda provider: provider.get_company("ACME"),
    "search": lambda provider: provider.search("acme", 5),
}


def paths_of(requests: Sequence[Request]) -> list[str]:
    return [request.path for request in requests]


async def asked(server: FaultServer) -> None:
    while not server.requests:
        await asyncio.sleep(0.01)


async def test_every_question_has_its_answer(serve: Serve) -> None:
    async with serve() as (_, provider):
        quotes, history, company, [match] = await asyncio.gather(
            *(ask(provider) for ask in QUESTIONS.values())
        )
    assert quotes["ACME"].current_price == Decimal("189.41")
    assert (quotes["TSCO.L"].current_price, quotes["TSCO.L"].currency) == (Decimal("431.2"), "GBp")
    assert {bar.close_price for bar in history.data_points} == {Decimal("189.41")}
    assert company.name == "Acme Corporation"
    assert match.symbol == "ACME"


async def test_a_batch_is_one_request_and_cookie_and_crumb_are_fetched_once(serve: Serve) -> None:
    async with serve() as (server, provider):
        for _ in range(3):
            found = await provider.get_quotes(["ACME", "TSCO.L", "NOSUCH"])
        # Only a cookie of Yahoo's own domain is kept between its two ways, so here it comes twice.
        paths = [path for path in paths_of(server.requests) if path != "/"]
        assert paths == ["/v1/test/getcrumb", *["/v7/finance/quote"] * 3]
    assert isinstance(found["NOSUCH"], UnknownSymbol)
    assert isinstance(found["ACME"], Quote)


async def test_questions_at_the_same_time_share_one_crumb(serve: Serve) -> None:
    async with serve() as (server, provider):
        await asyncio.gather(*(provider.get_quotes(["ACME"]) for _ in range(8)))
        assert paths_of(server.requests).count("/v1/test/getcrumb") == 1


async def test_bars_and_searches_need_no_crumb(serve: Serve) -> None:
    async with serve() as (server, provider):
        await provider.get_history(bars_of())
        await provider.search("acme", 3)
        assert paths_of(server.requests) == ["/v8/finance/chart/ACME", "/v1/finance/search"]


async def test_a_class_of_shares_is_asked_for_with_its_dash(serve: Serve) -> None:
    async with serve() as (server, provider):
        found = await provider.get_quotes(["BRK.B"])
        assert server.requests[-1].query["symbols"] == "BRK-B"
    assert isinstance(found["BRK.B"], Quote)


async def test_signs_in_symbols_arrive_as_they_are(serve: Serve) -> None:
    odd = ["^GSPC", "M&M.NS", "EURUSD=X", "GC=F"]
    async with serve() as (server, provider):
        await provider.get_quotes(odd)
        assert server.requests[-1].query["symbols"] == ",".join(odd)
        for symbol in odd:
            with pytest.raises(UnknownSymbol):
                await provider.get_history(bars_of(symbol))
            assert unquote(server.requests[-1].path) == f"/v8/finance/chart/{symbol}"


async def test_raw_bars_of_the_past_take_a_second_question_for_later_splits(serve: Serve) -> None:
    past = {"start": TODAY - timedelta(days=40), "end": TODAY - timedelta(days=20)}
    async with serve() as (server, provider):
        await provider.get_history(bars_of(**past))
        await provider.get_history(bars_of(**past, adjustment=PriceAdjustment.SPLITS))
        asked = [request.query["interval"] for request in server.requests]
    assert asked == ["1d", "1mo", "1d"]


async def test_bars_of_the_past_are_there_where_nothing_came_after_them(
    serve: Serve, vendor: Any
) -> None:
    past = {"start": TODAY - timedelta(days=40), "end": TODAY - timedelta(days=20)}
    words = "Data doesn't exist for startDate = 1, endDate = 2"
    refused = {"code": "Bad Request", "description": words}
    chart = vendor.chart

    def answer(request: Request) -> Reply:
        if request.query["interval"] == "1mo":
            body = json.dumps({"chart": {"result": None, "error": refused}}).encode()
            return Reply(status=400, body=body)
        return chart(request)  # type: ignore[no-any-return]

    vendor.chart = answer
    async with serve() as (_, provider):
        history = await provider.get_history(bars_of(**past))
    assert history.data_points


async def test_each_of_two_requests_for_bars_waits_for_its_turn(serve: Serve) -> None:
    past = {"start": TODAY - timedelta(days=40), "end": TODAY - timedelta(days=20)}
    turns: list[int] = []

    async def wait() -> None:
        turns.append(1)

    async with serve() as (server, provider):
        with each_turn(wait):
            await provider.get_history(bars_of(**past))
        assert len(turns) == len(server.requests) == 2


async def test_what_yahoo_does_not_know_is_told_apart(serve: Serve) -> None:
    async with serve() as (_, provider):
        with pytest.raises(UnknownSymbol):
            await provider.get_history(bars_of("NOSUCH"))
        with pytest.raises(UnknownSymbol):
            await provider.get_company("NOSUCH")
        with pytest.raises(NoData):
            await provider.get_history(
                bars_of(start=TODAY + timedelta(days=9), end=TODAY + timedelta(days=10))
            )
        assert await provider.search("zzz", 3) == []


@pytest.mark.parametrize("warm", [False, True], ids=["from the start", "after a good answer"])
@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_every_fault_ends_in_a_value_or_an_error_of_ours_and_blocks_nobody(
    serve: Serve, fault: str, warm: bool
) -> None:
    lags = []
    # What else this machine does meanwhile is not the provider's doing: three attempts.
    for _ in range(3):
        async with serve(**QUICK) as (server, provider):
            if warm:
                await provider.get_quotes(["ACME"])
            server.fault = FAULTS[fault]
            async with LoopLag() as lag:
                answers = await asyncio.gather(
                    *(ask(provider) for ask in QUESTIONS.values()), return_exceptions=True
                )
            server.fault = None
            await provider.get_quotes(["ACME"])
        for answer in answers:
            assert not isinstance(answer, BaseException) or isinstance(answer, TickloomError)
        lags.append(lag.worst_s)
        if lag.worst_s < MOST_LAG_S:
            return
    pytest.fail(f"the loop was held up for {min(lags):.3f} s")


@pytest.mark.parametrize("question", sorted(QUESTIONS))
@pytest.mark.parametrize("fault", ["timeout", "reset in mid-body", "status 500", "fifty megabytes"])
async def test_what_is_no_answer_is_the_providers_trouble(
    serve: Serve, fault: str, question: str
) -> None:
    async with serve(**QUICK) as (server, provider):
        server.fault = FAULTS[fault]
        with pytest.raises(ProviderUnavailable):
            await QUESTIONS[question](provider)


async def test_an_untrusted_certificate_is_refused(serve: Serve) -> None:
    async with serve(tls=True, **QUICK) as (_, provider):
        for ask in QUESTIONS.values():
            with pytest.raises(ProviderUnavailable, match="no trusted connection"):
                await ask(provider)


async def test_a_server_that_is_not_there_is_the_providers_trouble(serve: Serve) -> None:
    async with serve(base_url="http://127.0.0.1:9", **QUICK) as (_, provider):
        for ask in QUESTIONS.values():
            with pytest.raises(ProviderUnavailable):
                await ask(provider)


async def test_a_slow_answer_ends_at_the_time_limit(serve: Serve) -> None:
    async with serve(timeout_s=0.3) as (server, provider):
        await provider.get_quotes(["ACME"])
        server.fault = FAULTS["slow drip"]
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(ProviderUnavailable, match="in time"):
            await provider.get_quotes(["ACME"])
        assert asyncio.get_running_loop().time() - began_s < 2


async def test_a_redirect_elsewhere_is_refused_and_one_at_home_is_followed(
    serve: Serve, vendor: Any
) -> None:
    async with serve() as (server, provider):
        server.fault = FAULTS["redirect to another host"]
        for ask in QUESTIONS.values():
            with pytest.raises(ProviderUnavailable, match="redirects elsewhere"):
                await ask(provider)

        def home(reply: Reply) -> Reply:
            server.fault = None
            return Reply(status=302, headers={"Location": "/v1/finance/search?q=tsco"})

        server.fault = home
        assert [match.symbol for match in await provider.search("acme", 3)] == ["TSCO.L"]
        server.fault = lambda reply: Reply(status=302, headers={"Location": "/again"})
        with pytest.raises(ProviderUnavailable, match="again and again"):
            await provider.search("acme", 3)


async def test_a_stale_crumb_is_renewed_and_the_question_asked_again(
    serve: Serve, vendor: Any
) -> None:
    async with serve() as (server, provider):
        await provider.get_quotes(["ACME"])
        vendor.crumb = "another.one"
        found = await provider.get_quotes(["ACME"])
        await provider.get_quotes(["ACME"])
        crumbs = [one.query["crumb"] for one in server.requests if "crumb" in one.query]
    assert isinstance(found["ACME"], Quote)
    assert crumbs == ["Xy/1.aB", "Xy/1.aB", "another.one", "another.one"]


async def test_a_crumb_that_stays_refused_is_asked_for_twice_and_no_more(
    serve: Serve, vendor: Any
) -> None:
    async with serve() as (server, provider):
        vendor.crumb_reply = Reply(body=b"never.good", content_type="text/plain")
        with pytest.raises(ProviderUnavailable, match="401") as caught:
            await provider.get_quotes(["ACME"])
        assert paths_of(server.requests).count("/v7/finance/quote") == 2
    assert caught.value.retry_after_s


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (429, b"Too Many Requests\r\n", RateLimited),
        (200, b"Too Many Requests\r\n", RateLimited),
        (200, b"Edge: Too Many Requests", RateLimited),
        (999, b"", RateLimited),
        (401, b'{"finance":{"result":null,"error":{}}}', ProviderUnavailable),
        (200, b"<html><body>Sorry</body></html>", ProviderUnavailable),
        (200, b"Will be right back...", ProviderUnavailable),
        (200, b"", ProviderUnavailable),
        (200, b"\xff\xfe", ProviderUnavailable),
    ],
)
async def test_what_comes_in_place_of_a_crumb_is_never_sent_as_one(
    serve: Serve, vendor: Any, status: int, content: bytes, kind: type[TickloomError]
) -> None:
    async with serve() as (server, provider):
        vendor.crumb_reply = Reply(status=status, body=content, content_type="text/plain")
        with pytest.raises(kind):
            await provider.get_quotes(["ACME"])
        assert "/v7/finance/quote" not in paths_of(server.requests)
        vendor.crumb_reply = None
        assert isinstance((await provider.get_quotes(["ACME"]))["ACME"], Quote)


@pytest.mark.parametrize(
    ("headers", "wait_s"), [({}, 60.0), ({"Retry-After": "7"}, 7.0), ({"Retry-After": "x"}, 60.0)]
)
async def test_too_many_requests_says_for_how_long(
    serve: Serve, headers: dict[str, str], wait_s: float
) -> None:
    async with serve() as (server, provider):
        await provider.get_quotes(["ACME"])
        server.fault = lambda _: Reply(
            status=429, body=b"Too Many Requests\r\n", headers=headers, content_type="text/plain"
        )
        for ask in QUESTIONS.values():
            with pytest.raises(RateLimited) as caught:
                await ask(provider)
            assert caught.value.retry_after_s == wait_s


async def test_a_cancelled_call_frees_its_caller_at_once(serve: Serve) -> None:
    async with serve(timeout_s=1) as (server, provider):
        server.fault = FAULTS["timeout"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await provider.get_quotes(["ACME"])
        server.fault = None
        assert isinstance((await provider.get_quotes(["ACME"]))["ACME"], Quote)


async def test_a_call_that_waits_for_a_thread_is_never_sent_once_cancelled(serve: Serve) -> None:
    async with serve(threads=1, timeout_s=1) as (server, provider):
        server.fault = FAULTS["timeout"]
        first = asyncio.create_task(provider.search("first", 3))
        second = asyncio.create_task(provider.search("second", 3))
        await asked(server)
        second.cancel()
        server.fault = None
        await asyncio.gather(first, second, return_exceptions=True)
        await provider.search("third", 3)
        assert [one.query["q"] for one in server.requests] == ["first", "third"]


async def test_more_calls_than_may_wait_are_refused(serve: Serve) -> None:
    async with serve(threads=1, timeout_s=1) as (server, provider):
        server.fault = FAULTS["timeout"]
        calls = [asyncio.create_task(provider.search("x", 3)) for _ in range(300)]
        done, waiting = await asyncio.wait(calls, timeout=0.2)
        assert len(done) >= 300 - 257
        for one in done:
            assert isinstance(one.exception(), ProviderUnavailable)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_closing_tells_whoever_still_waits(serve: Serve) -> None:
    async with serve(threads=1, timeout_s=0.5) as (server, provider):
        server.fault = FAULTS["timeout"]
        calls = [asyncio.create_task(provider.search("x", 3)) for _ in range(3)]
        await asked(server)
        await provider.aclose()
        for one in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(one, ProviderUnavailable)
    assert not [one for one in threading.enumerate() if one.name.startswith("yahoo")]


async def test_bars_of_minutes_of_long_ago_are_told_as_such(serve: Serve) -> None:
    old = {"start": TODAY - timedelta(days=90), "end": TODAY - timedelta(days=80)}
    async with serve() as (server, provider):
        with pytest.raises(NoData, match="8 days"):
            await provider.get_history(bars_of(**old, interval=Interval.MINUTE))
        assert server.requests == []
