"""Segments of IEX-TP: every message once, whatever the network did."""

from __future__ import annotations

import pytest

from tickloom.errors import BadRecord


def _play(forge, read, *parts, **options):
    """Read a capture of segments, each given as letters, first number and seconds."""
    made = [
        forge.segment(*(forge.event(one) for one in letters), sequence=first, at=at, **options)
        for letters, first, at in parts
    ]
    found = read(forge.capture(*made))
    return "".join(one.event for one in found.messages), found.counts


def test_heartbeats_are_counted_and_give_nothing(forge, read):
    letters, counts = _play(forge, read, ("OS", 1, 0), ("", 3, 1), ("R", 3, 2))

    assert letters == "OSR"
    assert (counts.segments, counts.heartbeats, counts.messages) == (3, 1, 3)
    assert counts.gaps == counts.duplicates == counts.restarts == 0


def test_a_gap_is_counted_with_what_is_missing(forge, read):
    letters, counts = _play(forge, read, ("OS", 1, 0), ("R", 10, 1))

    assert letters == "OSR"
    assert (counts.gaps, counts.lost) == (1, 7)


def test_a_heartbeat_tells_of_a_gap_too(forge, read):
    _, counts = _play(forge, read, ("OS", 1, 0), ("", 5, 1), ("R", 5, 2))

    assert (counts.gaps, counts.lost) == (1, 2)


def test_what_was_sent_twice_is_read_once(forge, read):
    letters, counts = _play(forge, read, ("OS", 1, 0), ("OS", 1, 0), ("SRM", 2, 1))

    assert letters == "OSRM"
    assert (counts.duplicates, counts.messages) == (3, 4)


def test_what_comes_late_fills_its_gap_once(forge, read):
    letters, counts = _play(
        forge, read, ("O", 1, 0), ("ME", 4, 2), ("SR", 2, 1), ("SR", 2, 1), ("C", 6, 3)
    )

    assert letters == "OMESRC"
    assert (counts.gaps, counts.lost, counts.late, counts.duplicates) == (1, 0, 2, 2)


def test_a_number_far_ahead_does_not_hide_what_follows(forge, read):
    letters, counts = _play(
        forge, read, ("O", 1, 0), ("S", 900_000, 1), ("R", 2, 2), ("M", 3, 3), ("EC", 4, 4)
    )

    assert letters == "OSRMEC"
    assert counts.late == 4


@pytest.mark.parametrize("number", [-1, 2_000_000_000, 2**62])
def test_a_number_that_cannot_be_is_foreign(forge, read, number):
    letters, counts = _play(forge, read, ("O", 1, 0), ("S", number, 1), ("R", 2, 2))

    assert letters == "OR"
    assert counts.foreign == 1


def test_a_later_heartbeat_with_a_lower_number_is_a_restart(forge, read):
    letters, counts = _play(forge, read, ("OS", 1, 0), ("", 1, 5), ("OR", 1, 6))

    assert letters == "OSOR"
    assert (counts.restarts, counts.duplicates) == (1, 0)


def test_messages_with_a_lower_number_long_after_are_a_restart(forge, read):
    letters, counts = _play(forge, read, ("OS", 1, 0), ("OR", 1, 60))

    assert letters == "OSOR"
    assert counts.restarts == 1


def test_a_begin_and_a_restart_are_told_with_the_segment(forge, read):
    parts = [("O", 1, 0), ("S", 2, 1), ("", 1, 5), ("O", 1, 6), ("S", 2, 7)]
    made = [
        forge.segment(*(forge.event(one) for one in letters), sequence=first, at=at)
        for letters, first, at in parts
    ]

    found = read(forge.capture(*made))

    assert [one.is_fresh for one in found.segments] == [True, False, True, False]


def test_channels_and_sessions_are_numbered_each_for_itself(forge, read):
    made = [
        forge.segment(forge.event("O"), sequence=1, channel=1, session=1),
        forge.segment(forge.event("S"), sequence=1, channel=2, session=1),
        forge.segment(forge.event("R"), sequence=1, channel=1, session=2),
        forge.segment(forge.event("M"), sequence=2, channel=2, session=1),
    ]

    found = read(forge.capture(*made))

    assert "".join(one.event for one in found.messages) == "OSRM"
    assert found.counts.gaps == found.counts.duplicates == 0


def test_a_second_protocol_in_a_capture_is_foreign(forge, read):
    made = [
        forge.segment(forge.event("O"), protocol=0x8003),
        forge.segment(forge.event("S"), protocol=0x8004),
    ]

    found = read(forge.capture(*made))

    assert [one.event for one in found.messages] == ["O"]
    assert found.counts.foreign == 1


@pytest.mark.parametrize("protocol", [0x8002, 0x8003, 0x8004])
def test_tops_and_deep_are_known(forge, read, protocol):
    assert (
        len(read(forge.capture(forge.segment(forge.event("O"), protocol=protocol))).messages) == 1
    )


def test_another_protocol_is_refused_by_its_number(forge, read):
    with pytest.raises(BadRecord, match="found protocol 0x8005 in 1 packets"):
        read(forge.capture(forge.segment(forge.event("O"), protocol=0x8005)))


def test_another_version_of_the_transport_is_no_segment(forge, read):
    with pytest.raises(BadRecord, match="no IEX-TP segment in 1 packets"):
        read(forge.capture(forge.segment(forge.event("O"), version=2)))


def test_a_long_file_of_something_else_is_given_up(forge, read):
    with pytest.raises(BadRecord, match="in 10001 packets"):
        read(forge.pcap([forge.frame(b"\x01" * 60)] * 20_000))


def test_more_sessions_than_a_day_has_are_read_all_the_same(forge, read):
    made = [forge.segment(forge.event("O"), session=number) for number in range(1_500)]

    assert len(read(forge.capture(*made)).messages) == 1_500
