"""Single values as people read them; what is not known is a dash."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from rich.text import Text

from tickloom.model import Quote

NONE = "-"
_STYLES = {1: "green", -1: "red", 0: ""}
_LONG_AGO_S = 3_600


def price(value: Decimal | None) -> str:
    """Return a price with all its digits, without an exponent."""
    return NONE if value is None else f"{value:f}"


def count(value: int | None) -> str:
    """Return a number of units, with commas between thousands."""
    return NONE if value is None else f"{value:,}"


def moment(value: datetime | None) -> str:
    """Return a time to the second, in UTC."""
    return NONE if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def change(value: Decimal | None, unit: str = "") -> Text:
    """Return a change with its sign and its colour, to two digits where there is a ``unit``."""
    if value is None:
        return Text(NONE)
    text = f"{value:+.2f}{unit}" if unit else f"{value:+f}"
    return Text(text, style=_STYLES[(value > 0) - (value < 0)])


def origin(quote: Quote) -> str:
    """Return which provider answered, for whom, and whether the quote may claim to be live."""
    text = quote.provider if quote.is_real_time else f"{quote.provider}, not real-time"
    return f"{text} (instead of {quote.fallback_from})" if quote.fallback_from else text


def age(since: datetime, now: datetime) -> str:
    """Return the time from ``since`` to ``now``; the date where it is over an hour."""
    seconds = (now - since).total_seconds()
    if seconds < 0 or seconds > _LONG_AGO_S:
        return moment(since)
    return f"{seconds:.1f} s"
