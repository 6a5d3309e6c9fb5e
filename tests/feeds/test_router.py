from __future__ import annotations

import random
from typing import Any

import pytest

from scripted import ScriptedProvider
from tickloom.clock import FakeClock
from tickloom.errors import NotSupported, UnknownSymbol
from tickloom.feeds import RequestBudget, Router, Source
from tickloom.model import Interval
from tickloom.roles import Budget
from tickloom.settings import ProviderSettings

SETTINGS = ProviderSettings(primary="first", fallback=("second",))


def make_router(*providers: ScriptedProvider) -> Router:
    clock = FakeClock()
    sources = [
        Source(
            provider, clock, 5, RequestBudget(provider.info.name, Budget(), clock), random.Random(1)
        )
        for provider in providers
    ]
    return Router(sources, SETTINGS)


def names(router: Router, symbol: str, **more: Any) -> list[str]:
    return [source.name for source in router.candidates(symbol, **more)]


def test_the_primary_comes_first_and_then_the_fallbacks() -> None:
    router = make_router(ScriptedProvider("second"), ScriptedProvider("first"))

    assert names(router, "AAPL") == ["first", "second"]


def test_a_namespace_belongs_to_its_provider_alone() -> None:
    router = make_router(
        ScriptedProvider("first"),
        ScriptedProvider("sim", namespace="SIM.", symbols=frozenset({"SIM.ACME"})),
    )

    assert names(router, "SIM.ACME") == ["sim"]
    assert names(router, "AAPL") == ["first"]
    with pytest.raises(UnknownSymbol):
        router.candidates("SIM.NOPE")


def test_recorded_data_never_stands_in_for_a_live_provider_unless_named() -> None:
    replay = ScriptedProvider("replay", symbols=frozenset({"AAPL", "DEMO"}))
    router = make_router(ScriptedProvider("first"), replay)

    assert names(router, "AAPL") == ["first"]
    assert names(make_router(replay), "AAPL") == ["replay"]


def test_a_provider_that_lists_its_symbols_is_asked_for_no_other() -> None:
    router = make_router(
        ScriptedProvider("first", symbols=frozenset({"MSFT"})), ScriptedProvider("second")
    )

    assert names(router, "MSFT") == ["first", "second"]
    assert names(router, "AAPL") == ["second"]


def test_only_those_with_the_capability_are_chosen() -> None:
    router = make_router(ScriptedProvider("first"), ScriptedProvider("second", has_company=True))

    assert names(router, "AAPL", able=lambda source: source.info.has_company) == ["second"]
    with pytest.raises(NotSupported, match="first, second cannot"):
        router.candidates("AAPL", lambda source: False)


def test_who_gives_days_with_their_splits_and_dividends_is_told_in_order() -> None:
    router = make_router(
        ScriptedProvider("first", intervals=(Interval.DAY,)),
        ScriptedProvider("second", intervals=(Interval.DAY,), has_actions=True),
        ScriptedProvider("third", intervals=(Interval.DAY,), has_actions=True),
    )

    assert router.tellers("AAPL") == ["second"]
    assert make_router().tellers("AAPL") == []


def test_an_unknown_symbol_is_told_with_what_is_served() -> None:
    router = make_router(ScriptedProvider("first", symbols=frozenset({"MSFT"})))

    with pytest.raises(UnknownSymbol, match=r"no provider serves AAPL.*first serves MSFT"):
        router.candidates("AAPL")
    with pytest.raises(UnknownSymbol, match="No provider is running"):
        make_router().candidates("AAPL")
