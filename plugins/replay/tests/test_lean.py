from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import BadRecord
from tickloom_replay.event import DAY, TICK
from tickloom_replay.lean import read_member_name

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "symbol", "kind", "step"),
    [
        ("20140605_aapl_minute_trade.csv", "AAPL", "trade", MINUTE),
        ("20140605_aapl_minute_quote.csv", "AAPL", "quote", MINUTE),
        ("20131007_ibm_Trade_Tick.csv", "IBM", "trade", TICK),
        ("20131007_ibm_Quote_Tick.csv", "IBM", "quote", TICK),
        ("20131007_brk.b_second_trade.csv", "BRK.B", "trade", timedelta(seconds=1)),
        ("aapl.csv", "AAPL", "trade", None),
    ],
)
def test_the_name_of_a_member_tells_its_content(
    name: str, symbol: str, kind: str, step: timedelta | None
) -> None:
    member = read_member_name(name)

    assert (member.symbol, member.kind, member.step) == (symbol, kind, step)


@pytest.mark.parametrize(
    "name", ["readme.txt", "20140605_aapl_hour.csv", "20149999_a_tick_trade.csv"]
)
def test_a_member_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(BadRecord):
        read_member_name(name)


def test_the_original_folders_and_flat_names_read_alike(
    pack: Any,
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    rows = ["34200000,1000000,1010000,990000,1005000,500"]
    member = "20140605_aapl_minute_trade.csv"
    pack(tmp_path / "a/equity/usa/minute/aapl/20140605_trade.zip", member, rows)
    pack(tmp_path / "b/minute_aapl_20140605_trade.zip", member, rows)

    deep = events_of(open_library(tmp_path / "a"), "AAPL")
    flat = events_of(open_library(tmp_path / "b"), "AAPL")

    assert deep == flat
    assert deep[0].begin == datetime(2014, 6, 5, 13, 30, tzinfo=UTC)
    assert deep[0].due == deep[0].begin + MINUTE
    assert deep[0].bar.close_price == Decimal("100.5")
    assert deep[0].bar.volume == 500


def test_times_are_new_york_wall_clock_on_both_sides_of_the_clock_change(
    pack: Any,
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    row = ["34200000,1000000,1010000,990000,1005000,500"]
    for day in ("20140307", "20140310"):
        pack(tmp_path / f"{day}_trade.zip", f"{day}_aapl_minute_trade.csv", row)

    winter, summer = events_of(open_library(tmp_path), "AAPL")

    assert winter.begin == datetime(2014, 3, 7, 14, 30, tzinfo=UTC)
    assert summer.begin == datetime(2014, 3, 10, 13, 30, tzinfo=UTC)


def test_the_same_file_holds_days_or_hours_as_its_rows_tell(
    pack: Any,
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    pack(tmp_path / "d.zip", "aapl.csv", ["20140605 00:00,1,2,1,2,10", "20140606 00:00,1,2,1,2,10"])
    pack(tmp_path / "h.zip", "ibm.csv", ["20140605 09:00,1,2,1,2,10"])

    library = open_library(tmp_path)

    assert events_of(library, "AAPL")[0].due == datetime(2014, 6, 6, 4, tzinfo=UTC)
    assert {one.symbol: one.step for one in library.series} == {
        "AAPL": DAY,
        "IBM": timedelta(hours=1),
    }


def test_an_empty_side_of_a_quote_bar_is_missing(
    pack: Any,
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    rows = ["34200000,,,,,,1000000,1000000,1000000,1000000,300", "34260000,0,0,0,0,0,,,,,"]
    pack(tmp_path / "q.zip", "20140605_aapl_minute_quote.csv", rows)

    first, second = events_of(open_library(tmp_path), "AAPL")

    assert (first.book.bid, first.book.ask, first.book.ask_size) == (None, Decimal(100), 300)
    assert (second.book.bid, second.book.ask) == (None, None)


def test_a_bad_row_is_skipped_and_counted(
    pack: Any,
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    good = "34200000,1000000,1010000,990000,1005000,500"
    rows = [good, "x,1,1,1,1,1", "34200000,1,2", "99999999,1,1,1,1,1", "34200000,NaN,1,1,1,1", good]
    pack(tmp_path / "t.zip", "20140605_aapl_minute_trade.csv", rows)
    library = open_library(tmp_path)

    assert len(events_of(library, "AAPL")) == 2
    assert library.bad_rows == {"t.zip": 4}
    events_of(library, "AAPL")
    assert library.bad_rows == {"t.zip": 4}


def test_a_tick_marked_suspicious_is_left_out(
    pack: Any,
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    rows = ["34200000,1000000,100,Q,2000,0", "34200001,9000000,100,Q,2000,1"]
    pack(tmp_path / "t.zip", "20131007_ibm_tick_trade.csv", rows)
    library = open_library(tmp_path)

    assert [event.bar.close_price for event in events_of(library, "IBM")] == [Decimal(100)]
    assert library.bad_rows == {"t.zip": 1}


def test_every_recorded_file_is_known(lean: Path, open_library: Any) -> None:
    library = open_library(lean)

    assert library.problems == []
    assert library.ignored == []
    assert library.symbols == {"AAPL", "GOOGL", "SPY", "BAC", "IBM"}
    assert sorted(library.factors) == ["AAPL", "GOOGL"]


@pytest.mark.parametrize(
    ("symbol", "count", "first_close"),
    [("SPY", 947, "447.98"), ("BAC", 12_315, "13.94"), ("GOOGL", 1_761, "571.5")],
)
def test_every_row_of_a_recorded_file_becomes_an_event(
    lean: Path,
    open_library: Any,
    events_of: Any,
    symbol: str,
    count: int,
    first_close: str,
) -> None:
    events = events_of(open_library(lean), symbol)

    assert len(events) == count
    assert events[0].bar.close_price == Decimal(first_close)
    assert events == sorted(events, key=lambda event: event.due)


def test_recorded_ticks_of_trades_and_quotes_come_in_one_order(
    lean: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    library = open_library(lean)

    events = events_of(library, "IBM")

    assert sum(event.bar is not None for event in events) == 24_293
    assert sum(event.book is not None for event in events) == 109_066
    assert library.bad_rows == {"tick_ibm_20131007_quote.zip": 1}
    assert events == sorted(events, key=lambda event: event.due)
    assert {event.session for event in events} == {date(2013, 10, 7)}


def test_recorded_quote_bars_give_their_close(
    lean: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    events = events_of(open_library(lean), "AAPL")

    first = next(event for event in events if event.book and event.session == date(2014, 6, 5))

    assert (first.book.bid, first.book.bid_size) == (Decimal("644.06"), 100)
    assert (first.book.ask, first.book.ask_size) == (Decimal(646), 100)
