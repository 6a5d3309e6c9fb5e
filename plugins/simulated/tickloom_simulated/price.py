"""Exact decimals of the integers that the walk runs in."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache


@lru_cache(maxsize=131_072)
def to_price(ticks: int) -> Decimal:
    """Return ticks of 0.01 as a price with two decimals."""
    return Decimal(ticks).scaleb(-2)


@lru_cache(maxsize=131_072)
def to_percent(change: int, whole: int) -> Decimal:
    """Return ``change`` in per cent of ``whole``, rounded to four decimals."""
    return Decimal((2_000_000 * change + whole) // (2 * whole)).scaleb(-4)
