"""Single values of a row: prices, counts and times."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from tickloom.errors import BadRecord

_TEXT_LIMIT = 40
_FEWEST_ADJUSTED, _MOST_ADJUSTED = -12, 15
_COUNT_LIMIT = 10**15
_YEARS = range(1900, 2201)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_DIGITS = 8
_BLANKS = frozenset({"", "nan", "null", "none", "n/a", "-"})
# An epoch below the bound counts so many to the second; each unit reaches past the year 2200.
_EPOCH_UNITS = ((10**10, 1), (10**13, 10**3), (10**16, 10**6), (10**19, 10**9))


def is_sound(price: Decimal) -> bool:
    """True for a finite number of a size that prices have, and that arithmetic takes."""
    return price.is_finite() and _FEWEST_ADJUSTED <= price.adjusted() <= _MOST_ADJUSTED


def read_price(value: object) -> Decimal:
    """Return ``value`` as a price; a float counts as its shortest decimal text.

    Raises:
        BadRecord: It is none.
    """
    try:
        text = repr(value) if isinstance(value, float) else str(value)
        price = Decimal(text) if len(text) <= _TEXT_LIMIT else None
    except ArithmeticError:
        price = None
    if price is None or not is_sound(price):
        raise BadRecord("not a price", found=value, expected="a number such as 187.25")
    return price


def read_count(value: object) -> int | None:
    """Return ``value`` as a number of units, fractions cut off; ``None`` where it is empty.

    Raises:
        BadRecord: It is no number, negative, or beyond 10**15.
    """
    if is_empty(value):
        return None
    try:
        text = repr(value) if isinstance(value, float) else str(value)
        number = Decimal(text) if len(text) <= _TEXT_LIMIT else None
    except ArithmeticError:
        number = None
    if number is None or not number.is_finite() or not 0 <= number <= _COUNT_LIMIT:
        raise BadRecord("not a number of units", found=value, expected="a whole number from 0")
    return int(number)


def is_empty(value: object) -> bool:
    """True for the ways in which tables leave gaps: nothing, blank text, NaN, null, n/a and -."""
    if isinstance(value, str):
        # Nearly every value ends in a digit; this runs for each of them.
        return not value[-1:].isdigit() and value.strip().lower() in _BLANKS
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN


def read_time(value: object, zone: tzinfo) -> datetime:
    """Return ``value`` as an aware time, in its own offset or else in ``zone``.

    ISO 8601, a date, and seconds, milliseconds, microseconds or nanoseconds since 1970 are
    understood; eight digits are a date such as 20140605.

    Raises:
        BadRecord: It is none of these, or outside the years 1900 to 2200.
    """
    try:
        found = _parse(value, zone)
        if found.year in _YEARS:
            return found if found.tzinfo is not None else found.replace(tzinfo=zone)
    except (ArithmeticError, ValueError):
        pass
    raise BadRecord(
        "not a time",
        found=value,
        expected="ISO 8601 such as 2026-01-05T14:30:00Z, a date, or seconds since 1970",
    )


def _parse(value: object, zone: tzinfo) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if not isinstance(value, (str, int, float, Decimal)):
        raise BadRecord("not a time", found=value, expected="text, a time or a number")
    text = str(value).strip()
    if len(text) == _DATE_DIGITS or (
        isinstance(value, str) and not text.replace(".", "", 1).isdigit()
    ):
        return datetime.fromisoformat(text)
    seconds = Decimal(text)
    for bound, units in _EPOCH_UNITS:
        if abs(seconds) < bound:
            micros = int(seconds * 1_000_000 / units)
            return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone)
    raise ValueError(text)
