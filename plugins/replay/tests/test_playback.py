from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tickloom.clock import FakeClock
from tickloom.model import Quote

OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HEADER = "timestamp,open,high,low,close,volume\n"


def _prices(quotes: Iterable[Quote]) -> list[int]:
    return [int(quote.current_price) for quote in quotes]


async def test_at_sixty_a_minute_takes_a_second(play: Any, clock: FakeClock, bars: Any) -> None:
    bars("A", 5, 6, 7)
    _, stream, listener = await play(["A"], loop=False)
    start = clock.now()

    await listener.reach(1)
    await clock.advance(0.99)
    assert _prices(listener.quotes) == [5]
    await clock.advance(0.01)
    assert _prices(listener.quotes) == [5, 6]
    await clock.advance(1)

    assert [(quote.timestamp - start).total_seconds() for quote in listener.quotes] == [0, 1, 2]
    assert [quote.received_at for quote in listener.quotes] == [
        quote.timestamp for quote in listener.quotes
    ]
    await stream.aclose()


async def test_at_one_it_takes_as_long_as_recorded(play: Any, clock: FakeClock, bars: Any) -> None:
    bars("A", 5, 6)
    _, stream, listener = await play(["A"], loop=False, speed=1)

    await listener.reach(1)
    await clock.advance(59)
    assert _prices(listener.quotes) == [5]
    await clock.advance(1)

    assert _prices(listener.quotes) == [5, 6]
    await stream.aclose()


async def test_at_zero_all_comes_at_once_in_batches(play: Any, clock: FakeClock, bars: Any) -> None:
    bars("A", *range(1_000, 2_000))
    _, stream, listener = await play(["A"], loop=False, speed=0)
    start = clock.now()

    quotes = await listener.reach(1_000)

    assert _prices(quotes) == list(range(1_000, 2_000))
    assert [len(batch) for batch in listener.batches] == [256, 256, 256, 232]
    assert clock.now() == start
    await stream.aclose()


async def test_a_bar_is_not_seen_before_its_end(play: Any, clock: FakeClock, bars: Any) -> None:
    bars("A", 5, 6, 7)
    _, stream, listener = await play(["A"], loop=False, speed=1, shift_to_now=False)

    await listener.reach(1)
    await clock.advance(600)
    await listener.reach(3)

    ends = [OPEN + timedelta(minutes=minute) for minute in (1, 2, 3)]
    assert [quote.timestamp for quote in listener.quotes] == ends
    assert [quote.received_at for quote in listener.quotes] == [
        clock.now() - timedelta(seconds=600 - seconds) for seconds in (0, 60, 120)
    ]
    await stream.aclose()


async def test_an_idle_gap_is_cut_down(
    tmp_path: Path, play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6)
    second_day = OPEN + timedelta(days=1)
    text = (tmp_path / "A.csv").read_text()
    (tmp_path / "A.csv").write_text(text + f"{second_day.isoformat()},9,9,9,9,10\n")
    _, stream, listener = await play(["A"], loop=False, max_gap_s=120)
    start = clock.now()

    await listener.reach(1)
    await clock.advance(10)

    assert [(quote.timestamp - start).total_seconds() for quote in listener.quotes] == [0, 1, 3]
    await stream.aclose()


async def test_gaps_are_kept_where_the_setting_is_zero(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6, step=timedelta(hours=6))
    _, stream, listener = await play(["A"], loop=False, speed=3_600, max_gap_s=0)

    await listener.reach(1)
    await clock.advance(5.9)
    assert len(listener.quotes) == 1
    await clock.advance(0.1)

    assert len(listener.quotes) == 2
    await stream.aclose()


async def test_at_the_end_it_starts_again_with_a_fresh_session(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6)
    _, stream, listener = await play(["A"], max_gap_s=300)
    start = clock.now()

    await listener.reach(1)
    await clock.advance(1)
    await listener.reach(2)
    await clock.advance(60)
    quotes = (await listener.reach(5))[:5]

    assert _prices(quotes) == [5, 6, 5, 6, 5]
    assert [(quote.timestamp - start).total_seconds() for quote in quotes] == [0, 1, 6, 7, 12]
    assert [quote.volume for quote in quotes] == [10, 20, 10, 20, 10]
    assert quotes[2].high_price == 6
    await stream.aclose()


async def test_without_loop_the_stream_stays_open_and_silent(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6)
    _, stream, listener = await play(["A"], loop=False)

    await listener.reach(1)
    await clock.advance(100_000)

    assert _prices(listener.quotes) == [5, 6]
    assert not listener.task.done()
    await stream.aclose()
    await listener.task


async def test_two_symbols_of_one_time_keep_their_order(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6, 7)
    bars("B", 8, 9, begin=OPEN + timedelta(seconds=60))
    _, stream, listener = await play(["B", "A"], loop=False)

    await listener.reach(1)
    await clock.advance(5)

    shown = [
        [(quote.symbol, int(quote.current_price)) for quote in one] for one in listener.batches
    ]
    assert shown == [[("A", 5)], [("A", 6), ("B", 8)], [("A", 7), ("B", 9)]]
    await stream.aclose()


async def test_another_era_plays_side_by_side_from_its_own_begin(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6)
    bars("OLD", 1, 2, begin=OPEN - timedelta(days=4_000))
    _, stream, listener = await play(["A", "OLD"], loop=False)

    await listener.reach(2)
    await clock.advance(1)

    by_symbol = {
        symbol: _prices(quote for quote in listener.quotes if quote.symbol == symbol)
        for symbol in ("A", "OLD")
    }
    assert by_symbol == {"A": [5, 6], "OLD": [1, 2]}
    await stream.aclose()


async def test_a_symbol_that_joins_later_joins_where_the_timeline_is(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6, 7)
    bars("B", 1, 2, 3)
    _, stream, listener = await play(["A"], loop=False)

    await listener.reach(1)
    await clock.advance(1)
    await stream.subscribe(["A", "B"])
    await clock.advance(1)

    late = [quote for quote in listener.quotes if quote.symbol == "B"]
    assert _prices(late) == [3]
    assert late[0].volume == 30
    await stream.aclose()


async def test_an_unsubscribed_symbol_is_silent_and_the_other_plays_on(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6, 7)
    bars("B", 1, 2, 3)
    _, stream, listener = await play(["A", "B"], loop=False)

    await listener.reach(2)
    await stream.unsubscribe(["A", "nothing"])
    await clock.advance(5)

    assert [(quote.symbol, int(quote.current_price)) for quote in listener.quotes[2:]] == [
        ("B", 2),
        ("B", 3),
    ]
    await stream.aclose()


async def test_a_timeline_without_subscribers_stops_and_begins_anew(
    play: Any, clock: FakeClock, bars: Any
) -> None:
    bars("A", 5, 6, 7)
    _, stream, listener = await play(["A"], loop=False)

    await listener.reach(1)
    await stream.unsubscribe(["A"])
    await clock.advance(60)
    assert _prices(listener.quotes) == [5]
    await stream.subscribe(["A"])

    assert _prices(await listener.reach(2)) == [5, 5]
    await stream.aclose()


async def test_an_unrecorded_symbol_stays_silent(play: Any, clock: FakeClock, bars: Any) -> None:
    bars("A", 5)
    _, stream, listener = await play(["A", "ZZZ"], loop=False)

    await listener.reach(1)
    await clock.advance(60)

    assert {quote.symbol for quote in listener.quotes} == {"A"}
    await stream.aclose()
