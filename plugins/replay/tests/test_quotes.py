from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tickloom.clock import FakeClock
from tickloom.errors import NoData, UnknownSymbol
from tickloom.model import Quote

OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HEADER = "timestamp,open,high,low,close,volume\n"


def _prices(quotes: Iterable[Quote]) -> list[int]:
    return [int(quote.current_price) for quote in quotes]


async def test_the_finest_resolution_is_streamed(
    tmp_path: Path, play: Any, clock: FakeClock, pack: Any, bars: Any
) -> None:
    pack(tmp_path / "d.zip", "a.csv", ["20260105 00:00,10000,10000,10000,10000,1"])
    bars("A", 5, 6)
    _, stream, listener = await play(["A"], loop=False, speed=0)

    await listener.reach(2)
    await clock.advance(100_000)

    assert _prices(listener.quotes) == [5, 6]
    await stream.aclose()


async def test_a_session_adds_up_and_the_next_one_begins_with_its_close(
    tmp_path: Path, play: Any, bars: Any
) -> None:
    bars("A", 10, 12, 11)
    later = OPEN + timedelta(days=1)
    text = (tmp_path / "A.csv").read_text()
    (tmp_path / "A.csv").write_text(text + f"{later.isoformat()},22,23,21,22,7\n")
    _, stream, listener = await play(["A"], loop=False, speed=0)

    quotes = await listener.reach(4)

    third, fourth = quotes[2:]
    assert (third.open_price, third.high_price, third.low_price) == (10, 13, 9)
    assert (third.volume, third.previous_close, third.price_change) == (30, None, None)
    assert (fourth.open_price, fourth.high_price, fourth.volume) == (22, 23, 7)
    assert (fourth.previous_close, fourth.price_change) == (11, 11)
    assert fourth.price_change_percent == Decimal(100)
    await stream.aclose()


async def test_trades_at_the_same_time_stay_apart_while_bid_and_ask_join_them(
    tmp_path: Path, play: Any, pack: Any
) -> None:
    trades = ["34200000,1000000,100,Q,0,0", "34200000,1010000,200,Q,0,0"]
    quotes = ["34200000,990000,300,0,0,Q,1,0", "34200000,0,0,1020000,400,P,1,0"]
    pack(tmp_path / "t.zip", "20131007_ibm_tick_trade.csv", trades)
    pack(tmp_path / "q.zip", "20131007_ibm_tick_quote.csv", quotes)
    _, stream, listener = await play(["IBM"], loop=False, speed=0)

    first, second = await listener.reach(2)

    assert len(listener.batches) == 1
    assert [first.current_price, second.current_price] == [100, 101]
    assert [first.last_size, second.last_size, second.volume] == [100, 200, 300]
    assert (second.bid, second.bid_size, second.ask, second.ask_size) == (99, 300, 102, 400)
    await stream.aclose()


async def test_before_the_first_trade_the_price_is_the_middle(
    tmp_path: Path, play: Any, pack: Any
) -> None:
    rows = ["34200000,990000,300,0,0,Q,1,0", "34200001,0,0,1020000,400,P,1,0"]
    pack(tmp_path / "q.zip", "20131007_ibm_tick_quote.csv", rows)
    _, stream, listener = await play(["IBM"], loop=False, speed=0)

    (quote,) = await listener.reach(1)

    assert quote.current_price == Decimal("100.5")
    assert quote.volume is None
    await stream.aclose()


async def test_a_quote_asked_for_is_where_the_playback_is(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6, 7)
    provider, stream, listener = await play(["A"], loop=False)

    await listener.reach(1)
    await clock.advance(1.5)
    answer = (await provider.get_quotes(["A"]))["A"]

    assert (int(answer.current_price), answer.is_real_time) == (6, False)
    assert answer.timestamp == clock.now() - timedelta(seconds=0.5)
    assert answer.received_at == clock.now()
    await stream.aclose()


async def test_before_any_playback_it_is_the_first_recorded_one(
    tmp_path: Path, make_provider: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6, 7)
    shifted, original = make_provider(tmp_path), make_provider(tmp_path, shift_to_now=False)

    now = await shifted.get_quotes(["A", "ZZZ"])
    then = (await original.get_quotes(["A"]))["A"]

    assert int(now["A"].current_price) == int(then.current_price) == 5
    assert (now["A"].timestamp, then.timestamp) == (clock.now(), OPEN + timedelta(minutes=1))
    assert isinstance(now["ZZZ"], UnknownSymbol)


async def test_a_symbol_without_any_price_is_told_so(tmp_path: Path, make_provider: Any) -> None:
    (tmp_path / "A.csv").write_text("date,bid,ask\n2026-01-05,1,\n")

    answer = (await make_provider(tmp_path).get_quotes(["A"]))["A"]

    assert isinstance(answer, NoData)


async def test_the_split_is_taken_out_of_the_close_before_it(
    lean: Path, make_provider: Any, listen: Any
) -> None:
    stream = await make_provider(lean, speed=0, loop=False).open_stream()
    await stream.subscribe(["AAPL"])

    quotes = await listen(stream).reach(2_400)

    split_day = [quote for quote in quotes if quote.current_price < 100]
    assert len(split_day) > 500
    assert all(Decimal(90) < quote.previous_close < Decimal(95) for quote in split_day)
    await stream.aclose()
