"""What waits on disk as records of a journal, and a segment of records back to that.

A segment begins with :data:`MAGIC`; then come records::

    length of the payload, 4 bytes | CRC-32 of length and payload, 4 bytes | payload

both numbers little-endian; the payload of a quote is MessagePack of (epoch, quote, JSON of the
quote's ``additional_data``), that of a bar of a :class:`KeptBar`, with every decimal as text. That
of the quarantine is a letter, ``h`` for what is held and ``e`` for an event, and its JSON.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from zlib import crc32

import msgspec
from msgspec.structs import replace

from tickloom.errors import BadRecord, verbatim
from tickloom.model import Quote, encode_json
from tickloom.store.quality_rows import Held, Kept, QualityEvent, payload_of
from tickloom.store.rows import Record

R = TypeVar("R")

MAGIC = b"tickloom journal 1\n"
"""Begins every segment; another form of records gets another number."""

LONGEST = 16_777_216
"""Most bytes of one payload; a greater length is damage."""

_HEAD = struct.Struct("<II")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, Quote, str | None]).decode
# A number with a fraction keeps its digits too.
_decode_extra = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_UNFIT = (TypeError, ValueError, ArithmeticError, RecursionError)


def encode_record(record: Record) -> bytes:
    """Return a record as it stands in a segment.

    Raises:
        BadRecord: A value is none that can be written, or it is longer than 16 MiB.
    """
    quote, epoch = record
    what = f"the quote of {quote.symbol!r} by {quote.provider!r}"
    try:
        extra = quote.additional_data
        if extra is None:
            payload = _encode((epoch, quote, None))
        else:
            text = encode_json(extra).decode()
            payload = _encode((epoch, replace(quote, additional_data=None), text))
    except _UNFIT as error:
        raise _unfit(what, error) from error
    return _framed(payload, what)


def _unfit(what: str, error: Exception) -> BadRecord:
    found = verbatim(f"{type(error).__name__}: {error}")
    return BadRecord(f"{what} cannot be kept", found=found)


def _framed(payload: bytes, what: str) -> bytes:
    if len(payload) > LONGEST:
        raise BadRecord(
            f"{what} is too long to be kept",
            found=verbatim(f"{len(payload)} bytes"),
            expected=f"at most {LONGEST}",
        )
    return _HEAD.pack(len(payload), _checksum(payload)) + payload


def payloads(data: bytes, position: int = len(MAGIC)) -> Iterator[tuple[bytes | None, int]]:
    """Yield the whole payloads of a segment from a position on, each with where it ends.

    ``None`` stands for a damaged stretch before a payload, of one record or more. What comes behind
    the last payload is a record that was never finished, or damage; it is not told.
    """
    while True:
        begin = position
        payload = _payload_at(data, begin)
        while payload is None:
            begin += 1
            if begin + _HEAD.size > len(data):
                return
            payload = _payload_at(data, begin)
        if begin > position:
            yield None, begin
        position = begin + _HEAD.size + len(payload)
        yield payload, position


def _payload_at(data: bytes, position: int) -> bytes | None:
    begin = position + _HEAD.size
    if begin > len(data):
        return None
    length, checksum = _HEAD.unpack_from(data, position)
    # A length of zero is what a file that was only lengthened has.
    if not 0 < length <= min(LONGEST, len(data) - begin):
        return None
    payload = data[begin : begin + length]
    return payload if _checksum(payload) == checksum else None


def decode_record(payload: bytes) -> Record:
    """Return the record of a payload.

    Raises:
        BadRecord: It is none of this version.
    """
    try:
        epoch, quote, extra = _decode(payload)
        if extra is not None:
            quote = replace(quote, additional_data=_decode_extra(extra))
    except (msgspec.MsgspecError, *_UNFIT) as error:
        raise BadRecord("a record of the journal cannot be read", found=str(error)) from error
    return quote, epoch


class KeptBar(msgspec.Struct, frozen=True, kw_only=True):
    """A closed bar that ticks have come to, as far as it is stored.

    Attributes:
        symbol: Canonical.
        interval: Length, such as ``1m``.
        timestamp: Begin, aware UTC.
        open: First price, in ``currency``.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        volume: Units traded; ``None`` = not told.
        currency: ISO 4217 code or that of a minor unit; ``None`` = not stated.
    """

    symbol: str
    interval: str
    timestamp: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None = None
    currency: str | None = None


_decode_bar = msgspec.msgpack.Decoder(KeptBar).decode


def encode_bar(bar: KeptBar) -> bytes:
    """Return a bar as it stands in a segment.

    Raises:
        BadRecord: A value is none that can be written, or it is longer than 16 MiB.
    """
    what = f"a bar of {bar.symbol!r}"
    try:
        payload = _encode(bar)
    except _UNFIT as error:
        raise _unfit(what, error) from error
    return _framed(payload, what)


def decode_bar(payload: bytes) -> KeptBar:
    """Return the bar of a payload.

    Raises:
        BadRecord: It is none of this version.
    """
    try:
        return _decode_bar(payload)
    except (msgspec.MsgspecError, *_UNFIT) as error:
        raise BadRecord("a record of the journal cannot be read", found=str(error)) from error


_KINDS: dict[bytes, type[Kept]] = {b"h": Held, b"e": QualityEvent}


def encode_kept(kept: Kept) -> bytes:
    """Return a row of the quarantine, or an event, as it stands in a segment.

    Raises:
        BadRecord: A value is none that can be written, or it is longer than 16 MiB.
    """
    letter = b"h" if isinstance(kept, Held) else b"e"
    what = f"what {kept.provider!r} gave for {kept.symbol!r}"
    try:
        payload = letter + payload_of(kept).encode()
    except _UNFIT as error:
        raise _unfit(what, error) from error
    return _framed(payload, what)


def decode_kept(payload: bytes) -> Kept:
    """Return the row or the event of a payload.

    Raises:
        BadRecord: It is none of this version.
    """
    kind = _KINDS.get(payload[:1])
    if kind is None:
        raise BadRecord("a record of the journal cannot be read", found=verbatim(str(payload[:1])))
    try:
        return msgspec.json.decode(payload[1:], type=kind)
    except (msgspec.MsgspecError, *_UNFIT) as error:
        raise BadRecord("a record of the journal cannot be read", found=str(error)) from error


class Form(msgspec.Struct, Generic[R], frozen=True):
    """How records stand in a segment.

    Attributes:
        encode: A record to its bytes; raises BadRecord.
        decode: A payload to its record; raises BadRecord.
    """

    encode: Callable[[R], bytes]
    decode: Callable[[bytes], R]


QUOTES: Form[Record] = Form(encode_record, decode_record)
BARS: Form[KeptBar] = Form(encode_bar, decode_bar)
KEPT: Form[Kept] = Form(encode_kept, decode_kept)


def _checksum(payload: bytes) -> int:
    return crc32(payload, crc32(len(payload).to_bytes(4, "little")))
