"""Breaks of the price level: another unit, a split that is not applied, and plain outliers.

A break is a step far beyond the usual ones that no dividend explains. Which side of it is wrong
shows in what surrounds it: a block that ends with a break back is wrong between the two; a split
that is known makes everything before the break wrong, since the newest bars are in today's shares;
for units the level with more trades is right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from tickloom.model import HistoricalData, major_of
from tickloom.roles import Finding
from tickloom_validators.jump import split_of
from tickloom_validators.options import BreakOptions
from tickloom_validators.series.spikes import is_unconfirmed, is_unit, spikes, wicks
from tickloom_validators.series.table import Table, noise_of

_HARD = 8.0
# So many times the most bars of a block, where it ends with the step that it began with.
_LONG = 3
# A split's ratio below this is not told from a day's move.
_LEAST_SPLIT = math.log(1.1)


class LevelValidator:
    """Flags bars in another unit, bars at the wrong side of a split, and outliers."""

    name = "bar-level"

    def __init__(self, options: BreakOptions) -> None:
        self._least = math.log1p(options.least_percent / 100)
        self._lonely = math.log(options.lonely_factor)
        self._spike = math.log1p(options.spike_percent / 100)
        self._wick = math.log1p(options.wick_percent / 100)
        self._near = options.split_rows
        self._block = options.block_rows

    def check_series(self, history: HistoricalData) -> Sequence[Finding]:
        """Return the bars at a wrong level."""
        table = Table(history)
        found: dict[int, Finding] = {}
        if len(table.bars) > 1:
            known = self._unapplied(table, found)
            self._units(table, found, known)
            self._outliers(table, found, known)
            self._spikes(table, found, known)
        return [found[row] for row in sorted(found)]

    def _unapplied(self, table: Table, found: dict[int, Finding]) -> set[int]:
        """Tell the bars at the wrong side of a split that is known; return the breaks used."""
        # Dividends and splits are out of the adjusted closes; nothing should be left in them.
        steps = table.adjusted_steps or table.steps
        noise = noise_of([step for step in steps[1:] if step])
        near = 2 if table.is_coarse else self._near * table.rows_a_day
        used: set[int] = set()
        for event, ratio in table.splits.items():
            size = abs(math.log(ratio))
            if size < _LEAST_SPLIT:
                continue
            rows = range(max(1, event - near), min(len(steps), event + near + 1))
            breaks = [row for row in rows if _is_split(steps[row], size, noise)]
            used.update(breaks)
            _tell_split(table, found, steps, breaks, ratio)
        return used

    def _units(self, table: Table, found: dict[int, Finding], known: set[int]) -> None:
        """Tell the bars in another unit than the level with the most trades."""
        unit, units = 0, [0]
        for row, step in enumerate(table.steps[1:], 1):
            if is_unit(step) and row not in known:
                unit += 1 if step > 0 else -1
            units.append(unit)
        if len(set(units)) == 1:
            return
        right = _right_unit(table, units)
        for row, unit in enumerate(units):
            if unit != right:
                factor = Decimal(100) ** (unit - right)
                close = table.bars[row].close_price
                reason = f"the close {close} is about {factor:f} times those of the other bars"
                values = {"close": close, "factor": factor}
                found.setdefault(row, _finding(table, row, "bar-unit", reason, values))

    def _outliers(self, table: Table, found: dict[int, Finding], known: set[int]) -> None:
        """Tell short blocks at another level, and breaks that stay."""
        least = max(_HARD * table.noise, self._least)
        breaks = [
            row
            for row, step in enumerate(table.steps)
            if abs(step) > least and row not in known and not is_unit(step)
        ]
        place = 0
        while place < len(breaks):
            row = breaks[place]
            end = breaks[place + 1] if place + 1 < len(breaks) else None
            if end is not None and self._returns(table, row, end):
                for inside in range(row, end):
                    _tell_break(table, found, inside, row, "bar-spike")
                place += 2
                continue
            size = abs(table.steps[row])
            if split_of(math.exp(size)) is not None and size > self._least * 2:
                _tell_break(table, found, row, row, "bar-possible-split")
            elif size > self._lonely:
                _tell_break(table, found, row, row, "bar-break")
            elif is_unconfirmed(table, row, self._least):
                _tell_break(table, found, row, row, "bar-unconfirmed")
            place += 1

    def _spikes(self, table: Table, found: dict[int, Finding], known: set[int]) -> None:
        """Tell bars that leave the level and come back, and prices that stick out of a bar."""
        for row, end in spikes(table, self._spike):
            if not known.isdisjoint((row, end)):
                continue
            for inside in range(row, end):
                _tell_break(table, found, inside, row, "bar-spike")
        reach = max(_HARD * table.noise, 2 * self._least)
        for row, finding in wicks(table, reach, self._wick):
            found.setdefault(row, finding)

    def _returns(self, table: Table, row: int, end: int) -> bool:
        left = abs(table.steps[row] + table.steps[end])
        if table.steps[row] * table.steps[end] >= 0 or end - row > _LONG * self._block:
            return False
        # By accident a long block ends with the very step that it began with only rarely.
        near = 3 * table.noise
        return left < near or (end - row <= self._block and left < 0.3 * abs(table.steps[row]))


def _is_split(step: float, size: float, noise: float) -> bool:
    if abs(step) < max(6 * noise, size / 2):
        return False
    return abs(abs(step) - size) < min(max(_HARD * noise, 0.1), 0.7 * size)


def _tell_split(
    table: Table,
    found: dict[int, Finding],
    steps: Sequence[float],
    breaks: Sequence[int],
    ratio: float,
) -> None:
    if not breaks:
        return
    offset, nearest = 0, len(breaks) - 1
    # From the newest bar, which is right, back.
    for row in range(breaks[-1] - 1, -1, -1):
        if nearest >= 0 and row < breaks[nearest]:
            offset += 1 if steps[breaks[nearest]] > 0 else -1
            nearest -= 1
        if not offset:
            continue
        close = table.bars[row].close_price
        reason = f"the close {close} does not go with the split by {ratio:g} that is known"
        values = {"close": close, "ratio": Decimal(str(ratio))}
        found.setdefault(row, _finding(table, row, "bar-split", reason, values))


def _right_unit(table: Table, units: Sequence[int]) -> int:
    traded = Counter(
        unit for unit, bar in zip(units, table.bars, strict=True) if bar.volume
    ).most_common()
    if traded and (len(traded) == 1 or traded[0][1] > traded[1][1]):
        return traded[0][0]
    currency = table.history.currency
    if currency is not None and major_of(currency) != currency:
        # Pence are told as pounds more often than pounds as pence.
        return max(units)
    return Counter(units).most_common(1)[0][0]


def _tell_break(table: Table, found: dict[int, Finding], row: int, begin: int, code: str) -> None:
    close, before = table.bars[row].close_price, table.bars[begin - 1].close_price
    reason = f"the close {close} stands against {before} before"
    if code == "bar-possible-split":
        reason += ", and no split is known"
    elif code == "bar-unconfirmed":
        reason += ", and no later bar confirms it"
    values = {"close": close, "before": before}
    found.setdefault(row, _finding(table, row, code, reason, values))


def _finding(table: Table, row: int, code: str, reason: str, values: dict[str, Decimal]) -> Finding:
    return Finding(timestamp=table.bars[row].timestamp, code=code, reason=reason, values=values)
