"""Single values and records as IEX Cloud writes them: JSON numbers, with 0 for what is missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tickloom.errors import BadRecord, ProviderUnavailable

T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)
PROVIDER = "iex"
NEW_YORK = ZoneInfo("America/New_York")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 4_102_444_800_000  # the year 2100
_HOUR_MS = 3_600_000
_MAX_MAGNITUDE = 18
_MAX_LENGTH = 40
_HUNDRED = Decimal(100)
# A decoder lets no other thread run before it is done, so what it does at once is bounded: a
# chart of fifteen years has about 100,000 commas, a batch of a hundred quotes 6,000, and a
# description of a company a few thousand letters.
_MAX_COMMAS = 200_000
_MAX_MEMBERS = 100_000
_MAX_RECORD_BYTES = 262_144
_AT_ONCE_BYTES = 131_072


def is_sane(value: Decimal) -> bool:
    """True where a number can be a price or a count: finite, and of bearable length."""
    return (
        value.is_finite()
        and abs(value.adjusted()) <= _MAX_MAGNITUDE
        and len(str(value)) <= _MAX_LENGTH
    )


def price(value: Decimal | None) -> Decimal | None:
    """Return a positive price; ``None`` for what is missing, 0 or cannot be a price."""
    return value if value is not None and is_sane(value) and value > 0 else None


def number(value: Decimal | None) -> Decimal | None:
    """Return a number of either sign; ``None`` for what is missing or cannot be used."""
    return value if value is not None and is_sane(value) else None


def percent(value: Decimal | None) -> Decimal | None:
    """Return a fraction in per cent: 0.01 is 1 %."""
    return None if value is None or not is_sane(value) else value * _HUNDRED


def count(value: Decimal | None) -> int | None:
    """Return a whole number that is not negative; ``None`` for what is missing. Parts are cut."""
    return int(value) if value is not None and is_sane(value) and value >= 0 else None


def size(value: Decimal | None) -> int | None:
    """Return a positive whole number; ``None`` for parts of a unit, which the model cannot hold."""
    whole = count(value)
    return whole if whole and whole == value else None


def moment(ms: int | None) -> datetime | None:
    """Return milliseconds since 1970 as UTC; ``None`` for what is missing, 0 or far away."""
    if ms is None or not 0 < ms < _LAST_MS:
        return None
    return _EPOCH + timedelta(milliseconds=ms)


def venue_day(ms: int) -> date:
    """Return the day in New York of a valid number of milliseconds."""
    return _day_of_hour(ms // _HOUR_MS)


@lru_cache(maxsize=4096)
def _day_of_hour(hour: int) -> date:
    return (_EPOCH + timedelta(hours=hour)).astimezone(NEW_YORK).date()


@lru_cache(maxsize=8192)
def midnight(day: date) -> datetime:
    """Return the begin of a day in New York, as UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)


def day_of(text: str | None) -> date | None:
    """Return the day that ``2019-08-09`` or ``20190809`` names, else ``None``."""
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def read_record(raw: bytes | msgspec.Raw, kind: type[R]) -> R:
    """Return a JSON object as ``kind``, without the fields that have another type there.

    Every field of ``kind`` needs a default. A field that cannot be read should not cost the rest.

    Raises:
        BadRecord: It is no object.
    """
    if len(memoryview(raw)) > _MAX_RECORD_BYTES:
        raise BadRecord(
            f"provider {PROVIDER} sent a record of more than {_MAX_RECORD_BYTES:,} bytes"
        )
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError):
        pass
    try:
        values = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        raise BadRecord(
            f"provider {PROVIDER} sent something else than a record", found=bytes(raw)[:60]
        ) from None
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        value = values.get(field.encode_name)
        if value is None:
            continue
        try:
            kept[field.name] = msgspec.json.decode(value, type=field.type)
        except (ValueError, RecursionError):
            continue
    return kind(**kept)


def read_list(body: bytes, kind: type[R], what: str) -> tuple[list[R], int]:
    """Return the objects of a JSON array as ``kind``, and how many could not be read.

    Raises:
        ProviderUnavailable: It is no array.
    """
    if len(body) <= _AT_ONCE_BYTES:
        try:
            return msgspec.json.decode(body, type=list[kind]), 0  # type: ignore[valid-type]
        except (ValueError, RecursionError):
            pass
    found = []
    rows = decode(body, list[msgspec.Raw], what)
    for raw in rows:
        try:
            found.append(read_record(raw, kind))
        except BadRecord:
            continue
    return found, len(rows) - len(found)


def decode(body: bytes, kind: type[T], what: str) -> T:
    """Return a whole answer as ``kind``.

    Raises:
        ProviderUnavailable: It is of another shape, or has too many parts.
    """
    most = _MAX_COMMAS if kind == list[msgspec.Raw] else _MAX_MEMBERS
    # An answer that is kept as it stands costs nothing to take apart.
    if kind is not msgspec.Raw and body.count(b",") > most:
        raise ProviderUnavailable(f"provider {PROVIDER} sent a {what} of more than {most:,} parts")
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError) as error:
        raise ProviderUnavailable(f"provider {PROVIDER} sent no {what}", found=str(error)) from None
