"""Whatever bytes a file holds, it gives events or a problem of our tree, and nothing else."""

import gzip
import io
import zipfile
from datetime import date
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickloom.errors import TickloomError
from tickloom_replay.collection import Library
from tickloom_replay.event import Event
from tickloom_replay.options import find_zone
from tickloom_replay.session import Session
from tickloom_replay.timeline import arrange, merge_events

_NAMES = [
    "AAPL.csv",
    "AAPL.csv.gz",
    "AAPL.parquet",
    "day.jsonl",
    "day.jsonl.gz",
    "minute_aapl_20140605_trade.zip",
    "factor_files_aapl.csv",
    "data.bin",
]
_FEW = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _zip(name: str, rows: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, rows)
    return buffer.getvalue()


def _parquet() -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    table = pa.table({"date": [date(2026, 1, day) for day in range(1, 9)], "close": range(8)})
    parquet.write_table(table, buffer)
    return buffer.getvalue()


_CSV = b"date,open,high,low,close,volume\n2026-01-05,1,2,1,2,10\n2026-01-06,1,2,1,2,10\n"
_RECORDING = (
    b'{"type":"recording","version":1}\n'
    b'{"type":"market_data","symbol":"A","data":{"symbol":"A","provider":"x","timestamp":'
    b'"2026-01-05T15:00:00Z","received_at":"2026-01-05T15:00:00Z","is_real_time":false,'
    b'"current_price":1.5,"volume":7}}\n'
)
_WHOLE = [
    _CSV,
    gzip.compress(_CSV),
    _parquet(),
    _RECORDING,
    gzip.compress(_RECORDING),
    _zip("20140605_aapl_minute_trade.csv", "34200000,1000000,1010000,990000,1005000,5\n" * 3),
    _zip("20131007_ibm_tick_quote.csv", "34200000,990000,300,0,0,Q,1,0\n" * 3),
    _zip("aapl.csv", "20140605 00:00,1,2,1,2,10\n20140606 00:00,1,2,1,2,10\n"),
    b"20140606,0.9,0.0357143,645.57\n20501231,1,1,0\n",
]


def _read(folder: Path, name: str, data: bytes) -> list[Event]:
    file = folder / name
    file.write_bytes(data)
    library = Library()
    library.add(file, name, find_zone("UTC"))
    events = []
    for timeline in arrange(library.series):
        session = Session(timeline.step, library.factors.get("AAPL"))
        for event in merge_events(timeline.series, Flag()):
            session.take(event)
            session.quote(event.symbol, None, event.due)
            events.append(event)
    assert all(isinstance(event, Event) for event in events)
    assert all(isinstance(problem, TickloomError) for problem in library.problems)
    return events


@_FEW
@given(name=st.sampled_from(_NAMES), data=st.binary(max_size=2_000))
def test_any_bytes(tmp_path: Path, name: str, data: bytes) -> None:
    _read(tmp_path, name, data)


@_FEW
@given(name=st.sampled_from(_NAMES), data=st.data())
def test_a_good_file_with_damage(tmp_path: Path, name: str, data: Any) -> None:
    whole = bytearray(data.draw(st.sampled_from(_WHOLE)))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not whole:
            break
    _read(tmp_path, name, bytes(whole[: data.draw(st.integers(0, len(whole)))]))


_VALUE = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "nan", "1e15", "1e-12", "9" * 30, '"', "2026-01-05"]),
    st.text(max_size=6),
    st.integers().map(str),
    st.floats().map(repr),
    st.datetimes().map(str),
)


@_FEW
@given(rows=st.lists(st.lists(_VALUE, min_size=6, max_size=6).map(",".join), max_size=6))
def test_any_rows_below_a_good_header(tmp_path: Path, rows: list[str]) -> None:
    text = "\n".join(["date,open,high,low,close,volume", *rows])
    _read(tmp_path, "AAPL.csv", text.encode("utf-8", "surrogatepass"))


@_FEW
@given(
    member=st.sampled_from(
        [
            "20140605_aapl_minute_trade.csv",
            "20140605_aapl_minute_quote.csv",
            "20131007_aapl_tick_trade.csv",
            "20131007_aapl_Quote_Tick.csv",
            "aapl.csv",
        ]
    ),
    rows=st.lists(st.lists(_VALUE, min_size=5, max_size=11).map(",".join), max_size=6),
)
def test_any_rows_in_an_archive(tmp_path: Path, member: str, rows: list[str]) -> None:
    packed = _zip(member, "\n".join(rows).encode("utf-8", "surrogatepass"))
    _read(tmp_path, "a.zip", packed)


@pytest.mark.parametrize("name", ["AAPL.csv", "AAPL.csv.gz", "a.zip"])
def test_a_line_without_end_is_given_up(tmp_path: Path, name: str) -> None:
    flood = b"1," * 10_000_000
    data = {
        "AAPL.csv": lambda: _CSV + flood,
        "AAPL.csv.gz": lambda: gzip.compress(_CSV + flood, 1),
        "a.zip": lambda: _zip("aapl.csv", b"20140605 00:00,1,2,1,2,10\n" + flood),
    }[name]()

    assert len(_read(tmp_path, name, data)) >= 1
