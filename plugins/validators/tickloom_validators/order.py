"""Quotes must come in the order of their times, and each once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tickloom.model import Quality, Quote
from tickloom.roles import Verdict
from tickloom_validators.options import OrderOptions


class OrderValidator:
    """Flags a quote that is older than the one before."""

    name = "order"

    def __init__(self, options: OrderOptions) -> None:
        self._behind = timedelta(seconds=options.behind_s)

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        """Return how much too old it is."""
        if previous is None or quote.timestamp >= previous.timestamp:
            return None
        if previous.timestamp - quote.timestamp <= self._behind:
            return None
        reason = (
            f"it was made at {quote.timestamp.isoformat()}, before the last one of "
            f"{previous.timestamp.isoformat()} by {previous.provider}"
        )
        late_s = (previous.timestamp - quote.timestamp).total_seconds()
        values = {"price": quote.current_price, "late_s": Decimal(f"{late_s:.3f}")}
        return Verdict(Quality.FLAGGED, "out-of-order", reason, values)


class DuplicateValidator:
    """Flags a quote that says again what the one before said: time, price, volume and book."""

    name = "duplicate"

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        """Return what is said again."""
        if (
            previous is None
            or quote.timestamp != previous.timestamp
            or quote.current_price != previous.current_price
            or quote.volume != previous.volume
            or quote.provider != previous.provider
        ):
            return None
        if (quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.last_size) != (
            previous.bid,
            previous.ask,
            previous.bid_size,
            previous.ask_size,
            previous.last_size,
        ):
            return None
        reason = (
            f"{quote.current_price} of {quote.timestamp.isoformat()} with volume {quote.volume} "
            f"came again"
        )
        return Verdict(Quality.FLAGGED, "duplicate", reason)
