import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import ConfigError
from tickloom.model import Quality, Quote, encode_json

START = datetime(2026, 1, 5, 15, tzinfo=UTC)
HEADER = b'{"type":"recording","version":1,"started_at":"2026-01-05T15:00:00Z","source":"yahoo"}\n'


def _line(second: float, price: str = "1.50", symbol: str = "AAPL", **fields: Any) -> bytes:
    at = START + timedelta(seconds=second)
    quote = Quote(
        symbol=symbol,
        provider="yahoo",
        timestamp=at,
        received_at=at + timedelta(milliseconds=300),
        is_real_time=True,
        current_price=Decimal(price),
        **fields,
    )
    record = {"type": "market_data", "symbol": symbol, "epoch": "e", "sequence": 1, "data": quote}
    return encode_json(record) + b"\n"


def test_each_line_is_an_event_due_when_it_was_received(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    (tmp_path / "day.jsonl").write_bytes(HEADER + _line(0) + _line(1, "1.60"))

    first, second = events_of(open_library(tmp_path), "AAPL")

    assert first.begin == START
    assert first.due == START + timedelta(milliseconds=300)
    assert second.quote.current_price == Decimal("1.60")


def test_a_recording_is_known_by_its_first_line_whatever_its_name(
    tmp_path: Path, open_library: Any
) -> None:
    (tmp_path / "monday.rec").write_bytes(HEADER + _line(0))
    (tmp_path / "tuesday.jsonl.gz").write_bytes(gzip.compress(HEADER + _line(0, symbol="MSFT")))

    assert open_library(tmp_path).symbols == {"AAPL", "MSFT"}


@pytest.mark.parametrize("packed", [False, True])
def test_a_last_line_cut_off_is_skipped_and_counted(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
    packed: bool,
) -> None:
    whole = HEADER + _line(0) + _line(1) + _line(2)[:-80]
    (tmp_path / "day.jsonl").write_bytes(gzip.compress(whole) if packed else whole)
    library = open_library(tmp_path)

    assert len(events_of(library, "AAPL")) == 2
    assert library.bad_rows == {"day.jsonl": 1}


def test_an_archive_cut_off_gives_what_is_before_the_cut(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    import random

    source = random.Random(1)
    lines = b"".join(_line(second, f"1.{source.randint(1, 10**9)}") for second in range(2_000))
    packed = gzip.compress(HEADER + lines)
    (tmp_path / "day.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    library = open_library(tmp_path)

    assert 500 < len(events_of(library, "AAPL")) < 1_500
    assert library.bad_rows == {"day.jsonl.gz": 1}


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b'{"type":"heartbeat"}\n',
        _line(0).replace(b'"symbol":"AAPL","epoch"', b'"symbol":"MSFT","epoch"'),
        _line(0).replace(b'"current_price":1.50', b'"current_price":"NaN"'),
        _line(0).replace(b'"current_price":1.50', b'"current_price":1e999999'),
        _line(0).replace(b"15:00:00Z", b"15:00:00"),
        b'{"type":"market_data","symbol":"A","data":{"additional_data":' + b'{"a":' * 9_000 + b"\n",
    ],
)
def test_a_line_that_cannot_be_used_is_skipped_and_counted(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
    line: bytes,
) -> None:
    (tmp_path / "day.jsonl").write_bytes(HEADER + line + _line(5))
    library = open_library(tmp_path)

    assert len(events_of(library, "AAPL")) == 1
    assert library.bad_rows == {"day.jsonl": 1}


def test_the_holes_that_a_recording_tells_of_are_no_bad_rows(
    tmp_path: Path, open_library: Any, events_of: Any
) -> None:
    slow = b'{"type":"gap","symbol":"AAPL","dropped":3,"last_sequence":4}\n'
    cut = b'{"type":"gap","symbols":["AAPL"],"reason":"the connection was lost"}\n'
    (tmp_path / "day.jsonl").write_bytes(HEADER + _line(0) + slow + cut + _line(1))
    library = open_library(tmp_path)

    assert len(events_of(library, "AAPL")) == 2
    assert library.bad_rows == {}


@pytest.mark.parametrize("version", ["2", '"one"', "null"])
def test_another_version_is_refused_with_file_and_line(
    tmp_path: Path, open_library: Any, version: str
) -> None:
    header = f'{{"type":"recording","version":{version}}}\n'.encode()
    (tmp_path / "day.jsonl").write_bytes(header + _line(0))

    with pytest.raises(ConfigError, match=r"day\.jsonl cannot be used: line 1: "):
        open_library(tmp_path)


def test_the_volume_of_an_event_is_what_came_since_the_one_before(
    tmp_path: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    volumes = [1_000, 1_500, 1_500, 200]
    lines = b"".join(_line(second, volume=volume) for second, volume in enumerate(volumes))
    (tmp_path / "day.jsonl").write_bytes(HEADER + lines)

    bars = [event.bar.volume for event in events_of(open_library(tmp_path), "AAPL")]

    assert bars == [None, 500, 0, 200]


async def test_a_played_quote_is_the_recorded_one_but_for_its_provenance(
    tmp_path: Path, make_provider: Any
) -> None:
    line = _line(
        0, bid=Decimal("1.49"), sequence=7, quality=Quality.FLAGGED, fallback_from="iex", volume=9
    )
    (tmp_path / "day.jsonl").write_bytes(HEADER + line)
    provider = make_provider(tmp_path, shift_to_now=False)

    quote = (await provider.get_quotes(["AAPL"]))["AAPL"]

    assert (quote.current_price, quote.bid, quote.volume) == (Decimal("1.50"), Decimal("1.49"), 9)
    assert (quote.provider, quote.is_real_time, quote.sequence) == ("replay", False, 0)
    assert (quote.quality, quote.fallback_from) == (Quality.OK, None)
    assert quote.timestamp == START


def test_the_line_in_this_test_is_the_line_of_the_format() -> None:
    record = json.loads(_line(0))

    assert list(record) == ["type", "symbol", "epoch", "sequence", "data"]
