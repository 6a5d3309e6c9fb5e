"""Which captures of a folder are read."""

from __future__ import annotations

from pathlib import Path
from threading import Event as Flag

import pytest

from tickloom.errors import ProviderUnavailable
from tickloom_iex.capture.archive import find_captures, read_captures
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.segments import SegmentReader

_DAY = 86_400.0


def _find(path: Path):
    return find_captures(path, Flag())


def test_captures_are_read_by_time_not_by_name(forge, tmp_path):
    for name, day in (("a", 2), ("b", 0), ("c", 1)):
        segment = forge.segment(forge.event("O"), at=day * _DAY)
        (tmp_path / name).write_bytes(forge.capture(segment))

    assert [one.path.name for one in _find(tmp_path)] == ["b", "c", "a"]


def test_of_a_day_in_two_protocols_the_one_of_tops_is_read(forge, tmp_path):
    for name, protocol in (("deep", 0x8004), ("old", 0x8002), ("new", 0x8003)):
        segment = forge.segment(forge.event("O"), protocol=protocol)
        (tmp_path / name).write_bytes(forge.capture(segment))
    later = forge.segment(forge.event("O"), protocol=0x8004, at=_DAY)
    (tmp_path / "later").write_bytes(forge.capture(later))

    assert [one.path.name for one in _find(tmp_path)] == ["new", "later"]


def test_other_files_hidden_ones_and_subfolders_are_left_out(forge, tmp_path):
    capture = forge.capture(forge.segment(forge.event("O")))
    (tmp_path / "good.pcap").write_bytes(capture)
    (tmp_path / ".hidden.pcap").write_bytes(capture)
    (tmp_path / "README.txt").write_text("these are captures")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "deeper.pcap").write_bytes(capture)

    assert [one.path.name for one in _find(tmp_path)] == ["good.pcap"]


def test_without_a_capture_the_setting_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ProviderUnavailable, match=r"Check plugins\.iex\.captures\.path\."):
            _find(path)


def test_a_capture_of_heartbeats_alone_is_none(forge, tmp_path):
    (tmp_path / "quiet.pcap").write_bytes(forge.capture(forge.segment()))

    with pytest.raises(ProviderUnavailable, match="has no message"):
        _find(tmp_path)


def test_a_session_goes_on_from_one_capture_to_the_next(forge, tmp_path):
    first = [[forge.event(one)] for one in "OSR"]
    made = forge.segments([*first, [forge.event("M")]])
    (tmp_path / "1").write_bytes(forge.capture(*made[:3]))
    (tmp_path / "2").write_bytes(forge.capture(*made[2:]))
    counts = CaptureCounts()

    segments = list(read_captures(_find(tmp_path), counts, Flag()))

    assert sum(one.count for one in segments) == 4
    assert (counts.messages, counts.duplicates, counts.gaps) == (4, 1, 0)


def test_a_day_that_uses_the_session_number_of_the_one_before_is_read(forge, tmp_path):
    for name, day in (("1", 0), ("2", 1)):
        segment = forge.segment(forge.event("O"), forge.event("S"), at=day * _DAY)
        (tmp_path / name).write_bytes(forge.capture(segment))
    counts = CaptureCounts()

    assert len(list(read_captures(_find(tmp_path), counts, Flag()))) == 2
    assert counts.restarts == 1


def test_a_capture_that_is_gone_meanwhile_is_left_out(forge, tmp_path):
    for name in "12":
        segment = forge.segment(forge.event("O"), session=int(name), at=float(name))
        (tmp_path / name).write_bytes(forge.capture(segment))
    captures = _find(tmp_path)
    (tmp_path / "1").unlink()

    assert len(list(read_captures(captures, CaptureCounts(), Flag()))) == 1


def test_a_reading_ends_early_when_it_is_told_to(forge, tmp_path):
    many = forge.segments([[forge.event("O")] * 50 for _ in range(4_000)])
    (tmp_path / "1").write_bytes(forge.capture(*many))
    halt = Flag()
    segments = read_captures(_find(tmp_path), CaptureCounts(), halt)
    next(segments)

    halt.set()

    assert len(list(segments)) < 3_999


def test_a_reading_that_is_ended_before_it_began_complains_of_no_file(forge, tmp_path):
    (tmp_path / "1").write_bytes(forge.capture(forge.segment(forge.event("O"))))
    captures = _find(tmp_path)
    halt = Flag()
    halt.set()

    assert list(SegmentReader(CaptureCounts(), halt).read(captures[0].path)) == []
    with pytest.raises(ProviderUnavailable, match="the captures are closed"):
        find_captures(tmp_path, halt)
