from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from plugged import Point, manager_of, settings_of
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import (
    BadRecord,
    ConfigError,
    InvalidDates,
    InvalidSymbol,
    ProviderUnavailable,
    RequestError,
    UnknownSymbol,
)
from tickloom.manager import MarketDataManager
from tickloom.model import Quality, Quote
from tickloom.roles import Verdict
from tickloom.settings import load_settings


async def test_a_thousand_concurrent_misses_ask_the_provider_once() -> None:
    provider = ScriptedProvider()
    async with manager_of(provider) as manager:
        provider.gate = asyncio.Event()
        asking = [asyncio.create_task(manager.get_quote("AAPL")) for _ in range(1_000)]
        await asyncio.sleep(0.01)
        provider.gate.set()
        quotes = await asyncio.gather(*asking)

    assert len(set(map(id, quotes))) == 1
    assert provider.calls == [("AAPL",)]


async def test_overlapping_batches_ask_for_each_symbol_once() -> None:
    provider = ScriptedProvider()
    async with manager_of(provider) as manager:
        provider.gate = asyncio.Event()
        first = asyncio.create_task(manager.get_multiple_quotes(["A", "B"]))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(manager.get_multiple_quotes(["B", "C"]))
        await asyncio.sleep(0.01)
        provider.gate.set()
        symbols = [[quote.symbol for quote in quotes] for quotes in (await first, await second)]

    assert symbols == [["A", "B"], ["B", "C"]]
    assert provider.calls == [("A", "B"), ("C",)]


async def test_a_quote_is_asked_for_again_when_its_time_is_over() -> None:
    clock, provider = FakeClock(), ScriptedProvider()
    async with manager_of(provider, clock=clock) as manager:
        await manager.get_quote("AAPL")
        await clock.advance(59)
        await manager.get_quote("AAPL")
        await clock.advance(2)
        await manager.get_quote("AAPL")

    assert len(provider.calls) == 2


async def test_quotes_that_nobody_has_are_explained_beside_those_that_came() -> None:
    provider = ScriptedProvider("scripted", {"AAPL": make_quote("AAPL")})
    async with manager_of(provider) as manager:
        quotes = await manager.get_multiple_quotes(["NOPE", "AAPL"])

    assert [quote.symbol for quote in quotes] == ["AAPL"]
    assert isinstance(quotes.errors["NOPE"], UnknownSymbol)


class Doubtful:
    """Quarantines every price above 100."""

    name = "doubtful"

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        if quote.current_price > 100:
            return Verdict(Quality.QUARANTINED, "too-dear", f"{quote.current_price} is too much")
        return Verdict(Quality.FLAGGED, "cheap") if quote.current_price < 10 else None


async def test_what_a_validator_keeps_back_is_counted_and_what_it_flags_goes_on() -> None:
    answers = {"AAPL": make_quote("AAPL"), "PENNY": make_quote("PENNY", "0.5")}
    async with manager_of(ScriptedProvider("scripted", answers)) as manager:
        manager.inspector._validators.append(("doubtful", Doubtful()))
        flagged = await manager.get_quote("PENNY")
        with pytest.raises(BadRecord, match="quarantined"):
            await manager.get_quote("AAPL")
        stats = manager.get_system_stats()

    assert stats["quality"]["quarantined"] == 1
    assert stats["quality"]["codes"] == {"too-dear": 1, "cheap": 1}
    assert stats["errors"] == 1
    assert (flagged.quality, flagged.quality_codes) == (Quality.FLAGGED, ("cheap",))


async def test_questions_that_cannot_be_answered_reach_no_provider() -> None:
    provider = ScriptedProvider("scripted", **EVERYTHING)
    day = date(2026, 1, 2)
    async with manager_of(provider) as manager:
        with pytest.raises(InvalidSymbol):
            await manager.get_quote("A B")
        with pytest.raises(RequestError, match="at least one symbol"):
            await manager.get_multiple_quotes([])
        with pytest.raises(InvalidDates, match="reversed"):
            await manager.get_historical_data("AAPL", day, date(2026, 1, 1))
        with pytest.raises(InvalidDates, match="future"):
            await manager.get_historical_data("AAPL", day, date(2999, 1, 1))
        with pytest.raises(InvalidDates, match="not a date"):
            await manager.get_historical_data("AAPL", "2026-01-01", day)  # type: ignore[arg-type]

    assert provider.calls == []


async def test_warm_symbols_are_fetched_ahead_and_kept_fresh() -> None:
    clock, provider = FakeClock(), ScriptedProvider()
    cache = {"warm": ("AAPL", "MSFT")}
    async with manager_of(provider, clock=clock, cache=cache) as manager:
        await clock.advance(0)
        ahead = list(provider.calls)
        await manager.start_streaming()
        await clock.advance(300)
        provider.failure = ProviderUnavailable("from here on nobody may be asked")
        quote = await manager.get_quote("AAPL")

    assert ahead == [("AAPL", "MSFT")]
    assert quote.symbol == "AAPL"


async def test_a_listener_in_the_process_hears_quotes_and_leaves_nothing_behind() -> None:
    provider = ScriptedProvider("sim", has_stream=True, symbols=frozenset({"SIM.A", "SIM.B"}))
    async with manager_of(provider) as manager:
        await manager.start_streaming()
        heard: list[Quote] = []
        async with manager.stream(["SIM.*"]) as quotes:
            while not provider.streams or len(provider.streams[0].symbols) < 2:
                await asyncio.sleep(0.01)
            provider.streams[0].push(make_quote("SIM.A"), make_quote("SIM.B"))
            async for quote in quotes:
                heard.append(quote)
                if len(heard) == 2:
                    break
        stats = manager.stream_manager.get_streaming_stats()

    assert [(quote.symbol, quote.sequence) for quote in heard] == [("SIM.A", 1), ("SIM.B", 1)]
    assert stats["websocket_stats"]["subscriptions"] == 0


async def test_listening_to_what_nobody_serves_is_refused() -> None:
    async with manager_of(ScriptedProvider("sim", symbols=frozenset({"X"}))) as manager:
        with pytest.raises(UnknownSymbol):
            async with manager.stream(["AAPL"]):
                pass
        with pytest.raises(UnknownSymbol):
            await manager.start_streaming(["AAPL"])


async def test_health_names_what_is_wrong_and_the_worst_part_decides() -> None:
    broken = Point("broken", object())
    good, bad = ScriptedProvider("good"), ScriptedProvider("bad")
    bad.failure = ProviderUnavailable("on holiday")
    async with manager_of(good, bad) as manager:
        before = await manager.health_check()
        await manager.router.sources["bad"].quotes(["AAPL"])
        after = await manager.health_check()
    async with MarketDataManager(settings_of(), entry_points=[broken]) as manager:
        alone = await manager.health_check()

    assert before["overall_status"] == "healthy"
    assert after["overall_status"] == "degraded"
    assert after["components"]["providers"]["down"] == ["bad"]
    assert alone["overall_status"] == "unhealthy"
    assert "broken" in alone["components"]["plugins"]["reason"]


async def test_closing_leaves_no_task_and_closes_the_plugins() -> None:
    provider = ScriptedProvider("sim", has_stream=True)
    manager = manager_of(provider)
    await manager.initialize()
    await manager.initialize()
    await manager.start_streaming(["AAPL"])
    await asyncio.sleep(0.05)
    await manager.close()
    await manager.close()

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert provider.closed


async def test_a_stopped_engine_forgets_what_was_watched() -> None:
    async with manager_of(ScriptedProvider()) as manager:
        await manager.start_streaming(["AAPL"])
        watched = manager.stream_manager.get_streaming_stats()["watched"]
        await manager.stop_streaming()
        stats = manager.stream_manager.get_streaming_stats()

    assert watched == ["AAPL"]
    assert (stats["streaming"], stats["watched"]) == (False, [])


async def test_a_slow_answer_does_not_replace_a_newer_tick() -> None:
    provider = ScriptedProvider("sim", has_stream=True)
    async with manager_of(provider) as manager:
        provider.gate = asyncio.Event()
        asking = asyncio.create_task(manager.get_quote("AAPL"))
        await asyncio.sleep(0.01)
        manager.pipeline.accept(make_quote("AAPL", "200", provider="sim"))
        provider.gate.set()
        quote = await asking
        newest = manager.cache_manager.quotes.latest("AAPL")

    assert (str(quote.current_price), quote.sequence) == ("200", 1)
    assert newest is quote


async def test_batches_that_overlap_in_the_same_turn_ask_for_each_symbol_once() -> None:
    provider = ScriptedProvider()
    async with manager_of(provider) as manager:
        await asyncio.gather(
            manager.get_multiple_quotes(["A", "B"]),
            manager.get_multiple_quotes(["B", "C"]),
            manager.get_quote("B"),
        )

    assert sorted(symbol for call in provider.calls for symbol in call) == ["A", "B", "C"]


async def test_a_stream_that_does_not_close_does_not_keep_the_manager_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tickloom.feeds.push._CLOSE_LIMIT_S", 0.1)
    provider = ScriptedProvider("sim", has_stream=True)
    manager = manager_of(provider)
    await manager.start_streaming(["AAPL"])
    while not provider.streams:
        await asyncio.sleep(0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    provider.streams[0].aclose = hang  # type: ignore[method-assign]
    async with asyncio.timeout(5):
        await manager.close()

    assert provider.closed


def test_malformed_warm_symbols_are_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"cache\.warm"):
        manager_of(ScriptedProvider(), cache={"warm": ("A B",)})


def test_no_secret_of_the_environment_prints_with_the_settings() -> None:
    settings = load_settings(None, {"PASSWORD_OF_ALL": "hunter2", "REDIS_URL": "redis://:pw9@h/0"})

    assert "hunter2" not in repr(settings)
    assert "pw9" not in repr(settings)


async def test_history_outlives_the_process_and_needs_no_provider_the_second_time(
    tmp_path: Path,
) -> None:
    days = date(2026, 1, 1), date(2026, 1, 2)
    database = {"url": f"sqlite:///{tmp_path / 'quotes.db'}"}
    provider = ScriptedProvider(**EVERYTHING)
    async with manager_of(provider, database=database) as manager:
        first = await manager.get_historical_data("AAPL", *days)

    provider.failure = ProviderUnavailable("unplugged")
    async with manager_of(provider, database=database) as manager:
        second = await manager.get_historical_data("AAPL", *days)
        stats = manager.get_system_stats()["history"]

    assert second == first
    assert provider.calls == [("history", "AAPL")]
    assert stats["from_store"] == 1
