"""Open, high, low and current price of a session must fit together."""

from __future__ import annotations

from decimal import Decimal

from tickloom.model import Quality, Quote
from tickloom.roles import Verdict
from tickloom_validators.options import SessionOptions

_ZERO = Decimal(0)


class SessionValidator:
    """Flags a price outside the high and low of its session, and session prices of zero.

    The current price counts only in the regular session: vendors give it a high and a low that
    leave out what is traded before and after.
    """

    name = "session"

    def __init__(self, options: SessionOptions) -> None:
        share = Decimal(str(options.tolerance_percent)) / 100
        self._above = 1 + share
        self._below = 1 - share

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:  # noqa: ARG002 - part of the role
        """Return which price lies outside."""
        low, high = quote.low_price, quote.high_price
        opened, current = quote.open_price, quote.current_price
        if low is None or high is None:
            return self._find(quote)
        if low <= current <= high and low > 0 and (opened is None or low <= opened <= high):
            return None
        return self._find(quote)

    def _find(self, quote: Quote) -> Verdict | None:
        low, high = quote.low_price, quote.high_price
        for name, price in (("open", quote.open_price), ("high", high), ("low", low)):
            if price is not None and price <= _ZERO < quote.current_price:
                reason = f"{name} is {price} and the price {quote.current_price}"
                return _flag("zero-session", reason, quote)
        if low is not None and high is not None and low > high:
            return _flag("session-range", f"low {low} is above high {high}", quote)
        state = quote.market_state
        inside: tuple[tuple[str, Decimal | None], ...] = (("open", quote.open_price),)
        if state is None or state == "regular":
            inside = (*inside, ("the price", quote.current_price))
        for name, price in inside:
            if price is None:
                continue
            if low is not None and price < low * (self._below if low > 0 else self._above):
                return _flag("session-range", f"{name} {price} is below low {low}", quote)
            if high is not None and price > high * (self._above if high > 0 else self._below):
                return _flag("session-range", f"{name} {price} is above high {high}", quote)
        return None


def _flag(code: str, reason: str, quote: Quote) -> Verdict:
    prices = {
        "price": quote.current_price,
        "open": quote.open_price,
        "high": quote.high_price,
        "low": quote.low_price,
    }
    values = {name: price for name, price in prices.items() if price is not None}
    return Verdict(Quality.FLAGGED, code, reason, values)
