"""The messages of TOPS and DEEP, as far as quotes and trades need them.

Prices are integers in ten-thousandths of a dollar, times nanoseconds since 1970 in UTC, symbols
canonical. Source: IEX TOPS 1.5 and 1.6 and IEX DEEP 1.0 specifications.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntFlag
from typing import TypeAlias

from msgspec import Struct

from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.segments import Segment
from tickloom_iex.capture.symbols import Names


class QuoteFlag(IntFlag):
    """Flags of :class:`QuoteUpdate`."""

    NOT_ACTIVE = 0x80
    OUT_OF_SESSION = 0x40


class TradeFlag(IntFlag):
    """Sale conditions of :class:`TradeReport`."""

    INTERMARKET_SWEEP = 0x80
    EXTENDED_HOURS = 0x40
    ODD_LOT = 0x20
    TRADE_THROUGH_EXEMPT = 0x10
    SINGLE_PRICE_CROSS = 0x08


class QuoteUpdate(Struct, frozen=True, gc=False):
    """The best bid and ask of TOPS; a side with price or size 0 has no quote."""

    sequence: int
    time_ns: int
    symbol: str
    flags: int
    bid_size: int
    bid: int
    ask: int
    ask_size: int


class TradeReport(Struct, frozen=True, gc=False):
    """A trade, or with ``is_break`` the notice that the trade of this id is void."""

    sequence: int
    time_ns: int
    symbol: str
    flags: int
    size: int
    price: int
    trade_id: int
    is_break: bool


class PriceLevel(Struct, frozen=True, gc=False):
    """One price of DEEP's book; size 0 removes it. The book stands once ``is_complete``."""

    sequence: int
    time_ns: int
    symbol: str
    is_buy: bool
    is_complete: bool
    size: int
    price: int


class TradingStatus(Struct, frozen=True, gc=False):
    """Whether a symbol trades: H halted, O orders accepted but paused, P paused, T trading."""

    sequence: int
    time_ns: int
    symbol: str
    status: str


class OperationalHalt(Struct, frozen=True, gc=False):
    """Whether the venue alone has halted a symbol."""

    sequence: int
    time_ns: int
    symbol: str
    is_halted: bool


class SystemEvent(Struct, frozen=True, gc=False):
    """A step of the day: O S R begin messages, hours and session; M E C end them."""

    sequence: int
    time_ns: int
    event: str


Message: TypeAlias = (
    QuoteUpdate | TradeReport | PriceLevel | TradingStatus | OperationalHalt | SystemEvent
)


# A hundred million dollars: more than any share ever cost, less than a damaged number says.
_MAX_PRICE = 10**12
_BUY, _BREAK, _HALTED = ord("8"), ord("B"), ord("O")

_quote = struct.Struct("<Bq8sIqqI").unpack_from
_trade = struct.Struct("<Bq8sIqq").unpack_from
_level = struct.Struct("<Bq8sIq").unpack_from
_status = struct.Struct("<Bq8s").unpack_from
_event = struct.Struct("<Bq").unpack_from
_head = struct.Struct("<HB").unpack_from


def _read_quote(data: bytes, place: int, sequence: int, names: Names) -> QuoteUpdate | None:
    flags, time_ns, raw, bid_size, bid, ask, ask_size = _quote(data, place)
    symbol = names[raw]
    if not symbol or not 0 <= bid <= _MAX_PRICE or not 0 <= ask <= _MAX_PRICE:
        return None
    return QuoteUpdate(sequence, time_ns, symbol, flags, bid_size, bid, ask, ask_size)


def _read_trade(data: bytes, place: int, sequence: int, names: Names) -> TradeReport | None:
    flags, time_ns, raw, size, price, trade_id = _trade(data, place)
    symbol = names[raw]
    if not symbol or not 0 < price <= _MAX_PRICE or not size:
        return None
    is_break = data[place - 1] == _BREAK
    return TradeReport(sequence, time_ns, symbol, flags, size, price, trade_id, is_break)


def _read_level(data: bytes, place: int, sequence: int, names: Names) -> PriceLevel | None:
    flags, time_ns, raw, size, price = _level(data, place)
    symbol = names[raw]
    if not symbol or not 0 < price <= _MAX_PRICE:
        return None
    is_buy = data[place - 1] == _BUY
    return PriceLevel(sequence, time_ns, symbol, is_buy, bool(flags & 1), size, price)


def _read_status(data: bytes, place: int, sequence: int, names: Names) -> TradingStatus | None:
    status, time_ns, raw = _status(data, place)
    symbol = names[raw]
    return TradingStatus(sequence, time_ns, symbol, chr(status)) if symbol else None


def _read_halt(data: bytes, place: int, sequence: int, names: Names) -> OperationalHalt | None:
    status, time_ns, raw = _status(data, place)
    symbol = names[raw]
    return OperationalHalt(sequence, time_ns, symbol, status == _HALTED) if symbol else None


def _read_event(data: bytes, place: int, sequence: int, names: Names) -> SystemEvent:  # noqa: ARG001 - as the others
    event, time_ns = _event(data, place)
    return SystemEvent(sequence, time_ns, chr(event))


Reader: TypeAlias = Callable[[bytes, int, int, Names], Message | None]
# Shortest length of each type, and how it is read; None = known, but of no use here.
_TYPES: dict[int, tuple[int, Reader | None]] = {
    ord("Q"): (42, _read_quote),
    ord("T"): (38, _read_trade),
    ord("B"): (38, _read_trade),
    ord("8"): (30, _read_level),
    ord("5"): (30, _read_level),
    ord("H"): (22, _read_status),
    ord("O"): (18, _read_halt),
    ord("S"): (10, _read_event),
    ord("D"): (31, None),
    ord("P"): (19, None),
    ord("X"): (26, None),
    ord("A"): (80, None),
    ord("E"): (18, None),
    ord("I"): (18, None),
}


def decode_segment(segment: Segment, counts: CaptureCounts, names: Names) -> list[Message]:
    """Return the new messages of ``segment`` that are of use here, in their order.

    What cannot be read is skipped and counted; a message may be longer than it was when the
    protocol was made.
    """
    data, place, end = segment.data, segment.begin, segment.end
    known = _TYPES.get
    found: list[Message] = []
    fresh = segment.sequence + segment.repeated
    for sequence in range(segment.sequence, segment.sequence + segment.count):
        # A length that reaches over the end would read from the next packet.
        if place + 3 > end:
            counts.truncated += 1
            break
        length, kind = _head(data, place)
        body = place + 3
        place += 2 + length
        if place > end:
            counts.truncated += 1
            break
        if sequence < fresh:
            continue
        entry = known(kind)
        if entry is None:
            counts.unknown += 1
            continue
        least, read = entry
        if length < least:
            counts.short += 1
        elif read is not None:
            message = read(data, body, sequence, names)
            if message is None:
                counts.invalid += 1
            else:
                counts.breaks += kind == _BREAK
                found.append(message)
    return found
