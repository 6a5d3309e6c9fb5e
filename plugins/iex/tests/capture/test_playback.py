"""Captures played at the pace of the clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from tickloom.errors import ProviderUnavailable
from tickloom.model import Timeliness
from tickloom_iex.capture import CaptureOptions, make_capture_provider
from tickloom_iex.capture.prices import time_of


def _prices(quotes):
    return [int(one.current_price * 10_000) for one in quotes]


def _trades(forge, prices, *, step=1.0, symbol="A"):
    batches = [
        [forge.trade(symbol, price, key=price, at=place * step)]
        for place, price in enumerate(prices)
    ]
    return forge.segments(batches, step=step)


async def test_quotes_come_when_they_were_sent(forge, play, clock, asleep):
    provider, _, listener = await play(["A"], *_trades(forge, [100, 200, 300]))

    await listener.reach(1)
    await asleep()
    await clock.advance(0.9)
    early = list(listener.quotes)
    await clock.advance(0.1)
    await listener.reach(2)
    await asleep()
    await clock.advance(1)

    assert _prices(early) == [100]
    assert _prices(await listener.reach(3)) == [100, 200, 300]
    await provider.aclose()


async def test_speed_shortens_the_time_between(forge, play, clock, asleep):
    provider, _, listener = await play(["A"], *_trades(forge, [100, 200], step=60), speed=60)

    await listener.reach(1)
    await asleep()
    await clock.advance(1)

    assert len(await listener.reach(2)) == 2
    await provider.aclose()


async def test_with_speed_zero_nothing_waits(forge, play):
    provider, _, listener = await play(["A"], *_trades(forge, range(1, 2_001)), speed=0)

    assert _prices(await listener.reach(2_000)) == list(range(1, 2_001))
    await provider.aclose()


async def test_long_gaps_are_cut_down(forge, play, clock, asleep):
    segments = _trades(forge, [100, 200], step=5_000)
    provider, _, listener = await play(["A"], *segments, max_gap_s=10)

    await listener.reach(1)
    await asleep()
    await clock.advance(10)

    assert len(await listener.reach(2)) == 2
    await provider.aclose()


async def test_a_damaged_time_does_not_hold_up_what_follows(forge, play, clock, asleep):
    made = [
        forge.segment(forge.trade("A", price, key=price), sequence=place, at=at)
        for place, (price, at) in enumerate([(1, 0), (2, 9_000_000), (3, 1), (4, 2)], 1)
    ]
    provider, _, listener = await play(["A"], *made, max_gap_s=10)

    for count, pause in ((1, 10), (3, 1), (4, 0)):
        await listener.reach(count)
        if pause:
            await asleep()
            await clock.advance(pause)

    assert _prices(listener.quotes) == [1, 2, 3, 4]
    await provider.aclose()


async def test_quotes_carry_the_time_at_which_they_are_played(forge, play, clock, asleep):
    begin = clock.now()
    provider, _, listener = await play(["A"], *_trades(forge, [100, 200]))

    await listener.reach(1)
    await asleep()
    await clock.advance(1)
    quotes = await listener.reach(2)

    assert [one.timestamp - begin for one in quotes] == [timedelta(), timedelta(seconds=1)]
    assert not any(one.is_real_time for one in quotes)
    assert provider.info.timeliness is Timeliness.REPLAYED
    await provider.aclose()


async def test_quotes_may_keep_the_venues_time(forge, play, clock):
    provider, _, listener = await play(["A"], *_trades(forge, [100]), shift_to_now=False)

    quote = (await listener.reach(1))[0]

    assert quote.timestamp == time_of(forge.open_ns)
    assert quote.received_at == clock.now()
    await provider.aclose()


async def test_what_is_sent_together_is_one_quote_but_two_trades_are_two(forge, play):
    together = forge.segment(
        forge.quote("A", 90, 110),
        forge.quote("A", 95, 105),
        forge.quote("B", 10, 20),
        forge.trade("A", 100, key=1),
        forge.trade("A", 101, key=2),
        forge.quote("A", 96, 104),
    )
    last = forge.segment(forge.trade("A", 7, key=3), sequence=7)
    provider, _, listener = await play(["A", "B"], together, last, speed=0)

    quotes = await listener.reach(5)

    assert [(one.symbol, int(one.current_price * 10_000)) for one in quotes] == [
        ("A", 100), ("B", 15), ("A", 101), ("A", 101), ("A", 7),
    ]  # fmt: skip
    assert [one.bid for one in quotes[2:4]] == [Decimal("0.0095"), Decimal("0.0096")]
    await provider.aclose()


async def test_levels_of_deep_are_played_as_quotes(forge, play):
    made = forge.segments(
        [
            [forge.level("A", 100, 5), forge.level("A", 200, 5, buy=False)],
            [forge.level("A", 120, 5, done=False)],
            [forge.level("A", 100, 0)],
        ],
        protocol=0x8004,
    )
    provider, _, listener = await play(["A"], *made, speed=0)

    quotes = await listener.reach(2)

    assert [one.bid for one in quotes] == [Decimal("0.01"), Decimal("0.012")]
    await provider.aclose()


async def test_at_the_end_it_begins_again(forge, play, clock, asleep):
    segments = _trades(forge, [100, 200])
    provider, _, listener = await play(["A"], *segments, loop=True, max_gap_s=5)

    for count, pause in ((1, 1), (2, 5), (3, 0)):
        await listener.reach(count)
        if pause:
            await asleep()
            await clock.advance(pause)

    assert _prices(listener.quotes) == [100, 200, 100]
    assert listener.quotes[2].volume == 100
    await provider.aclose()


async def test_without_a_loop_the_stream_stays_open_and_silent(forge, play):
    provider, stream, listener = await play(["A"], *_trades(forge, [100]), speed=0)

    await listener.reach(1)
    await asyncio.wait({stream._task})

    assert not listener.task.done()
    await provider.aclose()
    await listener.task


async def test_a_symbol_in_no_capture_is_told_and_does_not_spin(forge, play, asleep):
    provider, _, listener = await play(["NONE"], *_trades(forge, [1]), speed=0, loop=True)

    await asleep()

    assert listener.quotes == []
    await provider.aclose()


async def test_a_symbol_that_joins_later_joins_where_the_playback_is(forge, play, clock, asleep):
    batches = [
        [forge.trade("A", 100 + n, key=n), forge.trade("B", 900 + n, key=n)] for n in range(8)
    ]
    provider, stream, listener = await play(["A"], *forge.segments(batches))

    await listener.reach(1)
    await asleep()
    await stream.subscribe(["B"])
    for count in range(2, 9):
        await clock.advance(1)
        await listener.reach(count)
        if count < 8:
            await asleep()

    joined = _prices(one for one in listener.quotes if one.symbol == "B")
    assert joined[0] > 900
    assert joined == list(range(joined[0], 908))
    await provider.aclose()


async def test_what_is_unsubscribed_is_not_given_out(forge, play, clock, asleep):
    batches = [
        [forge.trade("A", 100 + n, key=n), forge.trade("B", 900 + n, key=n)] for n in range(4)
    ]
    provider, stream, listener = await play(["A", "B"], *forge.segments(batches))

    await listener.reach(2)
    await asleep()
    await stream.unsubscribe(["A", "NONE"])
    await clock.advance(1)
    await listener.reach(3)

    assert [one.symbol for one in listener.quotes] == ["A", "B", "B"]
    await provider.aclose()


async def test_without_symbols_nothing_is_played(forge, play, clock, asleep):
    provider, stream, listener = await play(["A"], *_trades(forge, [100, 200]))

    await listener.reach(1)
    await stream.unsubscribe(["A"])

    assert stream._task is None
    await stream.subscribe(["A"])
    assert _prices(await listener.reach(2)) == [100, 100]
    await provider.aclose()


async def test_a_slow_reader_gets_every_quote(forge, play):
    provider, stream, listener = await play([], *_trades(forge, range(1, 9_001)), speed=0)
    listener.task.cancel()
    await stream.subscribe(["A"])
    prices = []

    async for batch in stream:
        assert len(batch) <= 512
        prices += _prices(batch)
        for _ in range(20):
            await asyncio.sleep(0)
        if len(prices) == 9_000:
            break

    assert prices == list(range(1, 9_001))
    await provider.aclose()


async def test_captures_that_are_not_there_break_the_stream_in_a_typed_way(tmp_path, clock):
    provider = make_capture_provider(CaptureOptions(path=tmp_path / "nowhere"), clock)
    stream = await provider.open_stream()
    await stream.subscribe(["A"])

    with pytest.raises(ProviderUnavailable, match="there is no capture"):
        await anext(aiter(stream))
    await provider.aclose()


async def test_a_capture_of_several_days_is_played_day_after_day(forge, tmp_path, clock, listen):
    for day in (1, 0):
        segment = forge.segment(forge.trade("A", 100 + day, at=day * 86_400), at=day * 86_400)
        (tmp_path / f"{5 - day}.pcap").write_bytes(forge.capture(segment))
    options = CaptureOptions(path=tmp_path, speed=0, loop=False)
    provider = make_capture_provider(options, clock)
    stream = await provider.open_stream()
    await stream.subscribe(["A"])

    quotes = await listen(stream).reach(2)

    assert _prices(quotes) == [100, 101]
    assert quotes[1].previous_close == Decimal("0.01")
    await provider.aclose()
