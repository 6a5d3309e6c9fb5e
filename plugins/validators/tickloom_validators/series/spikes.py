"""Prices far from those around them: bars that leave the level and come back, and long wicks.

A close that steps away and back is judged against the steps around it, since a market that is in
turmoil does so by itself. A single high or low is judged against the usual reach of a bar.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from statistics import median

from tickloom.roles import Finding
from tickloom_validators.series.table import Table, noise_of, prices_of

# How many standard deviations of the steps around it no market makes and takes back at once.
_FAR = 10.0
_MOST_ROWS = 3
_AROUND = 15
# Of the usual reach of a bar: days on which a price fell this far for an hour were recorded.
_FAR_REACH = 20.0
_LOW, _HIGH = math.log(70), math.log(140)


def is_unit(step: float) -> bool:
    """True where a step is about a factor of 100, up or down."""
    return _LOW <= abs(step) <= _HIGH


def spikes(table: Table, least: float) -> Iterator[tuple[int, int]]:
    """Yield the first row of each short spike, and the one that is back.

    Bars without a trade in a series that is traded are left out: before and after the session
    they show single offers.

    Args:
        table: The bars.
        least: The least step that is one, as a logarithm.
    """
    steps = table.steps
    rows = [row for row, step in enumerate(steps) if abs(step) > least]
    for row in rows:
        for end in range(row + 1, min(row + _MOST_ROWS + 1, len(steps))):
            there, back = steps[row], steps[end]
            if there * back >= 0 or min(abs(there), abs(back)) <= least:
                continue
            noise = noise_around(table, row, end)
            is_back = abs(there + back) < max(0.3 * abs(there), 3 * noise)
            is_far = min(abs(there), abs(back)) > _FAR * noise
            if is_back and is_far and table.is_traded(row):
                yield row, end
                break


def is_unconfirmed(table: Table, row: int, least: float) -> bool:
    """True where ``row`` is the newest, and its step far beyond those before it."""
    size = abs(table.steps[row])
    return row == len(table.steps) - 1 and size > max(
        least, 2 * _FAR * noise_around(table, row, row)
    )


def noise_around(table: Table, row: int, end: int) -> float:
    """Return the usual size of a step near two rows, or that of the series if it is more."""
    near = [
        step
        for place, step in enumerate(table.steps[max(1, row - _AROUND) : end + _AROUND + 1])
        if step and place + max(1, row - _AROUND) not in {row, end}
    ]
    return max(table.noise, noise_of(near))


def wicks(table: Table, least: float, least_wick: float) -> Iterator[tuple[int, Finding]]:
    """Yield bars of which one price is far from the others.

    Args:
        table: The bars.
        least: The least reach from the lowest to the highest price that is one, as a logarithm.
        least_wick: The same for what a high or low alone sticks out.
    """
    reaches, lonely = [], []
    for bar in table.bars:
        low, inner, other, high = sorted(map(float, prices_of(bar)))
        reaches.append(math.log(high / low))
        lonely.append(max(math.log(high / other), math.log(inner / low)))
    usual = max(median(reaches), table.noise) if reaches else table.noise
    for row, (reach, wick) in enumerate(zip(reaches, lonely, strict=True)):
        if reach <= least and wick <= max(least_wick, _FAR_REACH * usual):
            continue
        bar = table.bars[row]
        lowest, highest = min(prices_of(bar)), max(prices_of(bar))
        values: dict[str, Decimal] = {"lowest": lowest, "highest": highest}
        code = "bar-unit" if is_unit(reach) else "bar-spike"
        reason = f"its prices reach from {lowest} to {highest}"
        yield row, Finding(timestamp=bar.timestamp, code=code, reason=reason, values=values)
