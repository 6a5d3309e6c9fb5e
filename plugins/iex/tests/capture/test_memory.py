"""Memory stays the same whatever the size of a capture."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="the memory of a process is measured on Unix only")

_SEGMENT_QUOTES = 30
_SMALL, _LARGE = 2_000, 40_000
_ROOM_MIB = 8
_RUN = """
import resource, sys
from datetime import date
from pathlib import Path
from threading import Event
from tickloom_iex.capture import CaptureOptions
from tickloom_iex.capture.archive import find_captures
from tickloom_iex.capture.playback import Playback
from tickloom_iex.capture.survey import Survey

path = Path(sys.argv[1])
captures = find_captures(path, Event())
survey = Survey(captures, None, Event())
while survey.step():
    pass
rows = sum(1 for _ in survey.trades.read("S7", 0, 2**63 - 1, Event()))
playback = Playback(captures, CaptureOptions(path=path, speed=0), Event())
quotes = 0
while (piece := playback.read({"S1", "S2"})) is not None:
    quotes += sum(len(one.quotes) for one in piece.moments)
print(survey.counts.messages, rows, quotes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def measure(forge, tmp_path):
    """Writes a capture of so many segments and returns what was found and the most memory, MiB."""

    def run(segments: int) -> tuple[list[int], float]:
        path: Path = tmp_path / f"{segments}.pcap"
        messages = [
            forge.trade(f"S{n}", 10_000 + n, key=n)
            if n % 4 == 3
            else forge.quote(f"S{n}", 10_000, 10_100)
            for n in range(_SEGMENT_QUOTES)
        ]
        packet = bytearray(forge.capture(forge.segment(*messages))[24:])
        segment = len(packet) - len(forge.segment(*messages))
        with path.open("wb") as file:
            file.write(forge.pcap([]))
            for place in range(segments):
                struct.pack_into(
                    "<qq",
                    packet,
                    segment + 24,
                    place * _SEGMENT_QUOTES + 1,
                    forge.open_ns + place * 1_000_000,
                )
                file.write(packet)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(path)], capture_output=True, text=True, check=True
        )
        *found, peak = map(int, done.stdout.split())
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return found, peak / unit

    return run


def test_a_capture_twenty_times_as_large_takes_no_more_memory(measure):
    small, small_mib = measure(_SMALL)
    large, large_mib = measure(_LARGE)

    assert small == [_SMALL * _SEGMENT_QUOTES, _SMALL, _SMALL * 2]
    assert large == [_LARGE * _SEGMENT_QUOTES, _LARGE, _LARGE * 2]
    assert large_mib - small_mib < _ROOM_MIB
