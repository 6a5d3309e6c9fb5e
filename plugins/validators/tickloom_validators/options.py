"""The settings of the validators, ``[plugins.validators.<check>]``.

Each check has a table of its own and can be switched off there with ``enabled = false``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=1_000)]
Seconds = Annotated[float, Meta(ge=0)]
Percent = Annotated[float, Meta(gt=0, le=100)]


class PriceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a price can be at all."""

    enabled: bool = True
    """False = not checked."""
    highest: Decimal = Decimal("1E+12")
    """A price above this is none, in the quote's own currency."""
    lowest: Decimal = Decimal("1E-15")
    """A positive price below this is none, in the quote's own currency."""
    may_be_negative: tuple[str, ...] = ()
    """Patterns of symbols, such as ``CL=*``, whose price may be zero or less: spreads, power."""


class SessionOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether open, high, low and current price fit together."""

    enabled: bool = True
    """False = not checked."""
    tolerance_percent: Annotated[float, Meta(ge=0, le=100)] = 0.01
    """How far outside high and low a price may lie; vendors round them apart."""


class SpreadOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the bid lies below the ask."""

    enabled: bool = True
    """False = not checked."""
    flag_locked: bool = True
    """Whether a bid equal to the ask is told; some venues lock often."""


class LevelOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The level that a price is compared with: the median of the symbol's last prices."""

    window: Annotated[int, Meta(ge=5, le=1_000)] = 31
    """How many prices of a symbol are kept."""
    symbols: Annotated[int, Meta(ge=1, le=10_000_000)] = 50_000
    """How many symbols are kept; the one not seen for longest is forgotten first."""
    deviations: Annotated[float, Meta(ge=1)] = 10.0
    """How many median absolute deviations from the median are still ordinary."""
    least_percent: Percent = 5.0
    """A distance of less than this is ordinary, however quiet the symbol was."""
    early_percent: Percent = 20.0
    """The same while fewer than eight prices are known."""
    confirmations: Count = 3
    """So many newer prices at another level, in a row, make it the level."""
    unit_confirmations: Count = 20
    """The same for a level 100 times as high or low: a unit rarely changes for good."""


class SwitchOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a check without further settings runs."""

    enabled: bool = True
    """False = not checked."""


class VolumeOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the price moved although nothing was traded."""

    enabled: bool = True
    """False = not checked."""
    move_percent: Percent = 1.0
    """A move of at most this needs no trade."""


class TimeOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a quote's time can be, and is fresh."""

    enabled: bool = True
    """False = not checked."""
    ahead_s: Seconds = 5.0
    """How far the venue's clock may be ahead of ours, in seconds."""
    real_time_stale_s: Seconds = 900.0
    """Age at arrival, in seconds, from which a real-time quote of an open market is stale."""
    open_stale_s: Seconds = 7_200.0
    """The same for a quote that is not real-time; delays of 15 to 20 minutes are usual."""
    stale_s: Seconds = 864_000.0
    """The same where the market is closed or nothing is said: ten days, for long holidays."""
    ignore_providers: tuple[str, ...] = ("replay",)
    """Providers whose quotes are old on purpose."""


class OrderOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether quotes come in the order of their times."""

    enabled: bool = True
    """False = not checked."""
    behind_s: Seconds = 0.0
    """How much older than the one before a quote may be, in seconds."""


class ShapeOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether each bar by itself can be."""

    enabled: bool = True
    """False = not checked."""
    tolerance_percent: Annotated[float, Meta(ge=0, le=100)] = 0.1
    """How far outside high and low a price may lie; vendors round them apart."""
    move_percent: Percent = 5.0
    """A move of at most this needs no trade, in a series that is traded in most bars."""


class BreakOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the bars of a series are at one level."""

    enabled: bool = True
    """False = not checked."""
    least_percent: Annotated[float, Meta(gt=0)] = 28.0
    """A step of less than this is no break, however quiet the series is."""
    spike_percent: Percent = 5.0
    """The same for up to three bars that leave the level and come back."""
    wick_percent: Percent = 20.0
    """The same for a high or a low that no other price of its bar is near to."""
    lonely_factor: Annotated[float, Meta(gt=1)] = 4.0
    """A break that nothing explains and that does not return is told from this factor on."""
    split_rows: Count = 15
    """How many bars away from a split the break may lie that it should have removed."""
    block_rows: Count = 20
    """The most bars that a block at another level may have; three times as many where it ends
    with the very step that it began with."""


class DividendOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether dividends fit to prices and adjusted closes."""

    enabled: bool = True
    """False = not checked."""
    tolerance_percent: Percent = 20.0
    """How far the adjustment may be from the dividend, in per cent of it."""
    large_percent: Percent = 5.0
    """A dividend of more than this of the price must show in the price."""
    twice_days: Count = 10
    """Two dividends of about the same amount within so many days are one too many."""


class ValidatorOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All checks of quotes and of series of bars."""

    price: PriceOptions = PriceOptions()
    session: SessionOptions = SessionOptions()
    spread: SpreadOptions = SpreadOptions()
    level: LevelOptions = LevelOptions()
    unit: SwitchOptions = SwitchOptions()
    split: SwitchOptions = SwitchOptions()
    spike: SwitchOptions = SwitchOptions()
    volume: VolumeOptions = VolumeOptions()
    time: TimeOptions = TimeOptions()
    duplicate: SwitchOptions = SwitchOptions()
    order: OrderOptions = OrderOptions()
    bar_shape: ShapeOptions = ShapeOptions()
    bar_level: BreakOptions = BreakOptions()
    dividend: DividendOptions = DividendOptions()
