import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import BadRecord, MissingDependency


def _write(path: Path, **columns: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, row_group_size=2)


def _prices(event: Any) -> Any:
    bar = event.bar
    return bar.open_price, bar.high_price, bar.low_price, bar.close_price


def test_decimal_integer_and_float_columns_become_exact_prices(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    import pyarrow as pa

    _write(
        tmp_path / "AAPL.parquet",
        timestamp=pa.array([datetime(2026, 1, 5, 14, 30, tzinfo=UTC)], pa.timestamp("ns", "UTC")),
        open=pa.array([Decimal("1.10")], pa.decimal128(10, 2)),
        high=pa.array([3]),
        low=pa.array([0.1], pa.float64()),
        close=pa.array([645.57], pa.float32()),
        volume=pa.array([10.0]),
    )

    (event,) = events_of(open_library(tmp_path), "AAPL")

    assert _prices(event) == (Decimal("1.10"), 3, Decimal("0.1"), Decimal("645.57"))
    assert event.bar.volume == 10
    assert event.begin == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def test_nanoseconds_are_cut_to_microseconds(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    import pyarrow as pa

    nanoseconds = 1_767_623_400_000_001_999
    _write(
        tmp_path / "AAPL.parquet",
        timestamp=pa.array([nanoseconds], pa.timestamp("ns")),
        close=pa.array([1]),
    )

    (event,) = events_of(open_library(tmp_path), "AAPL")

    assert event.begin == datetime(2026, 1, 5, 14, 30, 0, 1, tzinfo=UTC)


def test_a_symbol_column_and_dates_are_read_over_all_row_groups(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    import pyarrow as pa

    days = [date(2026, 1, day) for day in (5, 5, 6, 6, 7, 7)]
    names = pa.array(["AAPL", "MSFT"] * 3).dictionary_encode()
    _write(tmp_path / "all.parquet", date=pa.array(days), symbol=names, close=pa.array(range(6)))
    library = open_library(tmp_path)

    assert library.symbols == {"AAPL", "MSFT"}
    assert [event.bar.close_price for event in events_of(library, "MSFT")] == [1, 3, 5]


def test_a_row_without_price_is_skipped_and_counted(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    import pyarrow as pa

    days = pa.array([date(2026, 1, 5), date(2026, 1, 6), None])
    _write(tmp_path / "AAPL.parquet", date=days, close=pa.array([1.5, float("nan"), 2.0]))
    library = open_library(tmp_path)

    assert len(events_of(library, "AAPL")) == 1
    assert library.bad_rows == {"AAPL.parquet": 2}


def test_without_pyarrow_the_file_is_a_problem_and_the_others_play(
    tmp_path: Path, open_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "AAPL.parquet", date=[date(2026, 1, 5)], close=[1])
    (tmp_path / "MSFT.csv").write_text("date,close\n2026-01-05,1\n")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    library = open_library(tmp_path)

    assert library.symbols == {"MSFT"}
    (problem,) = library.problems
    assert isinstance(problem, MissingDependency)
    assert 'pip install "tickloom-replay[parquet]"' in str(problem)


def test_a_damaged_file_is_a_problem_that_names_it(tmp_path: Path, open_library: Any) -> None:
    (tmp_path / "AAPL.parquet").write_bytes(b"PAR1 this is not so PAR1")
    (tmp_path / "MSFT.csv").write_text("date,close\n2026-01-05,1\n")

    (problem,) = open_library(tmp_path).problems

    assert isinstance(problem, BadRecord)
    assert "AAPL.parquet" in str(problem)
