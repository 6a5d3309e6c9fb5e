"""Requests keep to what a provider allows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from scripted import ScriptedProvider, make_quote
from tickloom.clock import FakeClock, SystemClock
from tickloom.errors import RateLimited, TickloomError
from tickloom.feeds import RequestBudget, Source
from tickloom.fetch import take_turn
from tickloom.model import Quote
from tickloom.roles import Budget


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
