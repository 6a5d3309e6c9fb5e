"""What a trade counts for, by its sale conditions.

A trade in extended hours (Form T) and one of less than a round lot are reported to the tape with
conditions that count to the day's volume alone: they make no last price, high or low. Intermarket
sweeps, single-price crosses and trades exempt from the trade-through rule count in full. Source:
the flags are those of IEX TOPS 1.6 and DEEP 1.0; what they count for is the rule of the
consolidated tapes (CTA and UTP) for the sale conditions T and I, F, X and 8 or 4.
"""

from __future__ import annotations

from enum import IntEnum

from tickloom_iex.capture.messages import TradeFlag

_ODD_LOT, _EXTENDED = int(TradeFlag.ODD_LOT), int(TradeFlag.EXTENDED_HOURS)


class Rank(IntEnum):
    """What the price of a trade counts for; a higher rank takes the place of a lower one."""

    VOLUME = 0
    EXTENDED = 1
    REGULAR = 2


def rank_of(flags: int) -> int:
    """Return the :class:`Rank` of a trade with these sale conditions."""
    if flags & _ODD_LOT:
        return Rank.VOLUME
    return Rank.EXTENDED if flags & _EXTENDED else Rank.REGULAR


_CODES = (
    (TradeFlag.INTERMARKET_SWEEP, "F"),
    (TradeFlag.EXTENDED_HOURS, "T"),
    (TradeFlag.ODD_LOT, "I"),
    (TradeFlag.TRADE_THROUGH_EXEMPT, "8"),
    (TradeFlag.SINGLE_PRICE_CROSS, "X"),
)


def conditions_of(flags: int) -> tuple[str, ...]:
    """Return the sale conditions as codes: F sweep, T Form T, I odd lot, 8 exempt, X cross."""
    return tuple(code for flag, code in _CODES if flags & flag)
