"""Lean's factor files: what splits and dividends made of earlier prices."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date
from decimal import Context, Decimal
from pathlib import Path
from threading import Event as Flag
from typing import Literal

from tickloom.errors import BadRecord, InvalidSymbol
from tickloom.model import Bar, PriceAdjustment, parse_symbol
from tickloom_replay.fields import read_price, read_time
from tickloom_replay.lines import open_plain, read_lines
from tickloom_replay.tally import Reading, Tally

_PLACES = Decimal("0.000001")
_ONE = Decimal(1)
_LEAST, _MOST = Decimal("0.000001"), Decimal(10_000)
# Room for the six places whatever the price.
_WIDE = Context(prec=60)
_FACTOR_ROW = re.compile(rb"\d{8},[\d.eE+-]+,[\d.eE+-]+(,[\d.eE+-]*)?\s*")
_MAP_ROW = re.compile(rb"\d{8},[A-Za-z][^,]*(,[A-Za-z]*)*\s*")
_NAMED = re.compile(r"(?:factor|map)_files_(.+)")


class Factors:
    """Price and split factors of one symbol.

    Args:
        rows: Last day on which they apply, price factor, split factor; in any order.
    """

    def __init__(self, rows: Iterable[tuple[date, Decimal, Decimal]]) -> None:
        self._rows = sorted(rows)
        self._days = [row[0] for row in self._rows]

    def of(self, day: date) -> tuple[Decimal, Decimal]:
        """Return the price factor and the split factor of ``day``; 1 after the last row."""
        place = bisect_left(self._days, day)
        return self._rows[place][1:] if place < len(self._rows) else (_ONE, _ONE)

    def adjust(self, bar: Bar, day: date, adjustment: PriceAdjustment) -> Bar:
        """Return ``bar`` of the session ``day`` with prices and volume of today's shares."""
        dividends, splits = self.of(day)
        factor = splits * dividends if adjustment is PriceAdjustment.ALL else splits
        return Bar(
            timestamp=bar.timestamp,
            open_price=(bar.open_price * factor).quantize(_PLACES, context=_WIDE),
            high_price=(bar.high_price * factor).quantize(_PLACES, context=_WIDE),
            low_price=(bar.low_price * factor).quantize(_PLACES, context=_WIDE),
            close_price=(bar.close_price * factor).quantize(_PLACES, context=_WIDE),
            volume=None if bar.volume is None else round(bar.volume / splits),
            trade_count=bar.trade_count,
        )

    def carry(self, price: Decimal, old: date, new: date) -> Decimal:
        """Return a price of the session ``old`` in shares of the session ``new``."""
        before, after = self.of(old)[1], self.of(new)[1]
        if before == after:
            return price
        return (price * before / after).quantize(_PLACES, context=_WIDE)


def tell_apart(head: bytes) -> Literal["factor", "map"] | None:
    """Return what a csv is by its first bytes; ``None`` = neither a factor nor a map file."""
    line = head.partition(b"\n")[0]
    if _FACTOR_ROW.fullmatch(line):
        return "factor"
    return "map" if _MAP_ROW.fullmatch(line) else None


def read_rows(lines: Iterable[bytes], reading: Reading) -> Factors:
    """Return the factors; rows that cannot be read are skipped and counted."""
    rows = []
    for line in lines:
        try:
            day, price, split, *_ = line.decode("ascii").split(",")
            factors = read_price(price), read_price(split)
            applies_until = read_time(day, UTC).date()
        except (BadRecord, ValueError) as error:
            reading.skip(error)
            continue
        if all(_LEAST <= factor <= _MOST for factor in factors):
            rows.append((applies_until, *factors))
        else:
            expected = f"{_LEAST} to {_MOST}"
            reading.skip(BadRecord("not a factor", found=line, expected=expected))
    return Factors(rows)


def read_factor_file(path: Path, tally: Tally) -> tuple[str, Factors]:
    """Return the symbol, which the file's name tells, and its factors.

    Raises:
        BadRecord: The name is no symbol.
    """
    named = _NAMED.fullmatch(path.stem)
    try:
        symbol = parse_symbol(named[1] if named else path.stem)
    except InvalidSymbol as error:
        raise BadRecord(f"{tally.name}: the name of a factor file is its symbol: {error}") from None
    factors = Factors(())
    with tally.reading() as reading, open_plain(path) as stream:
        factors = read_rows(read_lines(stream, reading, Flag()), reading)
    return symbol, factors
