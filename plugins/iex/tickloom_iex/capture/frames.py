"""What a captured frame carries: the payload of a UDP datagram over IPv4 or IPv6."""

from __future__ import annotations

import struct

ETHERNET = 1
_RAW_IP = frozenset({12, 14, 101, 228, 229})
_LOOPBACK = frozenset({0, 108})
_COOKED, _COOKED_2 = 113, 276
_IPV4, _IPV6 = 0x0800, 0x86DD
_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_UDP = 17
_UDP_HEADER = 8
_EXTENSIONS = frozenset({0, 43, 60})

_two = struct.Struct(">H").unpack_from


def find_udp(data: bytes, begin: int, end: int, link: int) -> tuple[int, int] | None:
    """Return where the payload of the datagram in ``data[begin:end]`` lies.

    ``None`` where the frame is of another kind, or a fragment. What was not captured, and what
    only fills the frame up, is no part of it.

    Args:
        data: Holds the frame.
        begin: Of the frame.
        end: Of the frame.
        link: The link type, by tcpdump's list of them.
    """
    try:
        position = _skip_link(data, begin, end, link)
        if position is not None:
            skip = _SKIPS.get(data[position] >> 4)
            position = None if skip is None else skip(data, position, end)
        if position is None:
            return None
        length = _two(data, position + 4)[0]
    except (IndexError, struct.error):
        return None
    # Length 0 stands for what does not fit into sixteen bits.
    start, stop = position + _UDP_HEADER, min(position + length, end) if length else end
    return (start, stop) if start <= stop else None


def _skip_link(data: bytes, begin: int, end: int, link: int) -> int | None:
    if link == ETHERNET:
        kind, position = _two(data, begin + 12)[0], begin + 14
    elif link == _COOKED:
        kind, position = _two(data, begin + 14)[0], begin + 16
    elif link == _COOKED_2:
        kind, position = _two(data, begin)[0], begin + 20
    elif link in _RAW_IP:
        return begin
    else:
        return begin + 4 if link in _LOOPBACK else None
    while kind in _TAGS and position < end:
        kind, position = _two(data, position + 2)[0], position + 4
    return position if kind in {_IPV4, _IPV6} else None


def _skip_ipv4(data: bytes, position: int, end: int) -> int | None:  # noqa: ARG001 - as the other
    # More fragments, or an offset: the payload is not whole.
    if data[position + 9] != _UDP or _two(data, position + 6)[0] & 0x3FFF:
        return None
    return position + (data[position] & 15) * 4


def _skip_ipv6(data: bytes, position: int, end: int) -> int | None:
    following, position = data[position + 6], position + 40
    while following in _EXTENSIONS and position < end:
        following, position = data[position], position + (data[position + 1] + 1) * 8
    return position if following == _UDP else None


_SKIPS = {4: _skip_ipv4, 6: _skip_ipv6}
