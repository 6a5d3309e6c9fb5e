"""Whether two providers agree: the rules, the questions, the schedule and what is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from plugged import manager_of
from quality.keeping import keeping
from scripted import EVERYTHING, NOON, ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import ConfigError, ProviderUnavailable, RequestError
from tickloom.manager import MarketDataManager
from tickloom.model import Bar, HistoricalData, Interval, Quote, Timeliness
from tickloom.quality.comparison import Pair, Rules, compare, verdict_of

RULES = Rules(tolerance=Decimal("0.01"), window=timedelta(seconds=60))
DAY = date(2025, 12, 29)


def pair_of(first: Quote, second: Quote) -> Pair:
    [pair] = compare({"one": first, "two": second}, {}, RULES)
    return pair


def closes(*prices: str, **fields: Any) -> HistoricalData:
    values: dict[str, Any] = {
        "symbol": "EXA",
        "interval": Interval.DAY,
        "start_date": DAY,
        "end_date": DAY,
        "provider": "one",
        "received_at": NOON,
        "timeliness": Timeliness.END_OF_DAY,
    }
    names = ("open_price", "high_price", "low_price", "close_price")
    bars = tuple(
        Bar(timestamp=NOON + timedelta(days=day), **dict.fromkeys(names, Decimal(price)))
        for day, price in enumerate(prices)
    )
    return HistoricalData(**(values | fields), data_points=bars)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("100", "100", "agree"),
        ("100", "99", "agree"),
        ("100", "98.99", "differ"),
        ("0", "0", "agree"),
        ("0", "1", "differ"),
        ("-37.63", "-37.60", "agree"),
        ("1", "-1", "differ"),
    ],
)
def test_prices_agree_within_the_tolerance_of_the_larger_one(
    one: str, other: str, verdict: str
) -> None:
    pair = pair_of(make_quote(price=one), make_quote(price=other))
    assert pair.verdict == verdict
    assert pair.code == ("" if verdict == "agree" else "providers-differ")


def test_quotes_of_different_times_are_not_compared() -> None:
    later = make_quote(price="50", timestamp=NOON + timedelta(seconds=61))
    pair = pair_of(make_quote(), later)
    assert (pair.verdict, pair.code) == ("not-compared", "other-times")
    assert pair.reason == "their times are 61 s apart"


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [("GBp", "GBP", "other-unit"), ("USD", "EUR", "other-currency")],
)
def test_other_units_are_told_and_not_compared(one: str, other: str, code: str) -> None:
    pair = pair_of(make_quote(currency=one), make_quote(currency=other))
    assert (pair.verdict, pair.code) == ("not-compared", code)
    assert one in pair.reason


def test_bars_are_compared_day_by_day() -> None:
    series = {"one": closes("1", "2", "3"), "two": closes("1.001", "2", "4", "5")}
    [pair] = compare({}, series, RULES)
    assert (pair.verdict, pair.bars, pair.bars_agreed) == ("differ", 3, 2)
    [apart] = pair.differences
    assert (apart.day, apart.relative) == (date(2026, 1, 4), Decimal("0.25"))
    assert pair.reason == (
        "close_price of 2026-01-04 is 3 by one and 4 by two: 25.00 % apart, at most 1 % are allowed"
    )


def test_three_providers_are_three_pairs_and_one_that_differs_counts() -> None:
    quotes = {name: make_quote(price=price) for name, price in (("a", "1"), ("b", "1"), ("c", "2"))}
    pairs = compare(quotes, {}, RULES)
    assert [(pair.first, pair.second, pair.verdict) for pair in pairs] == [
        ("a", "b", "agree"),
        ("a", "c", "differ"),
        ("b", "c", "differ"),
    ]
    assert verdict_of(pairs) == "differ"
    assert verdict_of(pairs[:1]) == "agree"
    assert verdict_of(()) == "not-compared"


def providers(*prices: str) -> list[ScriptedProvider]:
    more = EVERYTHING | {"has_stream": False}
    names = ("scripted", "second", "third")
    return [
        ScriptedProvider(
            name, {"EXA": make_quote("EXA", price, provider=name, timestamp=NOON)}, **more
        )
        for name, price in zip(names, prices, strict=False)
    ]


ORDER = {"primary": "scripted", "fallback": ("second", "third")}


@pytest.fixture
async def manager(tmp_path: Path, clock: FakeClock) -> AsyncIterator[MarketDataManager]:
    url = f"sqlite:///{tmp_path / 'q.db'}"
    schedule = {"compare_interval_s": 60.0, "compare_symbols": ("exa",)}
    made = keeping(
        url, *providers("50", "60", "50"), clock=clock, providers=ORDER, quality=schedule
    )
    async with made as manager:
        yield manager


async def test_all_providers_of_a_symbol_are_asked_and_one_that_fails_says_why(
    clock: FakeClock,
) -> None:
    good, bad = providers("50", "50")
    bad.failure = ProviderUnavailable("not today")
    async with manager_of(good, bad, clock=clock, providers=ORDER) as manager:
        found = await manager.quality.comparer.compare("EXA", 3)
    assert found.verdict == "not-compared"
    assert [answer.provider for answer in found.answers] == ["scripted", "second"]
    assert found.answers[0].quote is not None
    assert found.answers[0].bars == 1
    assert "not today" in found.answers[1].error


async def test_the_schedule_compares_and_tells_until_they_agree(
    manager: MarketDataManager, clock: FakeClock
) -> None:
    await clock.advance(6)
    assert {alert.provider for alert in manager.alerts.current()} == {"second", "third"}
    assert manager.quality.comparer.stats()["differed"] == 2
    second = manager.router.sources["second"]._provider
    assert isinstance(second, ScriptedProvider)
    second.answers = {"EXA": make_quote("EXA", "50", provider="second", timestamp=NOON)}
    await clock.advance(61)
    assert manager.alerts.current() == []
    assert len(manager.alerts.resolved()) == 2
    assert manager.quality.comparer.stats() == {
        "comparisons": 2,
        "agreed": 4,
        "differed": 2,
        "not_compared": 0,
    }


def fail(provider: ScriptedProvider) -> None:
    provider.failure = ProviderUnavailable("not today")


def be_late(provider: ScriptedProvider) -> None:
    at = NOON - timedelta(minutes=5)
    provider.answers = {"EXA": make_quote("EXA", "60", provider="second", timestamp=at)}


@pytest.mark.parametrize("change", [fail, be_late])
async def test_what_is_not_compared_for_three_intervals_does_not_differ_any_more(
    manager: MarketDataManager, clock: FakeClock, change: Callable[[ScriptedProvider], None]
) -> None:
    await clock.advance(6)
    assert len(manager.alerts.current()) == 2
    second = manager.router.sources["second"]._provider
    assert isinstance(second, ScriptedProvider)
    change(second)
    await clock.advance(150)
    assert len(manager.alerts.current()) == 2
    await clock.advance(40)
    assert manager.alerts.current() == []
    reasons = [alert.reason for alert in manager.alerts.resolved()]
    assert all("(nothing has been compared for 18" in reason for reason in reasons)


async def test_what_differs_on_demand_is_over_where_nobody_asks_again(clock: FakeClock) -> None:
    async with manager_of(*providers("50", "60"), clock=clock, providers=ORDER) as manager:
        await manager.quality.comparer.compare("EXA")
        await clock.advance(890)
        assert len(manager.alerts.current()) == 1
        await clock.advance(20)
        assert manager.alerts.current() == []


async def test_what_another_replica_compares_by_schedule_is_its_alert_alone(
    manager: MarketDataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager.quality.comparer, "_owns", lambda _symbol: False)
    assert (await manager.quality.comparer.compare("EXA")).verdict == "differ"
    assert manager.alerts.current() == []


async def test_the_one_that_differs_from_two_others_scores_lowest(
    manager: MarketDataManager, clock: FakeClock
) -> None:
    await clock.advance(6)
    shares = [
        manager.quality.scores.shares(name, "EXA")["agreement"]
        for name in ("scripted", "second", "third")
    ]
    assert shares == [0.5, 0, 0.5]


async def test_a_symbol_of_another_replica_is_not_compared_by_schedule(
    manager: MarketDataManager, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager.quality.comparer, "_owns", lambda _symbol: False)
    await clock.advance(200)
    assert manager.quality.comparer.stats()["comparisons"] == 0


async def test_too_many_bars_are_refused(manager: MarketDataManager) -> None:
    with pytest.raises(RequestError, match="bars is out of range"):
        await manager.quality.comparer.compare("EXA", 251)


def test_a_malformed_symbol_of_the_schedule_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="compare_symbols"):
        manager_of(quality={"compare_symbols": ("no good",)})
