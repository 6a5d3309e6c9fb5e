"""Who is asked, who stands in, and what is told where nobody can answer."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from feeds.sources import DAY, SETTINGS, make_reader, make_source
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.errors import (
    BadRecord,
    CredentialsError,
    InvalidDates,
    NoData,
    NotSupported,
    ProviderUnavailable,
    TickloomError,
    UnknownProvider,
    UnknownSymbol,
)
from tickloom.feeds import Reader, Router
from tickloom.model import Interval, Quote
from tickloom.roles import HistoryRequest


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


async def test_what_nobody_offers_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        await make_reader(ScriptedProvider("first")).company("AAPL")


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
