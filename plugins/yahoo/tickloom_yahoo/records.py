"""Answers and their records as Yahoo writes them: JSON whose single fields may be of any type."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from tickloom.errors import BadRecord, ProviderUnavailable
from tickloom_yahoo.refusals import PROVIDER

T = TypeVar("T")
S = TypeVar("S", bound=Struct)

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding any bytes may raise."""


# A decoder lets no other thread run before it is done; sixty years of days have about 110,000.
_MOST_PARTS = 1_000_000


class _Formatted(Struct):
    raw: Raw = Raw()


def decode(body: bytes, kind: type[T], what: str, most: int = _MOST_PARTS) -> T:
    """Return an answer as ``kind``.

    Args:
        body: The answer.
        kind: What it has to be.
        what: It is, for the error.
        most: Values that it may have, about.

    Raises:
        ProviderUnavailable: It is of another shape, such as a page for people, or too long.
    """
    if body.count(b",") > most:
        raise ProviderUnavailable(f"provider {PROVIDER} sent {what} of more than {most:,} parts")
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise ProviderUnavailable(f"provider {PROVIDER} sent no {what}", found=str(error)) from None


def decode_leniently(record: bytes, kind: type[S]) -> S:
    """Return a record as the struct ``kind``; fields of a wrong type count as missing.

    Raises:
        BadRecord: It is no record at all.
    """
    try:
        raw = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    except UNREADABLE as error:
        raise BadRecord("a record of Yahoo's cannot be read", found=str(error)) from None
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if (value := raw.get(field.encode_name)) is not None:
            found[field.name] = convert(value, field.type)
    return kind(**{name: value for name, value in found.items() if value is not None})


def convert(value: bytes | Raw, kind: type[T]) -> T | None:
    """Return a value as ``kind``, out of its ``raw`` where it has one for people beside it.

    ``None`` where it is of another type.
    """
    try:
        plain = msgspec.json.decode(value, type=kind)
    except UNREADABLE:
        pass
    else:
        return plain
    try:
        inner = msgspec.json.decode(value, type=_Formatted).raw
        found = msgspec.json.decode(inner, type=kind) if inner else None
    except UNREADABLE:
        return None
    return found


def read_record(raw: Raw, kind: type[S]) -> S:
    """Return a record as the struct ``kind``; all of it is missing where it is no record at all."""
    if not raw:
        return kind()
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE:
        pass
    try:
        return decode_leniently(bytes(raw), kind)
    except BadRecord:
        return kind()
