"""Each bar by itself: prices above zero, low lowest, high highest; times in order and once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from tickloom.model import Bar, HistoricalData, Interval, Quality, day_of, matches
from tickloom.roles import Finding
from tickloom_validators.options import PriceOptions, ShapeOptions
from tickloom_validators.series.table import LEAST, MOST, Table, is_sound

_DAY = timedelta(days=1)
# Clocks differ.
_AHEAD = timedelta(minutes=5)


class ShapeValidator:
    """Keeps back bars that can be none, and flags those whose prices do not fit together."""

    name = "bar-shape"

    def __init__(self, options: ShapeOptions, prices: PriceOptions) -> None:
        self._share = Decimal(str(options.tolerance_percent)) / 100
        self._may_be_negative = prices.may_be_negative
        self._moves = options.move_percent / 100

    def check_series(self, history: HistoricalData) -> Sequence[Finding]:
        """Return what is wrong with each bar."""
        found = []
        before: Bar | None = None
        may_be_negative = any(matches(history.symbol, pattern) for pattern in self._may_be_negative)
        is_daily = history.interval is Interval.DAY
        latest = history.received_at + (_DAY if history.interval.duration >= _DAY else _AHEAD)
        for bar in history.data_points:
            complaint = _order(bar, before) or self._prices(bar, may_be_negative=may_be_negative)
            if complaint is None and is_daily:
                complaint = _same_day(history.symbol, bar, before)
            if complaint is None and bar.timestamp > latest:
                reason = f"it begins at {bar.timestamp.isoformat()}, which is still to come"
                complaint = _finding(bar, "bar-future", reason, {})
            if complaint is not None:
                found.append(complaint)
            before = bar
        found.extend(self._untraded(Table(history)))
        return sorted(found, key=lambda finding: finding.timestamp)

    def _prices(self, bar: Bar, *, may_be_negative: bool) -> Finding | None:
        prices = {
            "open": bar.open_price,
            "high": bar.high_price,
            "low": bar.low_price,
            "close": bar.close_price,
        }
        for name, price in prices.items():
            if not price.is_finite():
                reason = f"{name} is {price}, which is no number"
                return _finding(bar, "bar-nan", reason, {}, Quality.QUARANTINED)
        for name, price in prices.items():
            if price <= 0 and not may_be_negative:
                # A bar without an open is of use; one without a close is not.
                whole = bar.close_price > 0 and bar.high_price > 0
                quality = Quality.FLAGGED if whole else Quality.QUARANTINED
                return _finding(bar, "bar-zero", f"{name} is {price}", {name: price}, quality)
            if price and not is_sound(abs(price)):
                reason = f"{name} is {price}, expected {LEAST} to {MOST}"
                return _finding(bar, "bar-absurd", reason, {name: price}, Quality.QUARANTINED)
        if bar.volume is not None and bar.volume < 0:
            reason = f"the volume is {bar.volume}"
            return _finding(bar, "bar-volume", reason, {"volume": Decimal(bar.volume)})
        low, high = min(prices.values()), max(prices.values())
        for name, side, edge in (
            ("low", bar.low_price - self._share * abs(bar.low_price) > low, low),
            ("high", bar.high_price + self._share * abs(bar.high_price) < high, high),
        ):
            if side:
                reason = f"{name} is {prices[name]}, and another price of the bar {edge}"
                return _finding(bar, "bar-range", reason, prices)
        return None

    def _untraded(self, table: Table) -> Sequence[Finding]:
        if not table.has_volume:
            return []
        least = max(6 * table.noise, self._moves)
        return [
            _finding(
                bar,
                "bar-no-volume",
                f"the close went from {table.bars[row - 1].close_price} to {bar.close_price} "
                f"and nothing was traded",
                {"close": bar.close_price, "before": table.bars[row - 1].close_price},
            )
            for row, bar in enumerate(table.bars)
            if bar.volume == 0 and abs(table.steps[row]) > least
        ]


def _order(bar: Bar, before: Bar | None) -> Finding | None:
    if before is None or bar.timestamp > before.timestamp:
        return None
    if bar.timestamp == before.timestamp:
        return _finding(bar, "bar-duplicate", "a bar of this time is there already", {})
    reason = f"it stands behind the bar of {before.timestamp.isoformat()}"
    return _finding(bar, "bar-order", reason, {})


def _same_day(symbol: str, bar: Bar, before: Bar | None) -> Finding | None:
    if before is None or bar.timestamp - before.timestamp >= _DAY:
        return None
    day = day_of(symbol, bar.timestamp)
    if day != day_of(symbol, before.timestamp):
        return None
    return _finding(bar, "bar-duplicate", f"a bar of {day} is there already", {})


def _finding(
    bar: Bar,
    code: str,
    reason: str,
    values: dict[str, Decimal],
    quality: Quality = Quality.FLAGGED,
) -> Finding:
    return Finding(
        timestamp=bar.timestamp, code=code, reason=reason, values=values, quality=quality
    )
