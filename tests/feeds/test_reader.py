from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from scripted import EVERYTHING, NOON, ScriptedProvider, make_quote
from tickloom.clock import FakeClock, SystemClock
from tickloom.errors import (
    BadRecord,
    CredentialsError,
    InvalidDates,
    NoData,
    NotEntitled,
    NotSupported,
    PluginError,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownProvider,
    UnknownSymbol,
)
from tickloom.feeds import Reader, RequestBudget, Router, Source
from tickloom.fetch import take_turn
from tickloom.model import Bar, HistoricalData, Interval, Quote, Timeliness
from tickloom.roles import Budget, HistoryRequest
from tickloom.settings import ProviderSettings

SETTINGS = ProviderSettings(primary="first", fallback=("second",))
ONE = Decimal(1)
BAR = Bar(timestamp=NOON, open_price=ONE, high_price=ONE, low_price=ONE, close_price=ONE)
DAY = HistoryRequest(symbol="AAPL", start=date(2026, 1, 1), end=date(2026, 1, 2))


def make_source(provider: ScriptedProvider, timeout_s: float = 5) -> Source:
    clock = FakeClock()
    return Source(
        provider, clock, timeout_s, RequestBudget("first", Budget(), clock), random.Random(1)
    )


def make_reader(*providers: ScriptedProvider) -> Reader:
    return Reader(Router([make_source(provider) for provider in providers], SETTINGS))


async def test_the_first_provider_answers_and_nobody_else_is_asked() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")
    found = await make_reader(first, second).quotes(["AAPL", "MSFT"])

    assert {
        symbol: quote.provider for symbol, quote in found.items() if isinstance(quote, Quote)
    } == {
        "AAPL": "first",
        "MSFT": "first",
    }
    assert first.calls == [("AAPL", "MSFT")]
    assert second.calls == []


async def test_another_provider_stands_in_and_the_quote_says_for_whom_and_why() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")
    first.failure = ProviderUnavailable("first is on holiday")
    quote = (await make_reader(first, second).quotes(["AAPL"]))["AAPL"]

    assert isinstance(quote, Quote)
    assert (quote.provider, quote.fallback_from) == ("second", "first")
    assert "on holiday" in str(quote.fallback_reason)


async def test_a_partial_batch_is_completed_by_the_next_provider() -> None:
    first = ScriptedProvider("first", {"AAPL": make_quote("AAPL")})
    second = ScriptedProvider("second")
    found = await make_reader(first, second).quotes(["AAPL", "MSFT"])
    quotes = {symbol: quote for symbol, quote in found.items() if isinstance(quote, Quote)}

    assert quotes["AAPL"].fallback_from is None
    assert quotes["MSFT"].fallback_from == "first"
    assert second.calls == [("MSFT",)]


async def test_where_a_quote_is_kept_back_the_next_provider_is_asked() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")

    def take(quote: Quote) -> Quote | TickloomError:
        if quote.provider == "first" and quote.symbol == "AAPL":
            return BadRecord("that is no price")
        return quote

    found = await make_reader(first, second).quotes(["AAPL", "MSFT"], take=take)

    served = {symbol: quote.provider for symbol, quote in found.items() if isinstance(quote, Quote)}
    assert served == {"AAPL": "second", "MSFT": "first"}
    assert found["AAPL"].fallback_from == "first"  # type: ignore[union-attr]
    assert "no price" in str(found["AAPL"].fallback_reason)  # type: ignore[union-attr]
    assert second.calls == [("AAPL",)]


async def test_a_quote_that_every_provider_gives_in_vain_ends_with_why() -> None:
    found = await make_reader(ScriptedProvider("first"), ScriptedProvider("second")).quotes(
        ["AAPL"], take=lambda quote: BadRecord(f"not from {quote.provider}")
    )
    assert "not from second" in str(found["AAPL"])


async def test_questions_that_are_not_sent_are_not_counted_as_asked() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")
    first.failure = ProviderUnavailable("first is on holiday")
    asked: list[str] = []
    router = Router([make_source(first), make_source(second)], SETTINGS)
    reader = Reader(router, lambda provider, _symbol, **_answered: asked.append(provider))

    for _ in range(50):
        await reader.quotes(["AAPL"])

    assert router.sources["first"].breaker.state == "open"
    assert asked.count("second") == 50
    assert asked.count("first") < 10


async def test_an_unknown_symbol_by_the_fallback_does_not_hide_that_the_primary_is_down() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second", {"X": make_quote("X")})
    first.failure = ProviderUnavailable("first is on holiday")
    found = await make_reader(first, second).quotes(["AAPL"])

    assert isinstance(found["AAPL"], ProviderUnavailable)


@pytest.mark.parametrize(
    "refusal",
    [
        NotSupported("second lists no indices"),
        NoData("second has nothing of it"),
        InvalidDates("second keeps no such range"),
        CredentialsError("second refuses its key"),
    ],
)
async def test_what_a_fallback_cannot_do_does_not_hide_that_the_primary_is_down(
    refusal: TickloomError,
) -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")
    first.failure, second.failure = ProviderUnavailable("first is on holiday"), refusal
    reader = make_reader(first, second)

    assert isinstance((await reader.quotes(["^GSPC"]))["^GSPC"], ProviderUnavailable)


async def test_an_answer_that_cannot_be_found_does_not_hide_a_refused_key() -> None:
    first, second = ScriptedProvider("first"), ScriptedProvider("second")
    first.failure, second.failure = CredentialsError("no"), NotSupported("not here")
    found = await make_reader(first, second).quotes(["AAPL"])

    assert isinstance(found["AAPL"], CredentialsError)


async def test_history_and_company_fail_over_too() -> None:
    first = ScriptedProvider("first", **EVERYTHING)
    second = ScriptedProvider("second", **EVERYTHING)
    first.failure = ProviderUnavailable("first is on holiday")
    reader = make_reader(first, second)

    assert (await reader.history(DAY)).fallback_from == "first"
    assert (await reader.company("AAPL")).fallback_from == "first"


async def test_those_who_have_bars_of_an_interval_are_named_in_order() -> None:
    days, both = {"intervals": (Interval.DAY,)}, {"intervals": (Interval.MINUTE, Interval.DAY)}
    reader = make_reader(ScriptedProvider("first", **days), ScriptedProvider("second", **both))

    assert reader.historians(DAY) == ["first", "second"]
    assert reader.historians(replace(DAY, interval=Interval.MINUTE)) == ["second"]
    assert reader.historians(replace(DAY, interval=Interval.QUARTER)) == []


async def test_a_search_goes_to_the_first_provider_that_finds_something() -> None:
    first = ScriptedProvider("first", **EVERYTHING)
    second = ScriptedProvider("second", **EVERYTHING)
    reader = make_reader(ScriptedProvider("deaf"), first, second)

    assert [match.provider for match in await reader.search("tesco", 3)] == ["first"] * 3

    first.failure = ProviderUnavailable("first is on holiday")
    assert (await reader.search("tesco", 3))[0].provider == "second"


async def test_what_may_succeed_is_tried_again_and_nothing_else() -> None:
    first = ScriptedProvider("first")
    source = make_source(first)
    first.failure = ProviderUnavailable("reset")
    await source.quotes(["AAPL"])
    assert len(first.calls) == 3

    for final in (RateLimited("later"), CredentialsError("no"), UnknownSymbol("no")):
        first = ScriptedProvider("first")
        first.failure = final
        assert (await make_source(first).quotes(["AAPL"]))["AAPL"] is final
        assert len(first.calls) == 1


async def test_a_mapping_full_of_outages_is_the_providers_outage() -> None:
    first = ScriptedProvider("first", lambda symbol: ProviderUnavailable("away"))
    source = make_source(first)
    await source.quotes(["AAPL", "MSFT"])

    assert not source.healthy


async def test_a_question_that_the_key_does_not_pay_for_leaves_the_others_alone() -> None:
    first = ScriptedProvider("first")
    first.failure = NotEntitled("premium")
    source = make_source(first)
    await source.quotes(["AAPL"])
    first.failure = None

    assert isinstance((await source.quotes(["AAPL"]))["AAPL"], Quote)
    assert source.healthy


async def test_no_more_requests_are_open_than_the_provider_takes() -> None:
    first = ScriptedProvider("first", max_batch=1, concurrency=2)
    first.gate = asyncio.Event()
    source = make_source(first)
    asking = asyncio.create_task(source.quotes(["A", "B", "C", "D"]))
    await asyncio.sleep(0.01)
    assert len(first.calls) == 2

    first.gate.set()
    assert len(await asking) == 4


async def test_what_nobody_offers_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        await make_reader(ScriptedProvider("first")).company("AAPL")


async def test_a_large_list_is_asked_for_in_batches_of_the_provider() -> None:
    first = ScriptedProvider("first", max_batch=2)
    await make_reader(first).quotes(["A", "B", "C", "D", "E"])

    assert first.calls == [("A", "B"), ("C", "D"), ("E",)]


async def test_a_provider_that_does_not_answer_in_time_is_unavailable() -> None:
    provider = ScriptedProvider("first")
    provider.gate = asyncio.Event()
    source = make_source(provider, timeout_s=0.01)
    answer = (await source.quotes(["AAPL"]))["AAPL"]

    assert isinstance(answer, ProviderUnavailable)
    assert "first did not answer quotes within 0.01 s" in str(answer)
    assert not source.healthy


@pytest.mark.parametrize(
    "failure",
    [ValueError("boom"), KeyError("x"), RecursionError(), SystemExit(1), KeyboardInterrupt()],
)
async def test_whatever_a_provider_raises_comes_out_as_an_error_of_ours(
    failure: BaseException,
) -> None:
    provider = ScriptedProvider("first")
    provider.failure = failure
    answer = (await make_source(provider).quotes(["AAPL"]))["AAPL"]

    assert isinstance(answer, TickloomError)
    assert type(failure).__name__ in str(answer)


WRONG = [
    5,
    "text",
    object(),
    make_quote("MSFT"),
    make_quote("AAPL", "NaN"),
    make_quote("AAPL", bid=Decimal("Infinity")),
    make_quote("AAPL", ask=0.1),
    make_quote("AAPL", volume=1.5),
    make_quote("AAPL", market_state="open"),
    make_quote("AAPL", exchange=7),
    make_quote("AAPL", timestamp=None),
    make_quote("AAPL", received_at=NOON.replace(tzinfo=None)),
    make_quote("AAPL", additional_data={"x": object()}),
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_value_that_is_no_quote_of_the_symbol_is_the_plugins_error(wrong: object) -> None:
    source = make_source(ScriptedProvider("first", lambda symbol: wrong))
    answer = (await source.quotes(["AAPL"]))["AAPL"]

    assert isinstance(answer, TickloomError)
    assert isinstance(answer, PluginError)
    assert "provider first" in str(answer)


async def test_wrong_answers_for_one_symbol_leave_the_others_served() -> None:
    provider = ScriptedProvider("first", **EVERYTHING)
    reader = make_reader(provider)
    right = await provider.get_history(DAY)
    wrong = replace(right, data_points=(replace(BAR, close_price=Decimal("NaN")),))

    async def answer(_: object) -> HistoricalData:
        return wrong

    provider.get_history = answer  # type: ignore[method-assign]
    for _ in range(10):
        with pytest.raises(PluginError, match="close_price"):
            await reader.history(DAY)

    assert isinstance((await reader.quotes(["MSFT"]))["MSFT"], Quote)


async def test_times_of_other_zones_become_utc() -> None:
    zone = timezone(timedelta(hours=-5))
    source = make_source(
        ScriptedProvider(
            "first", lambda symbol: make_quote(symbol, timestamp=NOON.astimezone(zone))
        )
    )
    quote = (await source.quotes(["AAPL"]))["AAPL"]

    assert isinstance(quote, Quote)
    assert quote.timestamp == NOON
    assert quote.timestamp.tzinfo is UTC


@pytest.mark.parametrize("wrong", [None, 5, {"a": 1}])
async def test_an_answer_that_is_no_history_or_company_is_the_plugins_error(wrong: object) -> None:
    provider = ScriptedProvider("first", **EVERYTHING)

    async def answer(_: object) -> Any:
        return wrong

    provider.get_history = provider.get_company = answer  # type: ignore[method-assign, assignment]
    source = make_source(provider)
    with pytest.raises(PluginError, match="gave no HistoricalData"):
        await source.history(DAY)
    with pytest.raises(PluginError, match="gave no Company"):
        await source.company("AAPL")


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "MSFT"},
        {"interval": Interval.MINUTE},
        {"data_points": (5,)},
        {"data_points": (replace(BAR, close_price=1.5),)},
        {"data_points": (replace(BAR, high_price=Decimal("NaN")),)},
        {"data_points": (replace(BAR, volume=1.5),)},
        {"data_points": (replace(BAR, adjusted_close=1.5),)},
        {"data_points": (replace(BAR, timestamp=NOON.replace(tzinfo=None)),)},
        {"currency": 5},
    ],
)
async def test_history_that_answers_another_question_or_has_wrong_types_is_refused(
    change: dict[str, Any],
) -> None:
    provider = ScriptedProvider("first", **EVERYTHING)
    right = await provider.get_history(DAY)

    async def answer(_: object) -> Any:
        return replace(right, **change)

    provider.get_history = answer  # type: ignore[method-assign]
    with pytest.raises(PluginError):
        await make_source(provider).history(DAY)


async def test_history_says_how_timely_the_provider_declares_to_be() -> None:
    provider = ScriptedProvider("first", **EVERYTHING)
    right = await provider.get_history(DAY)

    async def answer(_: object) -> Any:
        return replace(right, timeliness=Timeliness.REAL_TIME, provider="somebody")

    provider.get_history = answer  # type: ignore[method-assign]
    history = await make_source(provider).history(DAY)

    assert (history.timeliness, history.provider) == (Timeliness.DELAYED, "first")


async def test_a_symbol_left_out_is_unknown_and_the_provider_stays_healthy() -> None:
    source = make_source(ScriptedProvider("first", {"X": make_quote("X")}))
    answer = (await source.quotes(["AAPL"]))["AAPL"]

    assert isinstance(answer, UnknownSymbol)
    assert source.healthy


@pytest.mark.parametrize("timeliness", [Timeliness.DELAYED, Timeliness.SIMULATED])
async def test_only_a_real_time_provider_may_claim_to_be_real_time(timeliness: Timeliness) -> None:
    boast = make_quote("AAPL", is_real_time=True, provider="somebody")
    source = make_source(ScriptedProvider("first", {"AAPL": boast}, timeliness=timeliness))
    quote = (await source.quotes(["AAPL"]))["AAPL"]

    assert isinstance(quote, Quote)
    assert quote.is_real_time is False
    assert quote.provider == "first"
    assert quote.current_price == Decimal("189.41")


async def test_a_budget_lets_through_what_it_allows_and_says_when_to_come_back() -> None:
    clock = FakeClock()
    budget = RequestBudget("first", Budget(per_minute=5), clock)
    for _ in range(5):
        await budget.take(0)
    with pytest.raises(RateLimited) as caught:
        await budget.take(10)

    assert caught.value.retry_after_s == pytest.approx(60, abs=0.1)

    await clock.advance(61)
    await budget.take(0)


@pytest.mark.parametrize(
    "budget",
    [
        Budget(per_second=5, per_minute=5),
        Budget(per_second=5, per_day=4),
        Budget(per_minute=60, per_second=1),
        Budget(per_second=1, per_minute=300),
        Budget(per_second=10, per_minute=100, per_day=500),
    ],
)
async def test_budgets_that_imply_each_other_are_kept_all_the_same(budget: Budget) -> None:
    clock = FakeClock()
    taker = RequestBudget("first", budget, clock)
    taken: list[float] = []

    async def take() -> None:
        while True:
            await taker.take(10**6)
            taken.append(clock.monotonic())

    taking = asyncio.create_task(take())
    await clock.advance(150)
    taking.cancel()
    for name, seconds in (("per_second", 1), ("per_minute", 60), ("per_day", 86_400)):
        limit = getattr(budget, name)
        for at in taken:
            within = sum(at <= other < at + seconds - 0.01 for other in taken)
            assert limit is None or within <= limit

    assert taken


class SeveralRequests(ScriptedProvider):
    """Sends as many requests for one question as it is told."""

    count = 3

    async def get_quotes(self, symbols: Sequence[str]) -> dict[str, Quote | TickloomError]:
        for _ in range(self.count):
            await take_turn()
            self.calls.append(("request",))
        return {symbol: make_quote(symbol) for symbol in symbols}


async def test_each_request_of_a_question_has_its_place_in_the_budget() -> None:
    clock, provider = FakeClock(), SeveralRequests("first")
    budget = RequestBudget("first", Budget(per_minute=5), clock)
    source = Source(provider, clock, 5, budget, random.Random(1))
    assert isinstance((await source.quotes(["AAPL"]))["AAPL"], Quote)
    assert isinstance((await source.quotes(["AAPL"]))["AAPL"], RateLimited)

    assert len(provider.calls) == 5
    assert source.healthy
    assert source.breaker.state == "closed"


async def test_waiting_for_the_place_of_a_further_request_is_no_time_of_the_providers() -> None:
    provider, clock = SeveralRequests("first"), SystemClock()
    budget = RequestBudget("first", Budget(per_second=1), clock)
    source = Source(provider, clock, 1.2, budget, random.Random(1))

    assert isinstance((await source.quotes(["AAPL"]))["AAPL"], Quote)
    assert source.requests == 3


async def test_a_request_waits_for_its_place_in_the_budget() -> None:
    clock = FakeClock()
    budget = RequestBudget("first", Budget(per_second=1), clock)
    await budget.take(0)
    second = asyncio.create_task(budget.take(5))
    await clock.advance(0.5)

    assert not second.done()

    await clock.advance(0.6)
    await second


NAMED = replace(DAY, provider="third")


async def test_a_provider_that_is_named_is_the_only_one_that_is_asked() -> None:
    providers = [ScriptedProvider(name, **EVERYTHING) for name in ("first", "second", "third")]

    answer = await make_reader(*providers).history(NAMED)

    assert (answer.provider, answer.fallback_from) == ("third", None)
    assert [len(provider.calls) for provider in providers] == [0, 0, 1]


async def test_nobody_stands_in_for_a_provider_that_is_named() -> None:
    first, third = (ScriptedProvider(name, **EVERYTHING) for name in ("first", "third"))
    third.failure = ProviderUnavailable("unplugged")

    with pytest.raises(ProviderUnavailable):
        await make_reader(first, third).history(NAMED)
    assert first.calls == []


async def test_a_provider_is_not_told_that_it_was_named() -> None:
    third = ScriptedProvider("third", **EVERYTHING)
    heard: list[HistoryRequest] = []
    given = third.get_history

    async def get_history(request: HistoryRequest) -> Any:
        heard.append(request)
        return await given(request)

    third.get_history = get_history  # type: ignore[method-assign]
    await make_reader(third).history(NAMED)
    assert heard == [DAY]


async def test_a_provider_that_does_not_run_is_told_with_those_that_do() -> None:
    reader = make_reader(ScriptedProvider("first", **EVERYTHING), ScriptedProvider("second"))

    with pytest.raises(UnknownProvider, match="'third', expected one of first, live, second"):
        await reader.history(NAMED)


async def test_a_provider_that_is_named_serves_what_it_may_and_can() -> None:
    own = ScriptedProvider("own", namespace="OWN.", **EVERYTHING)
    reader = make_reader(ScriptedProvider("first"), ScriptedProvider("third", **EVERYTHING), own)

    with pytest.raises(UnknownSymbol, match="third does not serve OWN"):
        await reader.history(replace(NAMED, symbol="OWN.A"))
    with pytest.raises(UnknownSymbol, match="own does not serve AAPL"):
        await reader.history(replace(NAMED, provider="own"))
    with pytest.raises(NotSupported, match="first has no bars of 1d: first has no bars"):
        await reader.history(replace(NAMED, provider="first"))


async def test_who_has_which_bars_is_told_where_nobody_has_those_asked_for() -> None:
    first = ScriptedProvider("first", intervals=(Interval.DAY, Interval.MINUTE))
    reader = make_reader(first, ScriptedProvider("second", intervals=(Interval.WEEK,)))

    with pytest.raises(
        NotSupported,
        match="AAPL offers bars of 15m: first has bars of 1d, 1m; second has bars of 1wk",
    ):
        await reader.history(replace(DAY, interval=Interval.MINUTES_15))
