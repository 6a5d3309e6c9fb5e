"""A series of bars as columns of logarithms, and its events by row.

Ratios of prices are what faults show in, so the checks work on logarithms in floats. The values
that a complaint names are those of the bars themselves.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from statistics import median

from tickloom.model import Bar, HistoricalData, PriceAdjustment, day_of

_NORMAL = 1.4826
# Without a spread of its own, as in a series that stands still, a series may still move by this.
_LEAST_NOISE = 0.002
# What lies outside is no price, whatever the currency.
LEAST, MOST = Decimal("1E-15"), Decimal("1E+15")
_WEEK = timedelta(days=5)


def is_sound(number: Decimal) -> bool:
    """True where a price, an amount or a ratio is a number above zero and within all measure."""
    return number.is_finite() and LEAST <= number <= MOST


def prices_of(bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return open, high, low and close."""
    return bar.open_price, bar.high_price, bar.low_price, bar.close_price


def noise_of(steps: Sequence[float]) -> float:
    """Return the usual size of steps, as a standard deviation that outliers do not move."""
    if not steps:
        return _LEAST_NOISE
    return max(_NORMAL * median([abs(step) for step in steps]), _LEAST_NOISE)


class Table:
    """The sound bars of a history.

    Attributes:
        bars: Those whose prices are numbers above zero, oldest first.
        close: Logarithms of the closes.
        adjusted: Logarithms of the adjusted closes; empty where one is missing or not above zero.
        dividends: What is paid in each row that pays; per share.
        splits: New shares for each old one, in each row that splits.
    """

    def __init__(self, history: HistoricalData) -> None:
        self.history = history
        self.bars = [bar for bar in history.data_points if all(map(is_sound, prices_of(bar)))]
        self.close = [math.log(bar.close_price) for bar in self.bars]
        self.is_coarse = history.interval.duration >= _WEEK
        closes = [bar.adjusted_close for bar in self.bars]
        self.adjusted = [
            math.log(close) for close in closes if close is not None and is_sound(close)
        ]
        if len(self.adjusted) < len(self.bars):
            self.adjusted = []
        self.dividends: dict[int, float] = {}
        self.splits: dict[int, float] = {}
        for dividend in history.dividends:
            row = self._row_of(dividend.day)
            if row is not None and is_sound(dividend.amount):
                self.dividends[row] = self.dividends.get(row, 0.0) + float(dividend.amount)
        for split in history.splits:
            row = self._row_of(split.day)
            if row is not None and is_sound(split.ratio):
                self.splits[row] = self.splits.get(row, 1.0) * float(split.ratio)

    @cached_property
    def days(self) -> list[date]:
        """The day of each row in the venue's calendar."""
        symbol = self.history.symbol
        return [day_of(symbol, bar.timestamp) for bar in self.bars]

    @property
    def rows_a_day(self) -> int:
        """How many bars a day has, about; 1 for days and what is longer."""
        return max(1, len(self.bars) // len(set(self.days))) if self.bars else 1

    @cached_property
    def steps(self) -> list[float]:
        """What each close is above the one before, without what dividends and splits explain."""
        steps = [0.0]
        unadjusted = self.history.adjustment is PriceAdjustment.NONE
        for row in range(1, len(self.close)):
            step = self.close[row] - self.close[row - 1]
            paid = self.dividends.get(row, 0.0)
            if self.is_coarse and not paid:
                # The day may be the last of its week, and the next bar shows it.
                paid = self.dividends.get(row - 1, 0.0)
            paid /= math.exp(self.close[row - 1])
            if 0 < paid < 1:
                explained = step - math.log1p(-paid)
                # A wrong dividend explains nothing.
                step = min(step, explained, key=abs)
            if unadjusted and row in self.splits:
                step += math.log(self.splits[row])
            steps.append(step)
        return steps

    @cached_property
    def adjusted_steps(self) -> list[float]:
        """What each adjusted close is above the one before; empty where there are none."""
        if not self.adjusted:
            return []
        later = self.adjusted[1:]
        return [0.0, *(b - a for a, b in zip(self.adjusted, later, strict=False))]

    @cached_property
    def noise(self) -> float:
        """The usual size of a step."""
        return noise_of([step for step in self.steps[1:] if step])

    @cached_property
    def has_volume(self) -> bool:
        """True where most bars were traded, so that one without volume is strange."""
        traded = sum(1 for bar in self.bars if bar.volume)
        return traded >= 0.8 * len(self.bars) > 0

    def is_traded(self, row: int) -> bool:
        """True where a bar was traded, or nobody says of any bar whether it was."""
        return bool(self.bars[row].volume) or not self._says_volume

    @cached_property
    def _says_volume(self) -> bool:
        return any(bar.volume for bar in self.bars)

    def _row_of(self, day: date) -> int | None:
        if not self.days or day < self.days[0]:
            return None
        if self.is_coarse:
            return bisect_right(self.days, day) - 1
        row = bisect_left(self.days, day)
        return row if row < len(self.days) else None
