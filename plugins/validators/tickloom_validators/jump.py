"""What a price away from its level looks like: another unit, a split, or a spike."""

from __future__ import annotations

from decimal import Decimal

from tickloom.model import Quality, Quote, major_of
from tickloom.roles import Verdict
from tickloom_validators.level import Jump, LevelBook

# New shares for each old one, or the other way round.
SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
# The price moves on the day of a split as on any other.
_NEAR = 0.04


def split_of(factor: float) -> float | None:
    """Return the common split ratio that a jump upwards by ``factor`` may be, if any."""
    nearest = min(SPLIT_RATIOS, key=lambda ratio: abs(ratio - factor))
    return nearest if abs(factor / nearest - 1) <= _NEAR else None


class UnitValidator:
    """Flags a price 100 times its level or a hundredth of it, and a change of the unit.

    Pence for pounds is the usual reason: GBp for GBP, ILA for ILS, ZAc for ZAR.
    """

    name = "unit"

    def __init__(self, book: LevelBook) -> None:
        self._book = book

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        """Return how the unit changed."""
        jump = self._book.read(quote, previous)
        if jump is not None and jump.is_unit:
            reason = (
                f"the price {quote.current_price} {quote.currency or ''}".rstrip()
                + f" is {jump.ratio:.4g} times the level {jump.level:g}: another unit?"
            )
            return _flag("unit-jump", reason, quote, jump)
        if previous is None or quote.currency == previous.currency:
            return None
        now, before = quote.currency, previous.currency
        if now is None or before is None or major_of(now) != major_of(before):
            return None
        reason = f"the price is in {now}, the last one of {previous.provider} was in {before}"
        values = {"price": quote.current_price, "before": previous.current_price}
        return Verdict(Quality.FLAGGED, "unit-changed", reason, values)


class SplitValidator:
    """Flags a jump by a ratio at which shares are split or joined."""

    name = "split"

    def __init__(self, book: LevelBook) -> None:
        self._book = book

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        """Return the split that it may be."""
        jump = self._book.read(quote, previous)
        ratio = None if jump is None or jump.is_unit else split_of(jump.factor)
        if jump is None or ratio is None:
            return None
        shown = f"{ratio:g} to 1" if jump.ratio < 1 else f"1 to {ratio:g}"
        reason = (
            f"the price {quote.current_price} is {jump.ratio:.4g} times the level {jump.level:g}: "
            f"a split {shown}?"
        )
        return _flag("possible-split", reason, quote, jump)


class SpikeValidator:
    """Flags every other jump away from the level.

    Args:
        book: The levels.
        units: Whether jumps of 100 are told by another check.
        splits: Whether jumps by a split's ratio are told by another check.
    """

    name = "spike"

    def __init__(self, book: LevelBook, *, units: bool = True, splits: bool = True) -> None:
        self._book = book
        self._units = units
        self._splits = splits

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        """Return how far away it is, and what would be ordinary."""
        jump = self._book.read(quote, previous)
        if jump is None or self._is_told(jump):
            return None
        reason = (
            f"the price {quote.current_price} is {jump.ratio:.4g} times the level {jump.level:g}, "
            f"expected {jump.low:.6g} to {jump.high:.6g}"
        )
        return _flag("spike", reason, quote, jump)

    def _is_told(self, jump: Jump) -> bool:
        if jump.is_unit:
            return self._units
        return self._splits and split_of(jump.factor) is not None


def _flag(code: str, reason: str, quote: Quote, jump: Jump) -> Verdict:
    # The measure is kept in floats; more than nine digits of it mean nothing.
    values = {
        name: Decimal(f"{number:.9g}")
        for name, number in (("level", jump.level), ("lowest", jump.low), ("highest", jump.high))
    }
    return Verdict(Quality.FLAGGED, code, reason, {"price": quote.current_price, **values})
