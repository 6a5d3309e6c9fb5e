"""Dividends against the prices and against the adjusted closes.

An adjusted close takes every later dividend off the price: from one bar to the next its share of
the close steps by ``1 - dividend / close before``. What that step says was paid is held against
what the dividend says, and a large dividend against the fall of the price on its day.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, quantiles

from tickloom.model import HistoricalData, PriceAdjustment
from tickloom.roles import Finding
from tickloom_validators.options import DividendOptions
from tickloom_validators.series.table import Table, noise_of

_FINEST = 2e-4
_UNIT = (70.0, 140.0)
# A step of the adjusted close without any event is told from here on.
_LEAST_ALONE = 0.002
# Fewer dividends, or other days to hold them against, prove nothing.
_FEWEST = 2
_FEWEST_DAYS = 20
# Amounts that are this near are the same dividend in two currencies, or of two rates.
_ALIKE = 0.75
# How many standard deviations make a mean of drops certain.
_CERTAIN = 4.0
_LIKELY_YIELD = (0.002, 0.15)


class DividendValidator:
    """Flags dividends that are wrong, told twice, or not taken off the adjusted close."""

    name = "bar-dividend"

    def __init__(self, options: DividendOptions) -> None:
        self._tolerance = options.tolerance_percent / 100
        self._large = options.large_percent / 100
        self._twice = options.twice_days

    def check_series(self, history: HistoricalData) -> Sequence[Finding]:
        """Return the bars of dividends and adjustments that cannot be right."""
        table = Table(history)
        if len(table.bars) <= 1:
            return []
        found: dict[int, Finding] = {}
        for complaints in (
            self._impossible(table),
            self._adjustments(table),
            self._large_ones(table),
            self._small_ones(table),
            # Last of the dividends: one that is told already is not told as the second of two.
            self._doubles(table, found),
            _negatives(table),
        ):
            for row, complaint in complaints:
                found.setdefault(row, complaint)
        return [found[row] for row in sorted(found)]

    def _impossible(self, table: Table) -> Iterator[tuple[int, Finding]]:
        for row, paid in table.dividends.items():
            if row and paid >= float(table.bars[row - 1].close_price):
                reason = f"a dividend of {paid:g} is more than the close before"
                yield _finding(table, row, "dividend-absurd", reason, paid)

    def _adjustments(self, table: Table) -> Iterator[tuple[int, Finding]]:
        if not table.adjusted:
            return
        shares = [a - c for a, c in zip(table.adjusted, table.close, strict=True)]
        steps = [0.0, *(before - after for before, after in pairwise(shares))]
        if table.history.adjustment is PriceAdjustment.NONE:
            for row, ratio in table.splits.items():
                steps[row] += math.log(ratio)
        events = {row + more for row in table.dividends for more in (-1, 0, 1)}
        events.update(table.splits)
        plain = [abs(step) for row, step in enumerate(steps) if row and row not in events]
        finest = max(_FINEST, 3 * quantiles(plain, n=20)[-1]) if len(plain) > 1 else _FINEST
        for row, paid in table.dividends.items():
            before = float(table.bars[row - 1].close_price)
            if not row or paid >= before or paid < 3 * finest * before:
                if row and paid < before:
                    yield from self._tiny(table, row, steps[row], finest)
                continue
            step = steps[row] + (steps[row + 1] if table.is_coarse and row + 1 < len(steps) else 0)
            yield from self._compare(table, row, (1 - math.exp(step)) * before, finest)
        for row, step in enumerate(steps):
            if not row or row in events or abs(step) <= max(finest, _LEAST_ALONE):
                continue
            # What steps back at once was told at the bar before.
            if abs(step + steps[row - 1]) > 0.1 * abs(step):
                reason = f"the adjusted close steps by {-step:.2%}, and nothing was paid"
                yield _finding(table, row, "adjustment-alone", reason, step)

    def _tiny(
        self, table: Table, row: int, step: float, finest: float
    ) -> Iterator[tuple[int, Finding]]:
        """Tell a dividend too small to be seen, of which an adjustment took off much more."""
        if -step > 10 * finest:
            yield from self._compare(
                table, row, (1 - math.exp(step)) * float(table.bars[row - 1].close_price), finest
            )

    def _compare(
        self, table: Table, row: int, taken: float, finest: float
    ) -> Iterator[tuple[int, Finding]]:
        paid = table.dividends[row]
        before = float(table.bars[row - 1].close_price)
        if abs(taken - paid) <= self._tolerance * paid + finest * before:
            return
        if _UNIT[0] <= paid / max(abs(taken), 1e-12) <= _UNIT[1] or (
            taken > 0 and _UNIT[0] <= taken / paid <= _UNIT[1]
        ):
            code = "dividend-unit"
        elif abs(taken) <= finest * before + 0.02 * paid:
            code = "adjustment-missing"
        elif paid < taken <= paid * (2 + self._tolerance):
            code = "adjustment-twice"
        else:
            code = "adjustment-wrong"
        reason = f"the dividend is {paid:g}, and the adjusted close takes off {taken:.6g}"
        yield _finding(table, row, code, reason, paid, taken)

    def _large_ones(self, table: Table) -> Iterator[tuple[int, Finding]]:
        for row, paid in table.dividends.items():
            if not row:
                continue
            share = paid / float(table.bars[row - 1].close_price)
            if share < max(self._large, 4 * table.noise) or share >= 1 or not table.is_traded(row):
                continue
            drop = _drop(table, row)
            if table.is_coarse and row + 1 < len(table.bars):
                # The day may be the last of its week.
                drop = max(drop, _drop(table, row + 1))
            if drop >= share / 3:
                continue
            reason = f"a dividend of {paid:g} is {share:.1%} of the price, which fell by {drop:.1%}"
            yield _finding(table, row, "dividend-large", reason, paid)
            for other in range(max(1, row - 3), min(len(table.bars), row + 4)):
                if other != row and other not in table.dividends:
                    fall = _drop(table, other)
                    if 0.65 * share <= fall <= 1.5 * share:
                        reason = f"the price fell by {fall:.1%}, as if the dividend were of today"
                        yield _finding(table, other, "dividend-day", reason, paid)

    def _small_ones(self, table: Table) -> Iterator[tuple[int, Finding]]:
        """Tell dividends that are a hundredth of what the price falls by on their days.

        One fall proves nothing; that of all such days together does.
        """
        small: list[tuple[int, float]] = []
        for row, paid in table.dividends.items():
            share = paid / float(table.bars[row - 1].close_price) if row else 0.0
            if _LIKELY_YIELD[0] <= share * 100 <= _LIKELY_YIELD[1]:
                small.append((row, share))
        plain = [
            row
            for row in range(1, len(table.bars))
            if row not in table.dividends and row not in table.splits
        ]
        if len(small) < _FEWEST or len(plain) < _FEWEST_DAYS:
            return
        # Some venues open far from the close; the quieter of the two says more.
        noise, rise = min(
            ((noise_of([rise(table, row) for row in plain]), rise) for rise in (_gap, _rise)),
            key=lambda measured: measured[0],
        )
        # One day of bad news must not speak for all.
        falls = [min(-rise(table, row), 3 * noise + 100 * share) - share for row, share in small]
        likely = fmean(99 * share for _, share in small)
        if fmean(falls) < max(_CERTAIN * noise / math.sqrt(len(small)), 0.5 * likely):
            return
        if fmean(falls) > 2 * likely:
            return
        for row, share in small:
            paid = table.dividends[row]
            reason = (
                f"a dividend of {paid:g} is {share:.3%} of the price, which falls by "
                f"{fmean(falls):.2%} on such days"
            )
            yield _finding(table, row, "dividend-small", reason, paid)

    def _doubles(self, table: Table, found: dict[int, Finding]) -> Iterator[tuple[int, Finding]]:
        if table.is_coarse:
            return
        for earlier, later in pairwise(sorted(table.dividends)):
            first, second = table.dividends[earlier], table.dividends[later]
            apart = (table.days[later] - table.days[earlier]).days
            if apart > self._twice or min(first, second) < _ALIKE * max(first, second):
                continue
            if earlier in found or later in found:
                continue
            reason = f"a dividend of {first:g} was paid {apart} days before this one of {second:g}"
            yield _finding(table, later, "dividend-twice", reason, second)


def _negatives(table: Table) -> Iterator[tuple[int, Finding]]:
    for row, bar in enumerate(table.bars):
        adjusted = bar.adjusted_close
        if adjusted is not None and not (adjusted.is_finite() and adjusted > 0):
            reason = f"the adjusted close is {adjusted}"
            yield (
                row,
                Finding(
                    timestamp=bar.timestamp,
                    code="adjustment-negative",
                    reason=reason,
                    values={"adjusted_close": adjusted},
                ),
            )


def _gap(table: Table, row: int) -> float:
    """Return how far a bar opens above the close before, as a share of it."""
    opened = float(table.bars[row].open_price)
    return opened / float(table.bars[row - 1].close_price) - 1


def _rise(table: Table, row: int) -> float:
    """Return how far a bar closes above the close before, as a share of it."""
    return float(table.bars[row].close_price) / float(table.bars[row - 1].close_price) - 1


def _drop(table: Table, row: int) -> float:
    """Return how far the price fell in a bar at most, as a share of the close before."""
    bar = table.bars[row]
    lowest = float(min(bar.low_price, bar.open_price, bar.close_price))
    return 1 - lowest / float(table.bars[row - 1].close_price)


def _finding(
    table: Table, row: int, code: str, reason: str, paid: float, taken: float | None = None
) -> tuple[int, Finding]:
    bar = table.bars[row]
    values = {"close_before": table.bars[row - 1].close_price, "amount": Decimal(repr(paid))}
    if taken is not None:
        values["taken_off"] = Decimal(repr(taken))
    return row, Finding(timestamp=bar.timestamp, code=code, reason=reason, values=values)
