"""A quote's time must not be to come, and not long gone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tickloom.clock import Clock
from tickloom.model import MarketState, Quality, Quote
from tickloom.roles import Verdict
from tickloom_validators.options import TimeOptions

_OPEN = frozenset({MarketState.PRE, MarketState.REGULAR, MarketState.POST})


class TimeValidator:
    """Flags times of the future, by the time of arrival and by our clock, and stale ones."""

    name = "time"

    def __init__(self, options: TimeOptions, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta(seconds=options.ahead_s)
        self._real_time = timedelta(seconds=options.real_time_stale_s)
        self._open = timedelta(seconds=options.open_stale_s)
        self._oldest = timedelta(seconds=options.stale_s)
        self._fresh = min(self._real_time, self._open, self._oldest)
        self._ignored = frozenset(options.ignore_providers)

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:  # noqa: ARG002 - part of the role
        """Return how the time is wrong."""
        made, received = quote.timestamp, quote.received_at
        age = received - made
        if age < -self._ahead:
            reason = f"it was made at {made.isoformat()}, after it came at {received.isoformat()}"
            return _flag("future", reason, ahead=-age)
        now = self._clock.now()
        if received - now > self._ahead:
            reason = f"it came at {received.isoformat()}, and now is {now.isoformat()}"
            return _flag("future", reason, ahead=received - now)
        if age <= self._fresh:
            return None
        return self._judge_age(quote, age)

    def _judge_age(self, quote: Quote, age: timedelta) -> Verdict | None:
        limit = self._oldest
        if quote.market_state in _OPEN:
            limit = self._real_time if quote.is_real_time else self._open
        if age <= limit or quote.provider in self._ignored:
            return None
        reason = (
            f"it was made at {quote.timestamp.isoformat()}, {age.total_seconds():.0f} s before it "
            f"came, expected at most {limit.total_seconds():.0f} s"
        )
        return _flag("stale", reason, age=age, limit=limit)


def _flag(code: str, reason: str, **spans: timedelta) -> Verdict:
    values = {f"{name}_s": Decimal(f"{span.total_seconds():.3f}") for name, span in spans.items()}
    return Verdict(Quality.FLAGGED, code, reason, values)
