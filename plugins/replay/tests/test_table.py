import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import BadRecord, ConfigError
from tickloom_replay.columns import find_columns
from tickloom_replay.event import DAY, MONTH, WEEK, Event
from tickloom_replay.fields import read_count, read_price, read_time

MINUTE = timedelta(minutes=1)
HEADER = "timestamp,open,high,low,close,volume\n"


@pytest.fixture
def read(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> Callable[..., list[Event]]:
    def read_text(
        text: str, symbol: str = "AAPL", name: str = "AAPL.csv", zone: str = "UTC"
    ) -> Any:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return events_of(open_library(tmp_path, zone), symbol)

    return read_text


@pytest.mark.parametrize(
    "text",
    [
        "Date,Open,High,Low,Close,Volume\n2026-01-05T14:30:00Z,1,3,0.5,2,10\n",
        "DATETIME;OPEN;HIGH;LOW;CLOSE;VOL\n2026-01-05 14:30:00;1;3;0.5;2;10\n",
        "time\topen\thigh\tlow\tclose\tvolume\n2026-01-05T09:30:00-05:00\t1\t3\t0.5\t2\t10\n",
        "timestamp,open,high,low,close,volume\n1767623400,1,3,0.5,2,10\n",
        "timestamp,open,high,low,close,volume\n1767623400000,1,3,0.5,2,10.0\n",
        '\ufeff"Timestamp","Open","High","Low","Close","Volume"\n"2026-01-05T14:30:00Z","1","3","0.5","2","10"\n',
        "<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n2026-01-05,14:30:00,1,3,0.5,2,10\r\n",
    ],
)
def test_the_usual_spellings_of_one_bar_read_alike(read: Any, text: str) -> None:
    (event,) = read(text)

    assert event.begin == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    bar = event.bar
    assert [bar.open_price, bar.high_price, bar.low_price, bar.close_price] == [
        Decimal(1),
        Decimal(3),
        Decimal("0.5"),
        Decimal(2),
    ]
    assert bar.volume == 10


def test_a_time_without_offset_is_read_in_the_zone_of_the_settings(
    read: Any,
) -> None:
    (event,) = read(HEADER + "2026-07-06 09:30,1,1,1,1,1\n", zone="America/New_York")

    assert event.begin == datetime(2026, 7, 6, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "step", "due"),
    [
        (["2026-01-05T10:00", "2026-01-05T10:01", "2026-01-05T10:02"], MINUTE, "2026-01-05T10:01"),
        (["2026-01-05T10:00", "2026-01-05T14:00", "2026-01-05T18:00"], 4 * 60 * MINUTE, None),
        (["2026-01-02", "2026-01-05", "2026-01-06", "2026-01-07"], DAY, "2026-01-03"),
        (["2026-01-05", "2026-01-12", "2026-01-19"], WEEK, "2026-01-12"),
        (["2026-01-31", "2026-02-28", "2026-03-31"], MONTH, "2026-02-01"),
        (["2026-01-05"], DAY, "2026-01-06"),
    ],
)
def test_the_length_of_a_bar_is_told_by_the_distance_of_the_rows(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
    times: list[str],
    step: timedelta,
    due: str | None,
) -> None:
    rows = "".join(f"{time},1,1,1,1,1\n" for time in times)
    (tmp_path / "AAPL.csv").write_text(HEADER + rows)
    library = open_library(tmp_path)

    assert library.series[0].step == step
    if due:
        expected = datetime.fromisoformat(due).replace(tzinfo=UTC)
        assert events_of(library, "AAPL")[0].due == expected


def test_a_column_may_tell_the_symbol(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    (tmp_path / "all of them.csv").write_text(
        "date,ticker,close\n2026-01-05,aapl,1\n2026-01-05, msft,2\n2026-01-06,aapl,3\n"
    )
    library = open_library(tmp_path)

    assert library.symbols == {"AAPL", "MSFT"}
    assert [event.bar.close_price for event in events_of(library, "AAPL")] == [1, 3]


def test_a_file_whose_name_is_no_symbol_needs_a_column(tmp_path: Path, open_library: Any) -> None:
    (tmp_path / "all of them.csv").write_text("date,close\n2026-01-05,1\n")

    with pytest.raises(ConfigError, match="neither a column nor the file's name"):
        open_library(tmp_path)


def test_packed_files_read_like_plain_ones(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    (tmp_path / "AAPL.csv.gz").write_bytes(gzip.compress(b"date,close\n2026-01-05,1.10\n"))

    assert events_of(open_library(tmp_path), "AAPL")[0].bar.close_price == Decimal("1.10")


def test_the_newest_first_is_sorted(read: Any) -> None:
    rows = [f"2026-01-05T10:0{minute}:00Z,1,1,1,{minute},1\n" for minute in range(9, 0, -1)]

    closes = [event.bar.close_price for event in read(HEADER + "".join(rows))]

    assert closes == list(range(1, 10))


def test_a_long_file_out_of_order_is_refused_with_the_way_out(
    tmp_path: Path, open_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickloom_replay.table._SORT_LIMIT", 2)
    (tmp_path / "AAPL.csv").write_text("date,close\n2026-01-07,1\n2026-01-06,1\n2026-01-05,1\n")

    with pytest.raises(ConfigError, match=r"Sort the file by time"):
        open_library(tmp_path)


def test_a_bad_row_is_skipped_and_counted(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    (tmp_path / "AAPL.csv").write_text(
        HEADER
        + "2026-01-05T10:00:00Z,1,1,1,1,1\n"
        + "2026-01-05T10:01:00Z,one,1,1,1,1\n"
        + "yesterday,1,1,1,1,1\n"
        + "2026-01-05T10:03:00Z,1,1\n"
        + "2026-01-05T10:04:00Z,1,1,1,,1\n"
        + "\n"
        + "2026-01-05T10:05:00Z,1,1,1,1,-1\n"
        + "2026-01-05T10:06:00Z,1,1,1,1,1\n"
    )
    library = open_library(tmp_path)

    assert len(events_of(library, "AAPL")) == 2
    assert library.bad_rows == {"AAPL.csv": 5}


def test_bid_and_ask_come_with_the_bar_or_alone(read: Any) -> None:
    (both,) = read("date,close,bid,ask,bid size,ask_size\n2026-01-05,2,1,3,10,20\n")
    (alone,) = read("date,bid,ask\n2026-01-05,1,\n")

    assert (both.book.bid, both.book.ask_size, both.bar.close_price) == (1, 20, 2)
    assert alone.bar is None
    assert (alone.book.bid, alone.book.ask) == (1, None)


def test_the_adjusted_close_is_kept_beside_the_close(read: Any) -> None:
    (event,) = read("Date,Close,Adj Close\n2026-01-05,2,1.9\n")

    assert event.bar.adjusted_close == Decimal("1.9")


@pytest.mark.parametrize("names", [["a", "b"], ["date"], ["close", "open"], []])
def test_a_header_that_does_not_fit_is_refused(names: list[str]) -> None:
    with pytest.raises(BadRecord, match="the header does not fit"):
        find_columns(names)


def test_a_float_is_its_shortest_decimal_text() -> None:
    assert read_price(645.57) == Decimal("645.57")
    assert read_count(1e3) == 1_000


@pytest.mark.parametrize(
    "value", ["", "x", "NaN", "Infinity", "1e99", "1e-99", b"1", None, "9" * 60]
)
def test_what_is_no_price_is_refused(value: object) -> None:
    with pytest.raises(BadRecord):
        read_price(value)


@pytest.mark.parametrize("value", ["", "x", "0001-01-01", "9999-12-31", 1e40, True, "99999999"])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(BadRecord):
        read_time(value, UTC)


def test_eight_digits_are_a_date() -> None:
    assert read_time("20140605", UTC) == datetime(2014, 6, 5, tzinfo=UTC)
