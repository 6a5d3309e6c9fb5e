"""Single values as Alpha Vantage writes them: all text, with several words for nothing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tickloom.errors import BadRecord, ProviderUnavailable

T = TypeVar("T")

_NOTHING = {"", "None", "none", "-", ".", "null", "NaN", "N/A"}
_NUMBERED = re.compile(r"^\d+[a-z]?\.\s*")
_CURRENCY = re.compile(r"\s*\([A-Z]{2,5}\)$")
_DIGITS = 40
_ZONES = {"US/Eastern": "America/New_York", "UTC": "UTC"}


def name_of(key: str) -> str:
    """Return the name without its number and currency: ``1a. open (AUD)`` is ``open``.

    The numbers differ between functions: volume is fifth in some and sixth in others.
    """
    return _CURRENCY.sub("", _NUMBERED.sub("", key)).lower()


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
        value = Decimal(text.rstrip("%"))
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
        raise ProviderUnavailable(
            f"provider alpha_vantage sent no {what}", found=str(error)
        ) from None
    return value
