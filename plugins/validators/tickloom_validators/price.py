"""Keeps back what cannot be a price."""

from __future__ import annotations

from tickloom.model import Quality, Quote, matches
from tickloom.roles import Verdict
from tickloom_validators.options import PriceOptions


class PriceValidator:
    """Quarantines a price that is zero, negative, no number, or beyond all measure."""

    name = "price"

    def __init__(self, options: PriceOptions) -> None:
        self._options = options
        self._lowest = options.lowest
        self._highest = options.highest

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:  # noqa: ARG002 - part of the role
        """Return why the current price can be none."""
        price = quote.current_price
        # The comparison of a NaN raises, and this is asked before anything is compared.
        if price.is_finite() and self._lowest <= price <= self._highest:
            return None
        if not price.is_finite():
            reason = f"the price is {price}, which is no number"
            return Verdict(Quality.QUARANTINED, "not-a-number", reason)
        if price <= 0:
            if any(matches(quote.symbol, pattern) for pattern in self._options.may_be_negative):
                return None
            reason = f"the price is {price}, expected more than 0"
            return Verdict(Quality.QUARANTINED, "not-positive", reason)
        reason = f"the price is {price}, expected {self._lowest} to {self._highest}"
        return Verdict(Quality.QUARANTINED, "absurd", reason)
