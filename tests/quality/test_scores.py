"""How providers do: what is counted, kept by hour, and who is passed over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from databases import Database
from plugged import manager_of
from quality.keeping import keeping
from scripted import NOON, ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import ProviderUnavailable
from tickloom.model import MarketState, Quote, Timeliness
from tickloom.quality import Scores
from tickloom.store.quality_rows import Counts

ORDER = {"primary": "first", "fallback": ("second",)}


def made(age_s: float = 0, **fields: Any) -> Quote:
    return make_quote("EXA", received_at=NOON + timedelta(seconds=age_s), **fields)


@pytest.fixture
def scores(clock: FakeClock) -> Scores:
    return Scores(clock)


@pytest.mark.parametrize(
    ("timeliness", "state", "age_s", "share"),
    [
        (Timeliness.REAL_TIME, MarketState.REGULAR, 60, 1),
        (Timeliness.REAL_TIME, MarketState.REGULAR, 61, 0),
        (Timeliness.REAL_TIME, MarketState.CLOSED, 9_999, None),
        (Timeliness.REAL_TIME, None, 0, None),
        (Timeliness.DELAYED, MarketState.POST, 1_500, 1),
        (Timeliness.DELAYED, MarketState.POST, 1_501, 0),
        (Timeliness.END_OF_DAY, None, 5 * 86_400, 1),
        (Timeliness.REPLAYED, MarketState.REGULAR, 0, None),
    ],
)
def test_age_counts_against_what_the_provider_declares(
    scores: Scores, timeliness: Timeliness, state: MarketState | None, age_s: int, share: int | None
) -> None:
    scores.declare("scripted", timeliness)
    scores.judged(made(age_s, market_state=state), valid=True)
    assert scores.shares("scripted", "EXA")["timeliness"] == share


def test_the_score_is_the_mean_of_what_is_known(scores: Scores) -> None:
    for answered in (True, False):
        scores.asked("one", "EXA", answered=answered)
    scores.compared("one", "EXA", agreed=True)
    assert scores.shares("one", "EXA") == {
        "completeness": 0.5,
        "timeliness": None,
        "agreement": 1,
        "validity": None,
        "score": 0.75,
    }
    assert scores.shares("two", "EXA")["score"] is None
    assert scores.by_provider()["one"]["score"] == 0.75


def test_counts_are_taken_once_and_given_back_ones_come_again(scores: Scores) -> None:
    scores.asked("one", "EXA", answered=True)
    taken = scores.take()
    assert taken == {("one", "EXA"): Counts(asked=1, answered=1)}
    assert scores.take() == {}
    scores.asked("one", "EXA", answered=False)
    scores.give_back(taken)
    assert scores.take() == {("one", "EXA"): Counts(asked=2, answered=1)}
    assert scores.shares("one", "EXA")["completeness"] == 0.5


async def test_who_did_badly_is_passed_over_for_ten_minutes_and_then_begins_anew(
    clock: FakeClock,
) -> None:
    changes: list[bool] = []
    scores = Scores(clock, 0.5, lambda: changes.append(True))
    for _ in range(9):
        scores.asked("one", "EXA", answered=False)
    scores.judge()
    assert scores.passed_over("one", "EXA") is None
    scores.asked("one", "EXA", answered=False)
    scores.judge()
    scores.judge()
    assert scores.passed_over("one", "EXA") == 0
    assert scores.passed_over("one", "OTHER") is None
    await clock.advance(600)
    scores.judge()
    assert scores.passed_over("one", "EXA") is None
    assert len(changes) == 2


def test_what_was_long_ago_weighs_less_than_what_was_lately(clock: FakeClock) -> None:
    scores = Scores(clock, 0.5)
    for _ in range(10_000):
        scores.asked("one", "EXA", answered=True)
        scores.judge()
    for _ in range(400):
        scores.asked("one", "EXA", answered=False)
        scores.judge()
    assert scores.passed_over("one", "EXA") is not None
    assert scores.shares("one", "EXA")["completeness"] == pytest.approx(0.96, abs=0.01)


async def test_the_next_provider_answers_for_one_with_a_low_score_and_says_so(
    clock: FakeClock,
) -> None:
    bad, good = ScriptedProvider("first"), ScriptedProvider("second")
    bad.failure = ProviderUnavailable("not today")
    order = ORDER | {"min_score": 0.5}
    async with manager_of(bad, good, clock=clock, providers=order) as manager:
        for _ in range(10):
            manager.quality.scores.asked("first", "AAPL", answered=False)
        await clock.advance(2)
        calls = len(bad.calls)
        quote = await manager.get_quote("AAPL")
        other = await manager.get_quote("MSFT")

    assert (quote.provider, quote.fallback_from) == ("second", "first")
    assert quote.fallback_reason == (
        "provider first is passed over for AAPL: its score is 0.00, at least 0.5 is asked for "
        "(providers.min_score)"
    )
    assert other.fallback_reason is not None
    assert "not today" in other.fallback_reason
    assert bad.calls[calls] == ("MSFT",)


async def test_the_order_holds_where_all_did_badly_or_nobody_asks_for_a_score(
    clock: FakeClock,
) -> None:
    for min_score, names in ((0.5, ("first", "second")), (0.0, ("first",))):
        order = ORDER | {"min_score": min_score}
        both = ScriptedProvider("first"), ScriptedProvider("second")
        async with manager_of(*both, clock=clock, providers=order) as manager:
            for _ in range(10):
                for name in names:
                    manager.quality.scores.asked(name, "AAPL", answered=False)
            await clock.advance(2)
            quote = await manager.get_quote("AAPL")
        assert (quote.provider, quote.fallback_from) == ("first", None)


async def test_the_feed_of_a_symbol_moves_to_the_next_provider_and_back(clock: FakeClock) -> None:
    both = [ScriptedProvider(name, has_stream=True) for name in ("first", "second")]
    tables: dict[str, Any] = {"providers": ORDER | {"min_score": 0.5}}
    async with manager_of(*both, clock=clock, feeds={"sessions": False}, **tables) as manager:
        await manager.start_streaming(["AAPL"])
        await clock.advance(2)
        assert both[0].streams[0].symbols == {"AAPL"}
        for _ in range(20):
            manager.quality.scores.asked("first", "AAPL", answered=False)
        await clock.advance(3)
        assert both[0].streams[-1].closed
        assert both[1].streams[-1].symbols == {"AAPL"}
        both[1].streams[-1].push(make_quote("AAPL", provider="second"))
        await clock.advance(1)
        newest = manager.cache_manager.quotes.latest("AAPL")
        assert newest is not None
        assert (newest.provider, newest.fallback_from) == ("second", "first")
        await clock.advance(605)
        assert both[0].streams[-1].symbols == {"AAPL"}


async def test_scores_are_kept_by_the_hour(database: Database, clock: FakeClock) -> None:
    async with keeping(database.url, ScriptedProvider(), clock=clock) as manager:
        manager.quality.scores.asked("scripted", "EXA", answered=True)
        await clock.advance(61)
        while not await manager.quality.past_scores(1, "EXA", None, 10):
            await clock.advance(1)
        manager.quality.scores.asked("scripted", "EXA", answered=False)
    async with keeping(database.url, ScriptedProvider(), clock=clock) as manager:
        [hour] = await manager.quality.past_scores(1, "EXA", None, 10)
    assert (hour.counts.asked, hour.completeness) == (2, 0.5)
    assert hour.hour == clock.now().replace(minute=0, second=0, microsecond=0)


async def test_a_provider_of_bad_data_is_an_alert_until_it_stops(
    tmp_path: Path, clock: FakeClock
) -> None:
    url = f"sqlite:///{tmp_path / 'q.db'}"
    async with keeping(url, ScriptedProvider(), clock=clock) as manager:
        for number in range(3):
            manager.pipeline.accept(make_quote(price=f"{200 + number}"))
        await clock.advance(5)
        [alert] = manager.alerts.current()
        assert alert.reason == (
            "quotes of scripted are quarantined, the last as too-dear: 202 is too much"
        )
        health = await manager.health_check()
        assert (health["overall_status"], health["alerts"]) == ("healthy", [alert])
        await clock.advance(305)
        assert manager.alerts.current() == []
        assert manager.alerts.resolved()[0].resolved_at is not None
