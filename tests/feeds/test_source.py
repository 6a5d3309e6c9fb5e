"""One provider as the host asks it: again, in batches, in time, and whatever it raises."""

from __future__ import annotations

import asyncio

import pytest

from feeds.sources import make_reader, make_source
from scripted import ScriptedProvider, make_quote
from tickloom.errors import (
    CredentialsError,
    NotEntitled,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)
from tickloom.model import Quote


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


async def test_a_symbol_left_out_is_unknown_and_the_provider_stays_healthy() -> None:
    source = make_source(ScriptedProvider("first", {"X": make_quote("X")}))
    answer = (await source.quotes(["AAPL"]))["AAPL"]

    assert isinstance(answer, UnknownSymbol)
    assert source.healthy
