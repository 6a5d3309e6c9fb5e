"""Single values as Alpha Vantage writes them: all text, with several words for nothing."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tickloom.errors import BadRecord, ProviderUnavailable

T = TypeVar("T")

_NOTHING = {"", "None", "none", "-", ".", "null", "NaN", "N/A"}
_NUMBERED = re.compile(r"^\d+[a-z]?\.\s*")
_CURRENCY = re.compile(r"\s*\([A-Z]{2,5}\)$")
_DIGITS = 40
_MOST_MENDED_BYTES = 262_144
# What CSV calls otherwise.
_OTHERWISE = {
    "latestday": "latest trading day",
    "previousclose": "previous close",
    "changepercent": "change percent",
}
_ZONES = {"US/Eastern": "America/New_York", "UTC": "UTC"}


@lru_cache(maxsize=1_024)
def name_of(key: str) -> str:
    """Return the name without its number and currency: ``1a. open (AUD)`` is ``open``.

    The numbers differ between functions: volume is fifth in some and sixth in others. CSV has
    other names for the same things: ``latestDay``, ``adjusted_close``.
    """
    name = _CURRENCY.sub("", _NUMBERED.sub("", key.strip())).lower().replace("_", " ")
    return _OTHERWISE.get(name, name)


def named(fields: dict[str, str | None]) -> dict[str, str]:
    """Return the fields that hold something, under their names; the first of a name counts."""
    found: dict[str, str] = {}
    for key, value in fields.items():
        if value is not None and value.strip() not in _NOTHING:
            found.setdefault(name_of(key), value.strip())
    return found


def number(text: str | None, what: str) -> Decimal | None:
    """Return a number, ``None`` where there is none.

    Raises:
        BadRecord: It is something else.
    """
    if text is None or text in _NOTHING:
        return None
    try:
        # Decimal takes underscores and the digits of any script.
        value = Decimal(text.rstrip("%") if text.isascii() and "_" not in text else "?")
    except InvalidOperation:
        raise BadRecord(f"{what} is no number", found=text) from None
    if not value.is_finite() or len(text) > _DIGITS or abs(value.adjusted()) > _DIGITS:
        raise BadRecord(f"{what} cannot be a price or a count", found=text)
    return value


def price(text: str | None, what: str) -> Decimal:
    """Return a positive number.

    Raises:
        BadRecord: It is missing, or something else.
    """
    value = number(text, what)
    if value is None or value <= 0:
        raise BadRecord(f"{what} is no price", found=text)
    return value


def priced(text: str | None, what: str) -> Decimal | None:
    """Return a positive number; ``None`` for what is missing, 0 or less.

    Raises:
        BadRecord: It is no number.
    """
    value = number(text, what)
    return value if value is not None and value > 0 else None


def count(text: str | None, what: str) -> int | None:
    """Return a whole number that is not negative, ``None`` where there is none; parts are cut off.

    Raises:
        BadRecord: It is something else.
    """
    value = number(text, what)
    if value is not None and value < 0:
        raise BadRecord(f"{what} is negative", found=text)
    return None if value is None else int(value)


def day(text: str | None) -> date:
    """Return a day.

    Raises:
        BadRecord: It is none.
    """
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        raise BadRecord("a day cannot be read", found=text, expected="YYYY-MM-DD") from None


def moment(text: str, zone: str) -> datetime:
    """Return a time without an offset in the zone that the answer names, as UTC.

    The hour that is there twice when summer time ends counts as its first; the vendor does not say
    which, and no venue that it lists trades then.

    Raises:
        BadRecord: The time or the zone cannot be read.
    """
    try:
        naive = datetime.fromisoformat(text)
        return naive.replace(tzinfo=find_zone(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRecord("a time cannot be read", found=text) from None


def find_zone(name: str) -> ZoneInfo:
    """Return the zone that an answer names.

    Raises:
        BadRecord: There is none of that name.
    """
    try:
        return ZoneInfo(_ZONES.get(name, name))
    except (KeyError, ValueError, OSError):
        raise BadRecord("a time zone is not known", found=name) from None


def decode(body: bytes, kind: type[T] | Any, what: str) -> T:
    """Return an answer as ``kind``.

    Raises:
        ProviderUnavailable: It is of another shape; the vendor's page for humans, for example.
    """
    try:
        value: T = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found: T | None = _decode_texts(body, kind)
        if found is not None:
            return found
        raise ProviderUnavailable(
            f"provider alpha_vantage sent no {what}", found=str(error)
        ) from None
    return value


def _decode_texts(body: bytes, kind: Any) -> Any:
    """Return an answer some of whose values are no text as they should be.

    Numbers become the text that they are written as; what else is no text counts as missing.
    """
    if len(body) > _MOST_MENDED_BYTES:
        return None
    try:
        answer = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
        return msgspec.convert(_texts(answer), kind)
    except (ValueError, RecursionError):
        return None


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _texts(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return value if isinstance(value, str) else None


def is_json(body: bytes) -> bool:
    """True where an answer is JSON, false where it can only be CSV."""
    return body.lstrip()[:1] in {b"{", b"["}


def decode_csv(body: bytes, what: str, *columns: str) -> Iterator[dict[str, str]]:
    """Give the rows of an answer as CSV, each as :func:`named` does; empty ones are left out.

    Args:
        body: The answer; a line may end in CR LF.
        what: It is, for the error.
        columns: One of them has to be there.

    Raises:
        ProviderUnavailable: It is something else.
    """
    try:
        reader = csv.reader(body.decode("utf-8-sig").splitlines())
        header = next(reader, [])
        if not {name_of(cell) for cell in header} & set(columns):
            raise ProviderUnavailable(f"provider alpha_vantage sent no {what}", found=header[:3])
        for cells in reader:
            if cells:
                yield named(dict[str, str | None](zip(header, cells, strict=False)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProviderUnavailable(
            f"provider alpha_vantage sent no {what}", found=str(error)
        ) from None
