"""The one JSON form and the one MessagePack form of the model.

JSON keeps every digit of a price: a ``Decimal`` is written as a JSON number and read back from its
text. MessagePack has no decimal number, so there a price is a 64-bit float, for display only.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from tickloom.errors import BadRecord

T = TypeVar("T")

_json = msgspec.json.Encoder(decimal_format="number")
_msgpack = msgspec.msgpack.Encoder(decimal_format="number")

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
