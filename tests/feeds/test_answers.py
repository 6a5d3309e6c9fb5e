"""Answers of providers that are wrong, of another type, or claim too much."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from feeds.sources import DAY, make_reader, make_source
from scripted import EVERYTHING, NOON, ScriptedProvider, make_quote
from tickloom.errors import PluginError, TickloomError
from tickloom.model import Bar, HistoricalData, Interval, Quote, Timeliness

ONE = Decimal(1)
BAR = Bar(timestamp=NOON, open_price=ONE, high_price=ONE, low_price=ONE, close_price=ONE)

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


@pytest.mark.parametrize("timeliness", [Timeliness.DELAYED, Timeliness.SIMULATED])
async def test_only_a_real_time_provider_may_claim_to_be_real_time(timeliness: Timeliness) -> None:
    boast = make_quote("AAPL", is_real_time=True, provider="somebody")
    source = make_source(ScriptedProvider("first", {"AAPL": boast}, timeliness=timeliness))
    quote = (await source.quotes(["AAPL"]))["AAPL"]

    assert isinstance(quote, Quote)
    assert quote.is_real_time is False
    assert quote.provider == "first"
    assert quote.current_price == Decimal("189.41")
