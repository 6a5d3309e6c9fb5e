"""The packets of a capture, pcap or pcapng, in either byte order."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from msgspec import Struct

from tickloom.errors import BadRecord
from tickloom_iex.capture.counts import CaptureCounts

Packet = tuple[bytes, int, int, int, int]
"""Buffer, begin and end in it, nanoseconds since 1970 (0 = not known) and link type."""

_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_PCAP_HEADER = 24
_SECTION = b"\x0a\x0d\x0d\x0a"
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_RESOLUTION, _OFFSET = 9, 14
_LEAST_BLOCK, _LEAST_INTERFACE, _LEAST_SIMPLE, _LEAST_PACKET = 12, 8, 4, 20
_OFFSET_BYTES = 8
_MAX_PACKET = 1 << 20
_MAX_BLOCK = 1 << 24
_MAX_INTERFACES = 4_096
_SECOND = 1_000_000_000


def read_packets(blocks: Iterable[bytes], name: str, counts: CaptureCounts) -> Iterator[Packet]:
    """Yield the packets in their order; what is damaged or cut ends it and is counted.

    Raises:
        BadRecord: It is no capture.
    """
    source = iter(blocks)
    head = b""
    while len(head) < _PCAP_HEADER:
        block = next(source, b"")
        if not block:
            break
        head += block
    if head[:4] in _PCAP and len(head) >= _PCAP_HEADER:
        return _read_pcap(head, source, counts)
    if head.startswith(_SECTION) and head[8:12] in _ORDERS:
        return _Sections(counts).read(head, source)
    raise BadRecord(
        f"{name} is no capture",
        found=head[:8] if head else "an empty file",
        expected="pcap or pcapng, packed with gzip or not",
    )


def _read_pcap(head: bytes, source: Iterator[bytes], counts: CaptureCounts) -> Iterator[Packet]:
    order, scale = _PCAP[head[:4]]
    link = struct.unpack_from(f"{order}I", head, 20)[0] & 0xFFFF
    header = struct.Struct(f"{order}4I").unpack_from
    data, position, kept = head, _PCAP_HEADER, 0
    # A length that cannot be is damage, and nothing tells where the next packet begins.
    while kept <= _MAX_PACKET:
        end = len(data)
        while position + 16 <= end:
            seconds, fraction, kept, _ = header(data, position)
            stop = position + 16 + kept
            if stop > end or kept > _MAX_PACKET:
                break
            yield data, position + 16, stop, seconds * _SECOND + fraction * scale, link
            position = stop
        block = next(source, b"")
        if not block:
            break
        data, position = data[position:] + block, 0
    counts.truncated += position < len(data)


class _Link(Struct, frozen=True):
    """One interface of a pcapng section; ``tick_ns`` is numerator and denominator."""

    kind: int
    tick_ns: tuple[int, int]
    offset_ns: int


class _Sections:
    """The state that blocks of pcapng share: byte order and interfaces."""

    def __init__(self, counts: CaptureCounts) -> None:
        self._counts = counts
        self._order = "<"
        self._links: list[_Link] = []

    def read(self, head: bytes, source: Iterator[bytes]) -> Iterator[Packet]:
        data, position = head, 0
        while True:
            end = len(data)
            length = 0
            while position + _LEAST_BLOCK <= end:
                kind, length = self._frame(data, position)
                if not _LEAST_BLOCK <= length <= _MAX_BLOCK or position + length > end:
                    break
                packet = self._take(kind, data, position + 8, position + length - 4)
                if packet is not None:
                    yield packet
                position += length
            is_damaged = position + _LEAST_BLOCK <= end and not _LEAST_BLOCK <= length <= _MAX_BLOCK
            block = b"" if is_damaged else next(source, b"")
            if not block:
                self._counts.truncated += position < end
                return
            data, position = data[position:] + block, 0

    def _frame(self, data: bytes, position: int) -> tuple[int, int]:
        if data.startswith(_SECTION, position):
            self._order = _ORDERS.get(data[position + 8 : position + 12], "")
            self._links.clear()
            if not self._order:
                return 0, 0
        kind, length = struct.unpack_from(f"{self._order}2I", data, position)
        return kind, length

    def _take(self, kind: int, data: bytes, begin: int, end: int) -> Packet | None:
        if kind == _PACKET and end - begin >= _LEAST_PACKET:
            link, high, low, kept = struct.unpack_from(f"{self._order}4I", data, begin)
            return self._packet(link, (high << 32) + low, data, begin + 20, begin + 20 + kept, end)
        if kind == _INTERFACE and end - begin >= _LEAST_INTERFACE:
            if len(self._links) >= _MAX_INTERFACES:
                return None
            self._links.append(self._read_link(data, begin, end))
        elif kind == _SIMPLE_PACKET and end - begin >= _LEAST_SIMPLE:
            kept = struct.unpack_from(f"{self._order}I", data, begin)[0]
            return self._packet(0, 0, data, begin + 4, min(begin + 4 + kept, end), end)
        elif kind == _OLD_PACKET and end - begin >= _LEAST_PACKET:
            link, _, high, low, kept = struct.unpack_from(f"{self._order}2H3I", data, begin)
            return self._packet(link, (high << 32) + low, data, begin + 20, begin + 20 + kept, end)
        return None

    def _packet(
        self, link: int, ticks: int, data: bytes, begin: int, stop: int, end: int
    ) -> Packet | None:
        if link >= len(self._links) or stop > end:
            self._counts.truncated += 1
            return None
        source = self._links[link]
        numerator, denominator = source.tick_ns
        time_ns = ticks * numerator // denominator + source.offset_ns if ticks else 0
        return data, begin, stop, time_ns, source.kind

    def _read_link(self, data: bytes, begin: int, end: int) -> _Link:
        kind = struct.unpack_from(f"{self._order}H", data, begin)[0]
        resolution, offset_s, position = 6, 0, begin + 8
        while position + 4 <= end:
            code, length = struct.unpack_from(f"{self._order}2H", data, position)
            if not code:
                break
            if code == _RESOLUTION and length == 1 and position + 4 < end:
                resolution = data[position + 4]
            elif code == _OFFSET and length == _OFFSET_BYTES and position + 12 <= end:
                offset_s = struct.unpack_from(f"{self._order}q", data, position + 4)[0]
            position += 4 + (length + 3) // 4 * 4
        power = resolution & 0x7F
        tick_ns = _SECOND, 1 << power if resolution & 0x80 else 10**power
        return _Link(kind, tick_ns, offset_s * _SECOND)
