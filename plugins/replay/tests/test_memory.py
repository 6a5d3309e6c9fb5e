"""The size of a file is not the size in memory. Peaks are those of Python's own allocations."""

import gzip
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

from tickloom_replay.timeline import merge_events

_PEAK_BYTES = 6_000_000
START = datetime(2026, 1, 5, tzinfo=UTC)


def _measure(open_library: Any, path: Path) -> tuple[int, int]:
    tracemalloc.start()
    try:
        library = open_library(path)
        count = sum(1 for _ in merge_events(library.series, Flag()))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_table_is_read_in_little_memory(tmp_path: Path, open_library: Any) -> None:
    with (tmp_path / "A.csv").open("w") as file:
        file.write("timestamp,open,high,low,close,volume\n")
        for minute in range(100_000):
            file.write(f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ},1,2,1,2,10\n")

    count, peak = _measure(open_library, tmp_path)

    assert count == 100_000
    assert peak < _PEAK_BYTES


def test_many_files_of_one_symbol_are_open_one_after_the_other(
    tmp_path: Path,
    open_library: Any,
    pack: Any,
) -> None:
    for day in range(200):
        name = f"{START + timedelta(days=day):%Y%m%d}"
        rows = [f"{34_200_000 + second * 1_000},1,2,1,2,10" for second in range(100)]
        pack(tmp_path / f"{name}_trade.zip", f"{name}_a_second_trade.csv", rows)

    count, peak = _measure(open_library, tmp_path)

    assert count == 20_000
    assert peak < _PEAK_BYTES


def test_a_bomb_is_given_up_at_its_first_line(tmp_path: Path, open_library: Any) -> None:
    zeros = b"0" * 1_000_000
    with gzip.open(tmp_path / "A.csv.gz", "wb", 1) as file:
        file.write(b"date,close\n2026-01-05,1\n")
        for _ in range(100):
            file.write(zeros)
    with (
        zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("b.csv", "w") as member,
    ):
        member.write(b"20140605 00:00,1,2,1,2,10\n")
        for _ in range(100):
            member.write(zeros)

    count, peak = _measure(open_library, tmp_path)

    assert count == 2
    assert peak < _PEAK_BYTES


def test_a_long_parquet_file_is_read_in_little_memory(tmp_path: Path, open_library: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("timestamp", pa.timestamp("us", "UTC")), ("close", pa.float64())])
    with parquet.ParquetWriter(tmp_path / "A.parquet", schema) as file:
        for block in range(6):
            times = [START + timedelta(minutes=block * 5_000 + place) for place in range(5_000)]
            file.write_table(pa.table([times, [1.5] * 5_000], schema=schema))
    arrow_before = pa.default_memory_pool().max_memory()

    count, peak = _measure(open_library, tmp_path)

    assert count == 30_000
    assert peak < _PEAK_BYTES
    assert pa.default_memory_pool().max_memory() - arrow_before < _PEAK_BYTES
