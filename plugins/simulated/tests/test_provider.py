from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tickloom.clock import FakeClock
from tickloom.errors import InvalidDates, InvalidSymbol, NoData, TickloomError, UnknownSymbol
from tickloom.model import Bar, Interval, Quote, Timeliness
from tickloom.roles import HistoryRequest, PluginSettings, Provider, QuoteStream
from tickloom_simulated.options import SimulatedOptions
from tickloom_simulated.provider import SimulatedProvider


def make(clock: FakeClock | None = None, **options: Any) -> SimulatedProvider:
    return SimulatedProvider(SimulatedOptions(**options), clock or FakeClock())


class Reader:
    """Reads a stream in a task of its own, as the host does."""

    def __init__(self, stream: QuoteStream) -> None:
        self.quotes: list[Quote] = []
        self.batches: list[int] = []
        self.task = asyncio.create_task(self._read(aiter(stream)))

    async def _read(self, batches: AsyncIterator[Sequence[Quote]]) -> None:
        async for batch in batches:
            self.batches.append(len(batch))
            self.quotes.extend(batch)


def test_the_entry_point_offers_the_provider() -> None:
    (point,) = entry_points(group="tickloom", name="simulated")
    plugin = point.load()
    settings = PluginSettings("simulated", FakeClock(), lambda kind: kind(seed=3))
    (provider,) = plugin.tickloom_providers(settings)

    assert 1 in plugin.tickloom_api
    assert isinstance(provider, Provider)
    assert provider.info.name == "simulated"
    assert provider.info.timeliness is Timeliness.SIMULATED
    assert provider.info.namespace == "SIM."
    assert provider.info.symbols == {"SIM.ACME", "SIM.GLOBEX", "SIM.INITECH"}
    assert provider.info.intervals == tuple(Interval)


@pytest.mark.parametrize(
    "table",
    [{"ticks_per_s": 0}, {"ticks_per_s": -1}, {"symbols": []}, {"sead": 7}, {"seed": "x"}],
)
def test_settings_out_of_range_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, type=SimulatedOptions)


def test_a_name_that_cannot_be_a_symbol_is_refused() -> None:
    with pytest.raises(InvalidSymbol):
        make(symbols=("A B",))


def test_the_readme_lists_every_setting_with_its_default() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for name, field in inspect.signature(SimulatedOptions).parameters.items():
        shown = msgspec.json.encode(field.default).decode().replace(",", ", ")
        assert f"| `{name}` | `{shown}` |" in readme


async def test_the_newest_quote_moves_with_the_clock_and_stands_still_with_it() -> None:
    clock = FakeClock()
    provider = make(clock)

    async def ask() -> Quote | TickloomError:
        return (await provider.get_quotes(["SIM.ACME"]))["SIM.ACME"]

    first, again = await ask(), await ask()
    await clock.advance(60)
    later = await ask()

    assert first == again
    assert isinstance(later, Quote)
    assert later != first
    assert later.received_at == clock.now()
    assert clock.now() - later.timestamp <= timedelta(seconds=0.5)


async def test_what_is_not_simulated_is_unknown() -> None:
    provider = make()
    found = await provider.get_quotes(["SIM.ACME", "SIM.NOPE"])

    assert isinstance(found["SIM.ACME"], Quote)
    assert isinstance(found["SIM.NOPE"], UnknownSymbol)
    with pytest.raises(UnknownSymbol, match=r"SIM\.ACME"):
        await provider.get_company("SIM.NOPE")


async def test_a_company_says_that_it_does_not_exist() -> None:
    company = await make().get_company("SIM.ACME")

    assert company.name == "Acme (simulated)"
    assert "does not exist" in str(company.description)


@pytest.mark.parametrize("rate", [2.0, 50.0, 2_000.0])
async def test_a_stream_ticks_at_its_rate_for_each_symbol(rate: float) -> None:
    clock = FakeClock()
    stream = await make(clock, ticks_per_s=rate).open_stream()
    await stream.subscribe({"SIM.ACME", "SIM.GLOBEX"})
    reader = Reader(stream)
    await clock.advance(5)
    await stream.aclose()
    await clock.advance(1)
    counts = [
        sum(quote.symbol == symbol for quote in reader.quotes)
        for symbol in ("SIM.ACME", "SIM.GLOBEX")
    ]

    assert all(abs(count - 5 * rate) <= max(2, 0.06 * 5 * rate) for count in counts), counts
    assert max(reader.batches) <= 1_000
    assert reader.task.done()


async def test_ticks_come_in_order_and_never_from_the_future() -> None:
    clock = FakeClock()
    stream = await make(clock, ticks_per_s=100).open_stream()
    await stream.subscribe({"SIM.ACME"})
    reader = Reader(stream)
    await clock.advance(3)
    times = [quote.timestamp for quote in reader.quotes]

    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert all(quote.timestamp <= quote.received_at <= clock.now() for quote in reader.quotes)
    reader.task.cancel()


async def test_two_streams_and_a_question_see_the_same_market() -> None:
    clock = FakeClock()
    provider = make(clock, ticks_per_s=10)
    streams = [await provider.open_stream() for _ in range(2)]
    for stream in streams:
        await stream.subscribe({"SIM.ACME"})
    readers = [Reader(stream) for stream in streams]
    await clock.advance(2)
    newest = (await provider.get_quotes(["SIM.ACME"]))["SIM.ACME"]
    await clock.advance(0.3)

    assert readers[0].quotes
    assert readers[0].quotes == readers[1].quotes
    assert newest in readers[0].quotes
    for reader in readers:
        reader.task.cancel()


async def test_unsubscribed_symbols_fall_silent_and_others_are_ignored() -> None:
    clock = FakeClock()
    stream = await make(clock, ticks_per_s=10).open_stream()
    await stream.subscribe({"SIM.ACME", "SIM.GLOBEX", "SIM.NOPE", "AAPL"})
    reader = Reader(stream)
    await clock.advance(1)
    heard = {quote.symbol for quote in reader.quotes}
    await stream.unsubscribe({"SIM.ACME", "MSFT"})
    reader.quotes.clear()
    await clock.advance(1)

    assert heard == {"SIM.ACME", "SIM.GLOBEX"}
    assert {quote.symbol for quote in reader.quotes} == {"SIM.GLOBEX"}
    reader.task.cancel()


async def test_a_reader_that_was_away_gets_one_second_and_the_rest_is_counted() -> None:
    clock = FakeClock()
    provider = make(clock, ticks_per_s=100, symbols=("ACME",))
    stream = await provider.open_stream()
    await stream.subscribe({"SIM.ACME"})
    batches = aiter(stream)
    first = asyncio.ensure_future(anext(batches))
    await clock.advance(0.1)
    await first
    await clock.advance(600)
    got = 0
    second = asyncio.ensure_future(anext(batches))
    await clock.advance(0.1)
    got = len(await second)

    assert 90 <= got <= 130
    assert abs(provider.market.skipped_ticks - 59_900) < 200
    await stream.aclose()


async def test_ticks_that_nobody_fetches_are_bounded_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tickloom_simulated.market._MAX_WAITING", 10)
    clock = FakeClock()
    provider = make(clock, ticks_per_s=100, symbols=("ACME",))
    idle, read = await provider.open_stream(), await provider.open_stream()
    for stream in (idle, read):
        await stream.subscribe({"SIM.ACME"})
    reader = Reader(read)
    await clock.advance(2)

    assert len(reader.quotes) > 150
    assert provider.market.skipped_ticks > 100
    reader.task.cancel()


async def test_closing_ends_the_iteration_and_leaves_no_task() -> None:
    clock = FakeClock()
    stream = await make(clock).open_stream()
    await stream.subscribe({"SIM.ACME"})
    reader = Reader(stream)
    await clock.advance(1)
    await stream.aclose()
    await stream.aclose()
    await clock.advance(1)

    assert reader.task.done()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def request(start: str, end: str, interval: Interval = Interval.DAY) -> HistoryRequest:
    return HistoryRequest(
        symbol="SIM.ACME",
        start=date.fromisoformat(start),
        end=date.fromisoformat(end),
        interval=interval,
    )


@pytest.mark.parametrize("interval", list(Interval))
async def test_bars_are_sound_complete_and_chained(interval: Interval) -> None:
    clock = FakeClock(datetime(2026, 3, 10, 12, tzinfo=UTC))
    days = 1 if interval is Interval.SECOND else 60
    start = date(2026, 3, 9) - timedelta(days=days)
    bars = (await make(clock).get_history(request(str(start), "2026-03-10", interval))).data_points

    for bar in bars:
        assert 0 < bar.low_price <= min(bar.open_price, bar.close_price)
        assert bar.high_price >= max(bar.open_price, bar.close_price)
        assert bar.volume is not None
        assert bar.volume > 0
    for before, after in pairwise(bars):
        assert before.close_price == after.open_price
        assert before.timestamp < after.timestamp
    if interval is not Interval.MONTH:
        assert bars[-1].timestamp + interval.duration <= clock.now()


async def test_the_same_question_has_the_same_answer_and_so_has_a_part_of_it() -> None:
    clock = FakeClock(datetime(2026, 3, 10, 12, tzinfo=UTC))

    async def ask(start: str, end: str) -> tuple[Bar, ...]:
        found = await make(clock).get_history(request(start, end, Interval.HOUR))
        return found.data_points

    whole, again = await ask("2026-03-01", "2026-03-05"), await ask("2026-03-01", "2026-03-05")
    part = await ask("2026-03-03", "2026-03-03")

    assert whole == again
    assert len(part) == 24
    assert set(part) <= set(whole)


async def test_the_last_bar_ends_where_the_live_price_is() -> None:
    clock = FakeClock(datetime(2026, 3, 10, 12, 0, tzinfo=UTC))
    provider = make(clock)
    bars = await provider.get_history(request("2026-03-10", "2026-03-10", Interval.MINUTE))
    quote = (await provider.get_quotes(["SIM.ACME"]))["SIM.ACME"]

    assert isinstance(quote, Quote)
    close = bars.data_points[-1].close_price
    assert abs(quote.current_price / close - 1) < 0.005


async def test_a_range_without_a_complete_bar_has_no_data() -> None:
    clock = FakeClock(datetime(2026, 3, 10, 12, tzinfo=UTC))

    with pytest.raises(NoData):
        await make(clock).get_history(request("2026-03-10", "2026-03-10"))


async def test_more_than_a_million_bars_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidDates, match="longer interval"):
        await make().get_history(request("2000-01-01", "2025-01-01", Interval.SECOND))


async def test_a_long_history_gives_way_to_others() -> None:
    clock = FakeClock()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    bars = await make(clock).get_history(request("2025-01-01", "2025-01-31", Interval.MINUTES_5))
    counting.cancel()

    assert len(bars.data_points) == 31 * 288
    assert turns >= len(bars.data_points) // 250
