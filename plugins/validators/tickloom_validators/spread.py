"""The bid must lie below the ask."""

from __future__ import annotations

from tickloom.model import Quality, Quote
from tickloom.roles import Verdict
from tickloom_validators.options import SpreadOptions


class SpreadValidator:
    """Flags a crossed and a locked book; a side of zero is a side where nobody stands."""

    name = "spread"

    def __init__(self, options: SpreadOptions) -> None:
        self._flag_locked = options.flag_locked

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:  # noqa: ARG002 - part of the role
        """Return how bid and ask are the wrong way round."""
        bid, ask = quote.bid, quote.ask
        if bid is None or ask is None or bid < ask or not bid or not ask:
            return None
        if bid > ask:
            return Verdict(Quality.FLAGGED, "crossed", f"bid {bid} is above ask {ask}")
        if self._flag_locked:
            return Verdict(Quality.FLAGGED, "locked", f"bid and ask are both {bid}")
        return None
