"""What a reading of a capture found, beyond the values themselves."""

from __future__ import annotations

from msgspec import Struct


class CaptureCounts(Struct, kw_only=True):
    """Counted while a capture is read; complete once its end is reached.

    Attributes:
        bytes_read: Of the capture, unpacked.
        packets: All in the capture.
        foreign: Packets that hold no segment of TOPS 1.5, TOPS 1.6 or DEEP 1.0, DEEP+ among them,
            and segments of another protocol than the capture's first one.
        segments: Segments of IEX-TP, heartbeats included.
        heartbeats: Segments without a message.
        messages: In the segments, without ``duplicates``.
        gaps: How often sequence numbers were missing.
        lost: How many messages are missing.
        late: Messages that filled a gap afterwards; not among ``lost``.
        duplicates: Messages that came again and were left out.
        restarts: How often the venue began to number anew within a session.
        unknown: Messages of unknown type, skipped.
        short: Messages shorter than their type, skipped.
        invalid: Messages with a symbol, price or size that cannot be, or beyond what is kept;
            skipped.
        breaks: Notices that a trade is broken.
        truncated: Segments that end in the middle, and the capture where it does.
    """

    bytes_read: int = 0
    packets: int = 0
    foreign: int = 0
    segments: int = 0
    heartbeats: int = 0
    messages: int = 0
    gaps: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    restarts: int = 0
    unknown: int = 0
    short: int = 0
    invalid: int = 0
    breaks: int = 0
    truncated: int = 0
