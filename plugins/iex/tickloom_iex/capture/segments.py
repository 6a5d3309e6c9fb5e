"""The segments of IEX-TP in a capture, each message of them once.

Source: IEX Transport Specification 1.25, IEX TOPS 1.5 and 1.6 and IEX DEEP 1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from enum import IntEnum
from pathlib import Path
from threading import Event as Flag

from msgspec import Struct

from tickloom.errors import BadRecord, ProviderUnavailable, verbatim
from tickloom_iex.capture.blocks import read_blocks
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.frames import find_udp
from tickloom_iex.capture.packets import read_packets

HEADER_BYTES = 40
_header = struct.Struct("<BxHIIHHqqq").unpack_from
_VERSION = 1
_MAX_STREAMS = 1_024
# The venue says that it lives every second, so what comes so much later is nothing sent again.
_ANEW_NS = 10_000_000_000
# More than a whole day has; a number beyond is a damaged one.
_MAX_GAP = 1_000_000_000
_MAX_SEQUENCE = 10_000_000_000
_MAX_GAPS = 64
# So many packets of something else, and none of ours among them, are another kind of capture.
_PATIENCE = 10_000


class Protocol(IntEnum):
    """What a segment carries."""

    TOPS_1_5 = 0x8002
    TOPS_1_6 = 0x8003
    DEEP_1_0 = 0x8004


_PROTOCOLS = frozenset(Protocol)


class Segment(Struct, frozen=True, gc=False):
    """A run of messages that were sent together.

    Attributes:
        data: Holds the messages, each after its length.
        begin: Of the messages in ``data``.
        end: Of the messages in ``data``.
        count: How many messages there are.
        repeated: How many of the first ones came before.
        sequence: Number of the first message.
        sent_ns: When the venue sent it, in nanoseconds since 1970.
        captured_ns: When it was captured.
        protocol: TOPS or DEEP.
        channel: Of the venue; each has symbols of its own.
        is_fresh: True where a session of the channel begins, or begins anew.
        is_after_gap: True where messages of the channel before it are missing.
    """

    data: bytes
    begin: int
    end: int
    count: int
    repeated: int
    sequence: int
    sent_ns: int
    captured_ns: int
    protocol: int
    channel: int
    is_fresh: bool
    is_after_gap: bool


class _Stream:
    """How far one session of one channel has been read."""

    __slots__ = ("_expected", "_gaps", "_newest_ns", "is_after_gap", "is_fresh")

    def __init__(self) -> None:
        self.is_fresh = True
        self.is_after_gap = False
        self._expected = -1
        self._newest_ns = 0
        # Begin and end of what is missing, for what comes out of order.
        self._gaps: list[tuple[int, int]] = []

    def take(self, first: int, count: int, sent_ns: int, counts: CaptureCounts) -> int:
        """Return how many of the messages came before; below 0 = the number cannot be."""
        expected = self._expected
        if first != expected:
            if not 0 <= first <= _MAX_SEQUENCE or (expected >= 0 and first > expected + _MAX_GAP):
                return -1
            if expected >= 0 and first > expected:
                self.is_after_gap = True
                counts.gaps += 1
                counts.lost += first - expected
                self._gaps = [*self._gaps[-_MAX_GAPS + 1 :], (expected, first)]
            elif first < expected and sent_ns <= self._newest_ns + (_ANEW_NS if count else 0):
                return self._take_late(first, count, counts)
            elif first < expected:
                # A later heartbeat tells the next number, so the venue has begun anew.
                counts.restarts += 1
                self.is_fresh = True
                self._gaps.clear()
        self._expected = first + count
        self._newest_ns = max(self._newest_ns, sent_ns)
        return 0

    def _take_late(self, first: int, count: int, counts: CaptureCounts) -> int:
        end = first + count
        for place, (begin, stop) in enumerate(self._gaps):
            if begin <= first and end <= stop and count:
                left = [gap for gap in ((begin, first), (end, stop)) if gap[0] < gap[1]]
                self._gaps[place : place + 1] = left
                counts.lost -= count
                counts.late += count
                return 0
        repeated = min(count, self._expected - first)
        counts.duplicates += repeated
        self._expected = max(self._expected, end)
        return repeated


class SegmentReader:
    """Reads the segments of captures, each once, in the order of their time.

    What one capture holds of a session, the next one may go on with or hold again.

    Args:
        counts: Takes what is found.
        halt: Once set, the reading ends early.
    """

    def __init__(self, counts: CaptureCounts, halt: Flag) -> None:
        self._counts = counts
        self._halt = halt
        self._streams: dict[tuple[int, int, int], _Stream] = {}
        self._protocol = 0
        self._stranger = 0

    def read(self, path: Path) -> Generator[Segment, None, None]:
        """Yield the segments that have new messages, in the order of the capture.

        All of them are of one protocol: a trade that TOPS and DEEP both tell is one trade.

        Raises:
            BadRecord: It is no capture, or not one of TOPS 1.5, TOPS 1.6 or DEEP 1.0.
            ProviderUnavailable: The file cannot be read.
        """
        counts = self._counts
        self._protocol = self._stranger = 0
        packets_before, foreign_before = counts.packets, counts.foreign
        try:
            blocks = read_blocks(path, counts, self._halt)
            for data, begin, end, captured_ns, link in read_packets(blocks, path.name, counts):
                counts.packets += 1
                place = find_udp(data, begin, end, link)
                segment = None
                if place is not None and place[1] - place[0] >= HEADER_BYTES:
                    segment = self._take(data, place[0], place[1], captured_ns)
                if segment is not None and segment.count > segment.repeated:
                    yield segment
                elif segment is None:
                    counts.foreign += 1
                    if not self._protocol and counts.foreign > foreign_before + _PATIENCE:
                        break
        except BadRecord:
            # A file that was hardly begun looks empty.
            if not self._halt.is_set():
                raise
        except OSError as error:
            raise ProviderUnavailable(
                f"the capture {path.name} cannot be read", found=verbatim(str(error.strerror))
            ) from error
        if not self._protocol and not self._halt.is_set():
            raise self._unusable(path.name, counts.packets - packets_before)

    def _take(self, data: bytes, begin: int, end: int, captured_ns: int) -> Segment | None:
        version, protocol, channel, session, length, count, _, first, sent_ns = _header(data, begin)
        if version != _VERSION or protocol not in _PROTOCOLS:
            self._stranger = protocol if version == _VERSION else self._stranger
            return None
        if protocol != self._protocol and self._protocol:
            return None
        counts = self._counts
        stream = self._stream((protocol, channel, session))
        repeated = stream.take(first, count, sent_ns, counts)
        if repeated < 0:
            return None
        self._protocol = protocol
        counts.segments += 1
        counts.heartbeats += not count
        counts.messages += count - repeated
        is_fresh, is_after_gap = stream.is_fresh, stream.is_after_gap
        if count > repeated:
            stream.is_fresh = stream.is_after_gap = False
        begin += HEADER_BYTES
        return Segment(
            data,
            begin,
            min(begin + length, end),
            count,
            repeated,
            first,
            sent_ns,
            captured_ns or sent_ns,
            protocol,
            channel,
            is_fresh,
            is_after_gap,
        )

    def _stream(self, key: tuple[int, int, int]) -> _Stream:
        stream = self._streams.get(key)
        if stream is None:
            if len(self._streams) >= _MAX_STREAMS:
                del self._streams[next(iter(self._streams))]
            stream = self._streams[key] = _Stream()
        return stream

    def _unusable(self, name: str, packets: int) -> BadRecord:
        stranger = f"protocol 0x{self._stranger:04x}" if self._stranger else "no IEX-TP segment"
        return BadRecord(
            f"the capture {name} is of another kind",
            found=verbatim(f"{stranger} in {packets} packets"),
            expected="TOPS 1.5 (0x8002), TOPS 1.6 (0x8003) or DEEP 1.0 (0x8004)",
        )
