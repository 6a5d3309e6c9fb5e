"""How many messages of a capture are read in a second, on one core.

Run with ``--benchmark-enable --benchmark-only``: a line for each is printed.
"""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event as Flag

import pytest

from tickloom.model import Interval
from tickloom.roles import HistoryRequest
from tickloom_iex.capture.archive import find_captures
from tickloom_iex.capture.bars import make_bars
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.messages import decode_segment
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.playback import Playback
from tickloom_iex.capture.segments import SegmentReader
from tickloom_iex.capture.survey import Survey
from tickloom_iex.capture.symbols import Names
from tickloom_iex.capture.trades import read_trades

_SYMBOLS = 500
_SEGMENTS = 4_000
_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_DAY = date(2024, 3, 5)


@pytest.fixture(scope="module")
def tops(forge, tmp_path_factory) -> Path:
    """A capture as a busy minute has it: twenty messages a segment, one in ten a trade."""
    batches, number = [], 0
    for place in range(_SEGMENTS):
        batch = []
        for _ in range(20):
            number += 1
            symbol, at = f"S{number * 7919 % _SYMBOLS}", place / 100
            price = 100_000 + number * 31 % 900 * 100
            if number % 10:
                batch.append(forge.quote(symbol, price, price + 100, at=at))
            else:
                batch.append(forge.trade(symbol, price, key=number, at=at))
        batches.append(batch)
    path = tmp_path_factory.mktemp("speed") / "tops.pcap"
    path.write_bytes(forge.capture(*forge.segments(batches, step=0.01)))
    return path


@pytest.fixture
def measure(benchmark, capsys):
    """Measures ``run``, which returns how many messages it took or made."""

    def go(name, run):
        benchmark.group = "IEX captures"
        count = benchmark(run)
        assert count > 0
        if benchmark.stats is not None:
            rate = count / benchmark.stats.stats.median
            benchmark.extra_info["per_s"] = round(rate)
            with capsys.disabled():
                print(f"\n{name}: {rate:,.0f}/s ({count:,} in each round)")  # noqa: T201 - what was measured

    return go


def _decode(path: Path) -> int:
    counts, names = CaptureCounts(), Names()
    for segment in SegmentReader(counts, Flag()).read(path):
        decode_segment(segment, counts, names)
    return counts.messages


def _play(path: Path, wanted: frozenset[str]) -> tuple[int, int]:
    captures = find_captures(path, Flag())
    playback = Playback(captures, CaptureOptions(path=path, speed=0), Flag())
    quotes = 0
    while (piece := playback.read(wanted)) is not None:
        quotes += sum(len(one.quotes) for one in piece.moments)
    return playback.counts.messages, quotes


def _survey(path: Path) -> Survey:
    survey = Survey(find_captures(path, Flag()), None, Flag())
    while survey.step():
        pass
    return survey


def test_decoding_a_capture_into_messages(tops, measure):
    measure("capture to messages", lambda: _decode(tops))


def test_decoding_a_packed_capture_into_messages(tops, measure, tmp_path):
    packed = tmp_path / "tops.pcap.gz"
    packed.write_bytes(gzip.compress(tops.read_bytes()))

    measure("packed capture to messages", lambda: _decode(packed))


@pytest.mark.parametrize("name", ["TOPS16_slice.pcap.gz", "DEEP10_slice.pcap.gz"])
def test_decoding_a_recorded_capture_into_messages(recorded, measure, name):
    measure(f"{name} to messages", lambda: _decode(recorded / name))


def test_playing_all_symbols(tops, measure):
    everything = frozenset(f"S{number}" for number in range(_SYMBOLS))

    assert _play(tops, everything) == (80_000, 80_000)
    measure("messages to Quote, all symbols wanted", lambda: _play(tops, everything)[0])


def test_playing_few_symbols(tops, measure):
    few = frozenset(f"S{number}" for number in range(5))

    measure("capture folded, 5 of 500 symbols wanted", lambda: _play(tops, few)[0])


def test_looking_through_a_capture(tops, measure):
    def run() -> int:
        survey = _survey(tops)
        survey.close()
        return survey.counts.messages

    measure("capture looked through for history", run)


def test_reading_trades(tops, measure):
    def run() -> int:
        counts = CaptureCounts()
        assert sum(1 for _ in read_trades(tops, _NOW, counts)) == counts.messages // 10
        return counts.messages

    measure("messages searched for trades, one in ten to Trade", run)


def test_making_bars(tops, measure):
    survey = _survey(tops)
    request = HistoryRequest(symbol="S0", start=_DAY, end=_DAY, interval=Interval.SECOND)
    kept = _SEGMENTS * 2

    def run() -> int:
        make_bars(survey.trades.read("S0", 0, 2**63 - 1, Flag()), request)
        return kept

    measure("kept trades searched for bars of one symbol", run)
    survey.close()
