"""WebSocket frames of a server, without a mask and never split (RFC 6455, section 5.2)."""

from __future__ import annotations

TEXT, BINARY = 0x81, 0x82
_SHORT, _MIDDLE = 126, 65_536


def frame_of(opcode: int, payload: bytes) -> bytes:
    """Return ``payload`` as one frame.

    Args:
        opcode: :data:`TEXT` or :data:`BINARY`.
        payload: The message; UTF-8 where it is text.
    """
    size = len(payload)
    if size < _SHORT:
        return bytes((opcode, size)) + payload
    if size < _MIDDLE:
        return bytes((opcode, _SHORT)) + size.to_bytes(2) + payload
    return bytes((opcode, _SHORT + 1)) + size.to_bytes(8) + payload
