"""The venue's integers as prices and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

_MAX_PRICES = 65_536
_UNIT = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Prices(dict[int, Decimal]):
    """Prices by the venue's ten-thousandths of a dollar, with two to four places.

    The same prices come again and again, and most of a quote's cost was making them.
    """

    def __missing__(self, units: int) -> Decimal:
        if len(self) >= _MAX_PRICES:
            self.clear()
        whole, rest = divmod(units, _UNIT)
        text = f"{rest:04d}"
        text = text[:2] + text[2:].rstrip("0")
        price = self[units] = Decimal(f"{whole}.{text}")
        return price


def time_of(time_ns: int) -> datetime:
    """Return nanoseconds since 1970 as an aware time in UTC, cut to microseconds."""
    # Two small numbers cost less than a large one.
    seconds, microseconds = divmod(time_ns // 1_000, 1_000_000)
    return _EPOCH + timedelta(0, seconds, microseconds)
