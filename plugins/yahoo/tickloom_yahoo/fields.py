"""Single values as Yahoo writes them: prices out of 32 bits, 0 for nothing, seconds for times."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from tickloom.errors import BadRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The years 1811 to 3554, far from where arithmetic with zones fails.
_FIRST_S, _LAST_S = -5_000_000_000, 50_000_000_000
# What the store and JSON readers take; nothing real comes near.
_MOST_UNITS = 2**63 - 1
_LONGEST = 80
_WIDE = Context(prec=120)
_LEAST_HINT, _MOST_HINT = 2, 8
_FLOAT_DIGITS = range(7, 10)


def finite(value: Decimal | None) -> Decimal | None:
    """Return the number, ``None`` where it is none, not finite, or longer than any real one."""
    if value is None or not value.is_finite() or abs(value.adjusted()) > _LONGEST:
        return None
    return value if len(value.as_tuple().digits) <= _LONGEST else None


def positive(value: Decimal | None) -> Decimal | None:
    """Return a price; Yahoo writes 0 where there is none."""
    found = finite(value)
    return found if found is not None and found > 0 else None


def units(value: Decimal | None) -> int | None:
    """Return a count of shares, ``None`` where there is none or it is negative."""
    found = finite(value)
    return int(found) if found is not None and 0 <= found <= _MOST_UNITS else None


def hint(value: object) -> int:
    """Return how many decimal places prices have at least: Yahoo's ``priceHint``, 2 to 8."""
    if isinstance(value, Decimal):
        value = int(value) if value.is_finite() and abs(value) < _LONGEST else None
    return min(max(value, _LEAST_HINT), _MOST_HINT) if isinstance(value, int) else _LEAST_HINT


def rounded(value: Decimal, places: int) -> Decimal:
    """Return a computed value with at most ``places`` decimal places, two at least."""
    try:
        exact = value.quantize(Decimal(1).scaleb(-places), context=_WIDE)
    except InvalidOperation:
        return value
    while places > _LEAST_HINT and not exact.as_tuple().digits[-1]:
        places -= 1
        exact = exact.quantize(Decimal(1).scaleb(-places), context=_WIDE)
    return exact


def places_of(value: Decimal, least: int) -> int:
    """Return the number of decimal places of a price, ``least`` at least."""
    exponent = value.as_tuple().exponent
    return max(least, -exponent if isinstance(exponent, int) else 0)


def narrow(value: float) -> Decimal:
    """Return the shortest decimal that is this 32-bit float; a 64-bit one keeps all its digits.

    A float of 32 bits holds seven to nine digits; what follows them is noise.
    """
    text = repr(value)
    for digits in _FLOAT_DIGITS:
        short = f"{value:.{digits}g}"
        if array("f", (float(short),))[0] == value:
            text = short
            break
    found = Decimal(text)
    # 1E+7 is right, but nobody writes a price so.
    return found.quantize(Decimal(1), context=_WIDE) if "e" in text and value >= 1 else found


def narrow_all(values: Iterable[Decimal | None]) -> list[Decimal | None]:
    """Return prices without the noise of 32-bit floats that were written as 64-bit ones.

    Yahoo keeps the prices of its charts in 32 bits and writes them widened: 189.41 arrives as
    189.41000366210938. Whatever is exactly such a float becomes the shortest decimal that is; other
    values stay as they came. Rounding to ``priceHint`` would not do: it is 2 for shares whose
    prices before a split of 40 for one need five places.
    """
    kept = [finite(value) for value in values]
    wide = [0.0 if value is None else float(value) for value in kept]
    exact = array("f", wide)
    short = [f"{value:.7g}" for value in wide]
    again = array("f", map(float, short))
    return [
        value
        if value is None or floating != single
        else Decimal(text)
        if back == single and "e" not in text
        else narrow(floating)
        for value, floating, single, text, back in zip(kept, wide, exact, short, again, strict=True)
    ]


def moment(seconds: int) -> datetime:
    """Return a time from seconds since 1970, which may be negative.

    Raises:
        BadRecord: It is beyond what a trade may have.
    """
    if not _FIRST_S <= seconds <= _LAST_S:
        raise BadRecord("a time cannot be one of trading", found=seconds)
    return _EPOCH + timedelta(seconds=seconds)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Return the day of the venue's calendar."""
    return moment.astimezone(zone).date()


def find_zone(name: str | None) -> ZoneInfo:
    """Return the zone that an answer names.

    Raises:
        BadRecord: There is none of that name.
    """
    try:
        return ZoneInfo(name or "")
    except (KeyError, ValueError, OSError):
        raise BadRecord("a time zone is not known", found=name) from None


def text(value: object) -> str | None:
    """Return a text that says something, without blanks around it."""
    return value.strip() or None if isinstance(value, str) else None
