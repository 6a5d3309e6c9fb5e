"""The one JSON form and the one MessagePack form of the model.

JSON keeps every digit of a price: a ``Decimal`` is written as a JSON number and read back from its
text. MessagePack has no decimal number, so there a price is a 64-bit float, for display only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from tickloom.errors import BadRecord
from tickloom.model.bar import HistoricalData

T = TypeVar("T")

_json = msgspec.json.Encoder(decimal_format="number")
_msgpack = msgspec.msgpack.Encoder(decimal_format="number")

_PIECE_BARS = 1_000
_NO_BARS = b'"data_points":[]'

encode_json = _json.encode
encode_msgpack = _msgpack.encode


def decode_json(data: bytes | str, kind: type[T] | Any) -> T:
    """Return the value of type ``kind`` that ``data`` holds.

    Raises:
        BadRecord: It is no JSON, or of another shape.
    """
    try:
        value: T = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("the record cannot be read", found=str(error)) from error
    return value


def encode_history(history: HistoricalData) -> Iterator[bytes]:
    """Return the JSON of ``history`` in pieces of at most a thousand bars.

    Encoding a million bars at once would hold up the event loop for seconds; between the pieces
    others get their turn.
    """
    bars = history.data_points
    if len(bars) <= _PIECE_BARS:
        yield encode_json(history)
        return
    head, found, tail = encode_json(replace(history, data_points=())).partition(_NO_BARS)
    yield head + found[:-1]
    for start in range(0, len(bars), _PIECE_BARS):
        piece = encode_json(bars[start : start + _PIECE_BARS])[1:-1]
        yield b"," + piece if start else piece
    yield b"]" + tail
