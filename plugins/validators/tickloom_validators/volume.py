"""A price that moves needs somebody who trades."""

from __future__ import annotations

from decimal import Decimal

from tickloom.model import Quality, Quote
from tickloom.roles import Verdict
from tickloom_validators.options import VolumeOptions

_AWAY = frozenset({"spike", "unit-jump", "possible-split"})


class VolumeValidator:
    """Flags a move without volume, and a volume below zero.

    A symbol whose volume was zero before as well has no volume at all, as FX and indices, and is
    not judged; neither is a quote of another provider than the one before, which counts otherwise.
    """

    name = "volume"

    def __init__(self, options: VolumeOptions) -> None:
        share = Decimal(str(options.move_percent)) / 100
        self._percent = options.move_percent
        self._above = 1 + share
        self._below = 1 - share

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        """Return the move that nobody traded."""
        volume = quote.volume
        if volume is None:
            return None
        if volume < 0:
            values = {"volume": Decimal(volume)}
            return Verdict(Quality.FLAGGED, "negative-volume", f"the volume is {volume}", values)
        if previous is None or not previous.volume or volume not in (0, previous.volume):
            return None
        before, price = previous.current_price, quote.current_price
        if before * self._below <= price <= before * self._above or before <= 0:
            return None
        is_another = quote.provider != previous.provider or quote.timestamp <= previous.timestamp
        # One that comes back from a price that was none needs no trade either.
        if is_another or not _AWAY.isdisjoint(previous.quality_codes):
            return None
        reason = (
            f"the price went from {before} to {price}, more than {self._percent:g} %, and the "
            f"volume from {previous.volume} to {volume}"
        )
        values = {"price": price, "before": before, "volume": Decimal(volume)}
        return Verdict(Quality.FLAGGED, "no-volume", reason, values)
