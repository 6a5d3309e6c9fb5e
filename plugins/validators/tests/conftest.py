"""Quotes to judge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tickloom.clock import FakeClock
from tickloom.model import Quote


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def quote(clock: FakeClock) -> Callable[..., Quote]:
    """Makes a quote of a number of seconds ago; prices may be texts."""

    def make(price: object = "100", ago_s: float = 0, **more: Any) -> Quote:
        at = clock.now() - timedelta(seconds=ago_s)
        fields = {"timestamp": at, "received_at": at, "is_real_time": True} | more
        for name, value in fields.items():
            if isinstance(value, str) and value.replace(".", "").lstrip("-").isdigit():
                fields[name] = Decimal(value)
        fields = {"symbol": "EXA.ONE", "provider": "example"} | fields
        return Quote(current_price=Decimal(str(price)), **fields)

    return make
