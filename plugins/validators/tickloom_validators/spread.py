"""Bid and ask must be prices, the bid below the ask, and both in the unit of the price."""

from __future__ import annotations

from decimal import Decimal

from tickloom.model import Quality, Quote
from tickloom.roles import Verdict
from tickloom_validators.options import SpreadOptions


class SpreadValidator:
    """Flags sides that can be none, a crossed and a locked book.

    A side of zero is a side where nobody stands.
    """

    name = "spread"

    def __init__(self, options: SpreadOptions) -> None:
        self._flag_locked = options.flag_locked

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:  # noqa: ARG002 - part of the role
        """Return how bid and ask are the wrong way round."""
        bid, ask = quote.bid, quote.ask
        for name, side in (("bid", bid), ("ask", ask)):
            if side is not None:
                complaint = _side(name, side, quote.current_price)
                if complaint is not None:
                    return complaint
        if bid is None or ask is None or bid < ask or not bid or not ask:
            return None
        if bid > ask:
            return Verdict(Quality.FLAGGED, "crossed", f"bid {bid} is above ask {ask}")
        if self._flag_locked:
            return Verdict(Quality.FLAGGED, "locked", f"bid and ask are both {bid}")
        return None


def _side(name: str, side: Decimal, price: Decimal) -> Verdict | None:
    # The comparison of a NaN raises.
    if not side.is_finite():
        return Verdict(Quality.FLAGGED, "bad-side", f"the {name} is {side}, which is no number")
    if side < 0:
        # Where prices may be negative, so may be both sides.
        if not price.is_finite() or price <= 0:
            return None
        return Verdict(Quality.FLAGGED, "bad-side", f"the {name} is {side}, the price {price}")
    return None
