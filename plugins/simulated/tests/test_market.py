from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickloom.clock import FakeClock
from tickloom.errors import ConfigError, InvalidDates, NoData, UnknownSymbol
from tickloom.model import Interval, PriceAdjustment, Quote, Timeliness
from tickloom.roles import HistoryRequest, PluginSettings, Provider
from tickloom_simulated.history import INTERVALS
from tickloom_simulated.instrument import Instrument
from tickloom_simulated.options import SimulatedOptions
from tickloom_simulated.provider import SimulatedProvider
from tickloom_simulated.session import begin_of_session, find_session
from tickloom_simulated.tape import Tape
from tickloom_simulated.ticker import NANOSECONDS, Ticker
from tickloom_simulated.walk import HOUR, MINUTE, Span, split

NOW = datetime(2026, 1, 2, 15, tzinfo=UTC)
SEEDS = st.integers(-(2**40), 2**40)
SESSIONS = st.integers(100_000, 600_000)
SECONDS = st.integers(-2_000_000_000, 4_000_000_000)


def make(clock=None, **options):
    return SimulatedProvider(SimulatedOptions(**options), clock or FakeClock())


def ask(interval, start, end, **more):
    return HistoryRequest(symbol="SIM.ACME", start=start, end=end, interval=interval, **more)


class Reader:
    def __init__(self, stream):
        self.batches: list[list[Quote]] = []
        self.task = asyncio.create_task(self._read(stream))

    async def _read(self, stream):
        async for batch in stream:
            self.batches.append(list(batch))

    @property
    def quotes(self):
        return [quote for batch in self.batches for quote in batch]


def sound(span):
    return 0 < span.low <= min(span.open, span.close) <= max(span.open, span.close) <= span.high


@given(SEEDS, SESSIONS)
def test_every_session_is_sound_and_positive(seed, number):
    session = Instrument(seed, "SIM.ACME").session(number)
    assert sound(session)
    assert session.extra >= 0


@st.composite
def spans(draw):
    prices = sorted(draw(st.lists(st.integers(1, 10**7), min_size=4, max_size=4)))
    opened, closed = draw(st.permutations(prices[1:3]))
    length = draw(st.sampled_from([MINUTE, HOUR, 24 * HOUR, 72 * HOUR]))
    extra = draw(st.integers(0, 10**9))
    return Span(draw(SECONDS), length, opened, prices[3], prices[0], closed, extra)


@given(spans(), st.integers(0, 2**64 - 1))
def test_parts_add_up_to_the_whole(span, key):
    parts = list(split(span, key))
    assert all(sound(part) for part in parts)
    assert parts[0].begin == span.begin
    assert parts[-1].end == span.end
    assert all(one.end == two.begin and one.close == two.open for one, two in pairwise(parts))
    assert (parts[0].open, parts[-1].close) == (span.open, span.close)
    assert max(part.high for part in parts) == span.high
    assert min(part.low for part in parts) == span.low
    assert sum(part.lots for part in parts) == span.lots
    assert parts == list(split(span, key))


@given(
    SEEDS,
    st.integers(1_600_000_000, 1_900_000_000),
    st.lists(st.integers(-(10**5), 10**5), max_size=8),
)
def test_a_second_is_the_same_however_it_was_found(seed, start, moves):
    instrument = Instrument(seed, "SIM.ACME")
    tape = Tape(instrument, start)
    for move in moves:
        tape.seek(start + move)
        fresh = Tape(instrument, start + move)
        assert (tape.second, tape.seen, tape.session) == (fresh.second, fresh.seen, fresh.session)
        assert tape.second.begin == start + move


@given(SECONDS)
def test_sessions_follow_each_other_without_a_hole_and_begin_on_weekdays(second):
    number = find_session(second)
    assert begin_of_session(number) <= second < begin_of_session(number + 1)
    assert datetime.fromtimestamp(begin_of_session(number), UTC).weekday() < 5


@settings(deadline=None)
@given(SEEDS, SECONDS, st.sampled_from([0.01, 0.5, 1, 2, 3, 50, 700]), st.integers(2, 60))
def test_every_quote_is_sound_and_volume_grows_by_trades(seed, second, rate, count):
    period_ns = round(NANOSECONDS / rate)
    ticker = Ticker(Instrument(seed, "SIM.ACME"), period_ns, second * NANOSECONDS)
    first = ticker.newest(second * NANOSECONDS)
    before = None
    for number in range(first, first + count):
        quote = ticker.quote(number, NOW)
        assert 0 < quote.bid < quote.ask
        assert quote.bid <= quote.current_price <= quote.ask
        assert quote.low_price <= quote.current_price <= quote.high_price
        assert quote.low_price <= quote.open_price <= quote.high_price
        assert quote.price_change == quote.current_price - quote.previous_close
        share = 100 * quote.price_change / quote.previous_close
        assert abs(share - quote.price_change_percent) <= msgspec.convert("0.00005", type(share))
        assert quote.current_price.as_tuple().exponent == -2
        assert not quote.is_real_time
        if (
            before is not None
            and before.previous_close == quote.previous_close
            and (before.open_price == quote.open_price)
        ):
            traded = quote.volume - before.volume
            assert traded >= 0
            assert before.high_price <= quote.high_price
            assert before.low_price >= quote.low_price
            if traded:
                assert 0 < quote.last_size <= traded
            else:
                assert quote.current_price == before.current_price
                assert quote.last_size == before.last_size
        before = quote
        other = Ticker(Instrument(seed, "SIM.ACME"), period_ns, second * NANOSECONDS)
        if number % 7 == 0:
            assert other.quote(number, NOW) == quote


async def test_ticks_lie_within_the_bars_of_history():
    clock = FakeClock()
    provider = make(clock, ticks_per_s=20.0)
    stream = await provider.open_stream()
    await stream.subscribe(["SIM.ACME"])
    reader = Reader(stream)
    await clock.advance(90)
    await stream.aclose()
    history = await provider.get_history(ask(Interval.SECOND, date(2026, 1, 2), date(2026, 1, 2)))
    bars = {bar.timestamp: bar for bar in history.data_points}
    checked = 0
    for quote in reader.quotes:
        bar = bars.get(quote.timestamp.replace(microsecond=0))
        if bar is not None:
            assert bar.low_price <= quote.current_price <= bar.high_price
            checked += 1
    assert checked > 1_500


@pytest.mark.parametrize("rate", [0.2, 2.0, 3.0, 50.0, 2_000.0])
async def test_the_rate_is_that_of_each_symbol_and_quotes_come_oldest_first(rate):
    clock = FakeClock()
    provider = make(clock, ticks_per_s=rate)
    stream = await provider.open_stream()
    await stream.subscribe(provider.info.symbols)
    reader = Reader(stream)
    await clock.advance(10.02)
    for symbol in provider.info.symbols:
        count = sum(quote.symbol == symbol for quote in reader.quotes)
        assert abs(count - 10 * rate) <= 1 + 0.03 * rate
    times = [quote.timestamp for quote in reader.quotes]
    assert times == sorted(times)
    assert all(quote.timestamp <= quote.received_at for quote in reader.quotes)
    assert provider.skipped_ticks == 0
    await stream.aclose()
    await reader.task


async def test_other_symbols_and_readers_change_nothing():
    async def listen(names):
        clock = FakeClock()
        provider = make(clock, symbols=names, ticks_per_s=5.0)
        one, two = await provider.open_stream(), await provider.open_stream()
        await one.subscribe(provider.info.symbols)
        readers = [Reader(one)]
        await clock.advance(3)
        await two.subscribe(["SIM.ACME"])
        readers.append(Reader(two))
        await clock.advance(5)
        newest = (await provider.get_quotes(["SIM.ACME"]))["SIM.ACME"]
        await provider.aclose()
        return [[q for q in r.quotes if q.symbol == "SIM.ACME"] for r in readers], newest

    (alone, late), newest = await listen(("ACME",))
    (among, _), _ = await listen(("ZULU", "ACME", "ALPHA"))
    strip = [(q.timestamp, q.current_price, q.bid, q.ask, q.volume) for q in alone]
    assert strip == [(q.timestamp, q.current_price, q.bid, q.ask, q.volume) for q in among]
    assert [q.current_price for q in late] == [q.current_price for q in alone[-len(late) :]]
    assert (newest.timestamp, newest.bid) >= (alone[-1].timestamp, alone[-1].bid)
    assert late


async def test_a_slow_reader_skips_and_is_told_how_much():
    clock = FakeClock()
    provider = make(clock, symbols=("ACME",), ticks_per_s=100.0)
    stream = await provider.open_stream()
    await stream.subscribe(["SIM.ACME"])
    await clock.advance(11)
    reader = Reader(stream)
    await clock.advance(0.01)
    assert abs(provider.skipped_ticks - 1_100) <= 2
    await clock.advance(1)
    assert abs(len(reader.quotes) + provider.skipped_ticks - 1_200) <= 3
    await stream.aclose()
    assert abs(provider.skipped_ticks - 1_100) <= 2


async def test_subscribing_unsubscribing_and_closing_wake_a_waiting_reader():
    clock = FakeClock()
    provider = make(clock, ticks_per_s=0.1)
    stream = await provider.open_stream()
    reader = Reader(stream)
    await clock.advance(1)
    await stream.subscribe(["SIM.ACME", "SIM.ACME", "SIM.NOPE"])
    await clock.advance(10)
    assert {quote.symbol for quote in reader.quotes} == {"SIM.ACME"}
    await stream.unsubscribe(["SIM.ACME", "SIM.NOPE"])
    reader.batches.clear()
    await clock.advance(30)
    assert reader.quotes == []
    await stream.aclose()
    await stream.aclose()
    await asyncio.wait_for(reader.task, 1)
    assert len(asyncio.all_tasks()) == 1


async def test_a_clock_set_back_does_not_silence_the_stream():
    class Settable(FakeClock):
        offset = timedelta()

        def now(self):
            return super().now() + self.offset

    clock = Settable()
    provider = make(clock)
    stream = await provider.open_stream()
    await stream.subscribe(["SIM.ACME"])
    reader = Reader(stream)
    await clock.advance(2)
    clock.offset = -timedelta(hours=3)
    reader.batches.clear()
    await clock.advance(5)
    assert len(reader.quotes) >= 6
    await stream.aclose()


@pytest.mark.parametrize("interval", INTERVALS)
async def test_bars_are_sound_chained_finished_and_the_same_in_a_part(interval):
    days = 2 if interval is Interval.SECOND else 500 if not interval.is_intraday else 9
    end = date(2026, 1, 2)
    start = end - timedelta(days=days)
    provider = make()
    bars = (await provider.get_history(ask(interval, start, end))).data_points
    assert bars[-1].timestamp + interval.duration * 0.9 <= NOW
    assert all(one.timestamp < two.timestamp for one, two in pairwise(bars))
    for bar in bars:
        assert 0 < bar.low_price <= min(bar.open_price, bar.close_price)
        assert bar.high_price >= max(bar.open_price, bar.close_price)
        assert start <= bar.timestamp.date() <= end
    for one, two in pairwise(bars):
        assert abs(two.open_price / one.close_price - 1) < msgspec.convert(
            "0.01", type(one.close_price)
        )
    if interval is Interval.DAY:
        assert {bar.timestamp.weekday() for bar in bars} == {0, 1, 2, 3, 4}
    middle = start + (end - start) // 2
    for adjustment in PriceAdjustment:
        part = await provider.get_history(ask(interval, middle, end, adjustment=adjustment))
        assert part.data_points == bars[-len(part.data_points) :]


async def test_coarse_bars_are_made_of_fine_ones_and_the_quote_continues_them():
    provider = make()
    day = date(2025, 12, 30)
    fine = (await provider.get_history(ask(Interval.MINUTE, day, day))).data_points
    (whole,) = (await provider.get_history(ask(Interval.DAY, day, day))).data_points
    assert (fine[0].open_price, fine[-1].close_price) == (whole.open_price, whole.close_price)
    assert max(bar.high_price for bar in fine) == whole.high_price
    assert sum(bar.volume for bar in fine) == whole.volume
    quote = (await provider.get_quotes(["SIM.ACME"]))["SIM.ACME"]
    (before,) = (
        await provider.get_history(ask(Interval.DAY, date(2026, 1, 1), date(2026, 1, 1)))
    ).data_points
    assert quote.previous_close == before.close_price


@pytest.mark.parametrize("dates", [("2026-01-02", "2026-01-01"), ("1990-01-01", "2026-01-01")])
async def test_ranges_that_cannot_be_answered_are_refused(dates):
    start, end = map(date.fromisoformat, dates)
    with pytest.raises(InvalidDates):
        await make().get_history(ask(Interval.MINUTE, start, end))


@pytest.mark.parametrize("day", ["2025-12-27", "2026-01-02", "2030-01-01"])
async def test_a_weekend_today_and_the_future_have_no_daily_bar(day):
    with pytest.raises(NoData):
        await make().get_history(
            ask(Interval.DAY, date.fromisoformat(day), date.fromisoformat(day))
        )


async def test_unknown_symbols_are_told_one_by_one():
    provider = make()
    answers = await provider.get_quotes(["SIM.ACME", "SIM.X"])
    assert isinstance(answers["SIM.ACME"], Quote)
    assert isinstance(answers["SIM.X"], UnknownSymbol)
    assert isinstance(provider, Provider)
    assert provider.info.timeliness is Timeliness.SIMULATED
    with pytest.raises(UnknownSymbol):
        await provider.get_company("SIM.X")
    assert "simulated" in (await provider.get_company("SIM.ACME")).description


@pytest.mark.parametrize(
    "table",
    [
        {"symbls": []},
        {"symbols": []},
        {"ticks_per_s": 0},
        {"ticks_per_s": -1},
        {"seed": "x"},
        {"ticks_per_s": 1e9},
    ],
)
def test_a_wrong_setting_is_refused(table):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, SimulatedOptions)


@pytest.mark.parametrize("name", ["", "A B", "SIM.ACME", "*", "A" * 30])
def test_a_name_that_is_no_symbol_names_the_setting(name):
    with pytest.raises(ConfigError, match=r"plugins\.simulated\.symbols"):
        make(symbols=(name,))


def test_the_entry_point_offers_the_provider():
    (point,) = entry_points(group="tickloom", name="simulated")
    plugin = point.load()
    settings = PluginSettings("simulated", FakeClock(), lambda kind: kind(seed=3))
    (provider,) = plugin.tickloom_providers(settings)

    assert 1 in plugin.tickloom_api
    assert isinstance(provider, Provider)
    assert provider.info.namespace == "SIM."
    assert provider.info.symbols == {"SIM.ACME", "SIM.GLOBEX", "SIM.INITECH"}


def test_the_readme_lists_every_setting_with_its_default():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for field in msgspec.structs.fields(SimulatedOptions):
        shown = msgspec.json.encode(field.default).decode().replace(",", ", ")
        assert f"| `{field.name}` | `{shown}` |" in readme
