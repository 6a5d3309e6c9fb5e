"""Bars and answers to store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tickloom.model import Bar, HistoricalData, Interval, PriceAdjustment, Timeliness, begin_of
from tickloom.store import BarQuery

RECEIVED = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALL_TIME = (datetime(1700, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC))


def bar(timestamp: datetime, price: str = "10.5", **fields: Any) -> Bar:
    values: dict[str, Any] = {
        name: Decimal(price) for name in ("open_price", "high_price", "low_price", "close_price")
    }
    return Bar(timestamp=timestamp, **(values | {"volume": 100} | fields))


def daily(first: date, count: int, price: str = "10.5", symbol: str = "AAPL") -> tuple[Bar, ...]:
    """Return a bar for each day, weekends too."""
    return tuple(bar(begin_of(symbol, first + timedelta(n)), price) for n in range(count))


def answer(bars: Sequence[Bar], **fields: Any) -> HistoricalData:
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "interval": Interval.DAY,
        "start_date": date(2026, 1, 1),
        "end_date": date(2026, 1, 31),
        "provider": "scripted",
        "received_at": RECEIVED,
        "data_points": tuple(bars),
        "timeliness": Timeliness.END_OF_DAY,
        "currency": "USD",
    }
    return HistoricalData(**(values | fields))


def query(**fields: Any) -> BarQuery:
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "interval": Interval.DAY,
        "adjustment": PriceAdjustment.NONE,
        "since": ALL_TIME[0],
        "until": ALL_TIME[1],
    }
    return BarQuery(**(values | fields))
