"""From a file to datagrams: packing, both forms of captures, and what frames carry."""

from __future__ import annotations

import gzip
import struct

import pytest

from tickloom.errors import BadRecord, ProviderUnavailable


@pytest.fixture
def segment(forge):
    return forge.segment(forge.quote("AAPL", 1_000_000, 1_000_100))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_a_pcap_is_read_in_either_byte_order_and_resolution(forge, read, segment, order, nano):
    at_ns = forge.open_ns + 123_456_789

    found = read(forge.pcap([forge.frame(segment)], order=order, nano=nano, at_ns=at_ns))

    assert [one.symbol for one in found.messages] == ["AAPL"]
    assert found.segments[0].captured_ns == (at_ns if nano else at_ns // 1_000 * 1_000)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_is_read_in_either_byte_order(forge, read, segment, order):
    found = read(forge.pcapng([forge.frame(segment)], order=order))

    assert [one.symbol for one in found.messages] == ["AAPL"]
    assert found.segments[0].captured_ns == forge.open_ns


@pytest.mark.parametrize(
    ("options", "ticks", "offset_ns"),
    [
        ({9: b"\x09"}, 1_709_649_000_000_000_001, 1),
        ({9: b"\x03"}, 1_709_649_000_500, 500_000_000),
        ({9: b"\x81"}, 2 * 1_709_649_000 + 1, 500_000_000),
        ({14: struct.pack("<q", 1_709_640_000)}, 9_000 * 1_000_000, 0),
        ({2: b"eth0", 9: b"\x09"}, 1_709_649_000_000_000_002, 2),
    ],
)
def test_an_interface_says_how_its_times_are_to_be_read(
    forge, read, segment, options, ticks, offset_ns
):
    content = (
        forge.section()
        + forge.interface(options=options)
        + forge.packet(forge.frame(segment), ticks=ticks)
    )

    assert read(content).segments[0].captured_ns == forge.open_ns + offset_ns


def test_each_interface_of_a_pcapng_has_a_link_type_of_its_own(forge, read):
    first = forge.segment(forge.event("O"))
    second = forge.segment(forge.event("S"), sequence=2)
    content = (
        forge.section()
        + forge.interface(link=1)
        + forge.interface(link=101)
        + forge.packet(forge.frame(first))
        + forge.packet(forge.ipv4(second), interface=1)
        + forge.packet(forge.frame(first), interface=2)
    )

    found = read(content)

    assert [one.event for one in found.messages] == ["O", "S"]
    assert found.counts.truncated == 1


def test_a_pcapng_may_change_its_byte_order_with_a_new_section(forge, read):
    first = forge.pcapng([forge.frame(forge.segment(forge.event("O")))], order=">")
    second = forge.pcapng([forge.frame(forge.segment(forge.event("S"), sequence=2))])

    assert [one.event for one in read(first + second).messages] == ["O", "S"]


def test_older_packet_blocks_and_unknown_blocks_of_a_pcapng_are_known(forge, read):
    frames = [
        forge.frame(forge.segment(forge.event(letter), sequence=number))
        for number, letter in enumerate("OS", 1)
    ]
    simple = forge.block(3, struct.pack("<I", len(frames[0])) + frames[0])
    older = forge.block(2, struct.pack("<2H4I", 0, 0, 0, 1, len(frames[1]), 0) + frames[1])
    content = forge.section() + forge.interface() + simple + forge.block(77, b"what") + older

    assert [one.event for one in read(content).messages] == ["O", "S"]


def test_the_content_decides_what_a_file_is(forge, read, segment):
    found = read(gzip.compress(forge.capture(segment)), name="wrong.pcapng")

    assert len(found.messages) == 1


def test_several_gzip_members_and_zeros_after_them_are_read_as_one(forge, read):
    content = forge.capture(
        forge.segment(forge.event("O")), forge.segment(forge.event("S"), sequence=2)
    )
    packed = gzip.compress(content[:100]) + gzip.compress(content[100:]) + b"\0" * 512

    found = read(packed)

    assert [one.event for one in found.messages] == ["O", "S"]
    assert found.counts.truncated == 0


def test_a_gzip_that_is_cut_gives_what_came_before(forge, read):
    segments = forge.segments([[forge.quote(f"S{n}", n + 1, n + 2)] for n in range(2_000)])
    packed = gzip.compress(forge.capture(*segments))

    found = read(packed[: len(packed) // 2])

    assert 0 < len(found.messages) < 2_000
    assert found.counts.truncated >= 1


def test_a_gzip_that_is_damaged_gives_what_came_before(forge, read):
    segments = forge.segments([[forge.quote(f"S{n}", n + 1, n + 2)] for n in range(9_000)])
    packed = bytearray(gzip.compress(forge.capture(*segments)))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = b"\xff" * 64

    found = read(bytes(packed))

    assert len(found.messages) < 9_000
    assert found.counts.truncated >= 1


def test_a_pcap_that_is_cut_gives_what_came_before(forge, read, segment):
    content = forge.capture(segment, forge.segment(forge.event("O"), sequence=2))

    found = read(content[:-5])

    assert len(found.messages) == 1
    assert found.counts.truncated == 1


def test_a_pcapng_that_is_cut_gives_what_came_before(forge, read, segment):
    content = forge.pcapng([forge.frame(segment), forge.frame(segment)])

    found = read(content[:-5])

    assert len(found.messages) == 1
    assert found.counts.truncated == 1


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"\x00\x11\x22\x33\xf0\xf0\xf0\xf0" * 8])
def test_a_length_that_cannot_be_ends_a_capture_and_is_counted(forge, read, segment, garbage):
    found = read(forge.capture(segment) + garbage + forge.capture(segment)[24:])

    assert len(found.messages) == 1
    assert found.counts.truncated == 1


def test_garbage_in_a_packet_does_not_hide_the_next_one(forge, read, segment):
    frames = [forge.frame(segment), b"\xa5" * 90, b"", forge.frame(b"no segment")]
    frames.append(forge.frame(forge.segment(forge.event("O"), sequence=2)))

    found = read(forge.pcap(frames))

    assert len(found.messages) == 2
    assert found.counts.foreign == 3


@pytest.mark.parametrize("content", [b"", b"no capture at all", b"\xd4\xc3\xb2\xa1", b"\x1f\x8b"])
def test_what_is_no_capture_is_refused_by_its_name(read, content):
    with pytest.raises(BadRecord, match="capture is no capture"):
        read(content)


def test_a_file_that_is_not_there_is_told(read, tmp_path):
    with pytest.raises(ProviderUnavailable, match=r"nowhere\.pcap cannot be read"):
        read(tmp_path / "nowhere.pcap")


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x9100,)])
def test_vlan_tags_are_passed_over(forge, read, segment, tags):
    found = read(forge.pcap([forge.frame(segment, tags=tags)]))

    assert len(found.messages) == 1


@pytest.mark.parametrize("extensions", [0, 1, 3])
def test_ipv6_is_read_with_and_without_extensions(forge, read, segment, extensions):
    packet = forge.ipv6(segment, extensions=extensions)

    found = read(forge.pcap([forge.frame(b"", packet=packet, kind=0x86DD)]))

    assert len(found.messages) == 1


def test_ipv4_options_are_passed_over(forge, read, segment):
    found = read(forge.pcap([forge.frame(b"", packet=forge.ipv4(segment, options=b"\x01" * 8))]))

    assert len(found.messages) == 1


@pytest.mark.parametrize("fragment", [0x2000, 0x0010])
def test_fragments_and_other_protocols_are_foreign(forge, read, segment, fragment):
    frames = [
        forge.frame(segment),
        forge.frame(b"", packet=forge.ipv4(segment, fragment=fragment)),
        forge.frame(b"", packet=forge.ipv4(segment, kind=6)),
        forge.frame(segment, kind=0x0806),
    ]

    found = read(forge.pcap(frames))

    assert (len(found.messages), found.counts.foreign) == (1, 3)


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (101, b""),
        (12, b""),
        (0, b"\x02\0\0\0"),
        (113, b"\0" * 14 + b"\x08\x00"),
        (276, b"\x08\x00" + b"\0" * 18),
    ],
)
def test_other_links_than_ethernet_are_known(forge, read, segment, link, head):
    found = read(forge.pcap([head + forge.ipv4(segment)], link=link))

    assert len(found.messages) == 1


def test_a_link_that_is_not_known_is_foreign(forge, read, segment):
    with pytest.raises(BadRecord, match="is of another kind"):
        read(forge.pcap([forge.frame(segment)], link=105))


def test_what_fills_a_frame_up_is_no_part_of_it(forge, read, segment):
    found = read(forge.pcap([forge.frame(segment) + b"\xee" * 20]))

    assert len(found.messages) == 1
    assert found.counts.truncated == 0
