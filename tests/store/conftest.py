"""Quotes to store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from databases import OWN
from tickloom.model import DataType, MarketState, Quality, Quote
from tickloom.store.rows import DECIMALS


@pytest.fixture
def full_quote() -> Quote:
    """A quote with a value in every field, none of them a default."""
    at = datetime(2026, 1, 2, 17, 0, 0, 123456, tzinfo=UTC)
    decimals: dict[str, Any] = {
        name: Decimal(f"1234567890123456789.{n:02}50") for n, name in enumerate(DECIMALS)
    }
    return Quote(
        symbol="BRK.B",
        provider="scripted",
        timestamp=at,
        received_at=at.replace(microsecond=654321),
        is_real_time=True,
        volume=2**62 + 1,
        bid_size=1,
        ask_size=2,
        last_size=3,
        currency="GBp",
        exchange="Zürich 'Börse' 🏦",
        market_state=MarketState.POST,
        fallback_from="yahoo",
        fallback_reason="rate limited",
        sequence=42,
        quality=Quality.FLAGGED,
        quality_codes=("spread", 'odd "code"'),
        additional_data={"name": "Ünï", "deep": {"list": [1, 2.5, None, True]}, "empty": ""},
        **decimals,
    )


@pytest.fixture
def stored_quote() -> Callable[[dict[str, Any]], Quote]:
    """Make the quote again that a row came from."""

    def quote(row: dict[str, Any]) -> Quote:
        values = {name: value for name, value in row.items() if name not in OWN}
        values["quality_codes"] = tuple(values["quality_codes"])
        extra = values["additional_data"]
        values["additional_data"] = None if extra is None else msgspec.json.decode(extra)
        for name, kind in (("quality", Quality), ("market_state", MarketState)):
            values[name] = None if values[name] is None else kind(values[name])
        values["data_type"] = DataType(values["data_type"])
        return Quote(**values)

    return quote
