"""Prices that account for splits and dividends, out of those that were paid. Pure.

A bar of a day is changed by everything that happened on later days:

- a split divides its prices by the ratio and multiplies its volume by it;
- a dividend multiplies its prices by ``1 - amount / close``, with the close of the last session
  before the ex-date. This is the multiplier that Yahoo publishes on its help page "What is the
  adjusted close?", after the standards of the Center for Research in Security Prices: a dividend
  of 0.08 after a close of 24.96 gives 1 - 0.08 / 24.96 = 0.9968. Where a split falls on the
  ex-date, the close is divided by its ratio first, as the dividend is paid on the new shares.

Factors are computed with 50 digits; prices are rounded once, half to even, to six decimal places,
and keep at least two; volumes are rounded to whole units. Days without a later event keep the
digits that they have.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Context, Decimal

from tickloom.model import Bar, Dividend, Split, major_of, to_major, to_unit_of

_WIDE = Context(prec=50)
_ONE = Decimal(1)
_LAST_PLACE, _CENT = Decimal("0.000001"), Decimal("0.01")


class Factors:
    """What later events make of the prices and volumes of each day.

    Args:
        splits: All of the days from the first bar until today.
        dividends: The same, in the shares and the money of their day; empty = not accounted for.
        closes: For each ex-date the close of the last session before it, unadjusted. A dividend
            without one is earlier than all bars, and so changes none.
        currency: Of the prices.

    Raises:
        ValueError: A dividend is in another currency, or no less than the close before it; a
            split has no positive ratio.
    """

    def __init__(
        self,
        splits: Sequence[Split],
        dividends: Sequence[Dividend],
        closes: Mapping[date, Decimal],
        currency: str | None,
    ) -> None:
        ratios: dict[date, Decimal] = {}
        for split in splits:
            if split.ratio <= 0:
                raise ValueError(f"a split of {split.ratio} on {split.day}")
            ratios[split.day] = _WIDE.multiply(ratios.get(split.day, _ONE), split.ratio)
        paid: dict[date, Decimal] = {}
        for dividend in dividends:
            amount = _in_unit(dividend, currency)
            paid[dividend.day] = _WIDE.add(paid.get(dividend.day, Decimal(0)), amount)
        self._days = sorted({*ratios, *paid})
        # By the number of events that a day is not before: none, one, … all.
        self._shares, self._prices = [_ONE], [_ONE]
        for day in reversed(self._days):
            ratio = ratios.get(day, _ONE)
            multiplier = _multiplier(day, paid.get(day), closes.get(day), ratio)
            self._shares.append(_WIDE.multiply(self._shares[-1], ratio))
            self._prices.append(_WIDE.multiply(self._prices[-1], multiplier))
        self._shares.reverse()
        self._prices.reverse()

    def adjust(self, bar: Bar, day: date) -> Bar:
        """Return a bar of the venue's ``day`` with the prices and volume of today's shares."""
        place = bisect_right(self._days, day)
        shares, multiplier = self._shares[place], self._prices[place]
        if shares == 1 and multiplier == 1:
            return bar
        price = _WIDE.divide(multiplier, shares)
        return Bar(
            timestamp=bar.timestamp,
            open_price=_price(bar.open_price, price),
            high_price=_price(bar.high_price, price),
            low_price=_price(bar.low_price, price),
            close_price=_price(bar.close_price, price),
            volume=None if bar.volume is None else round(_WIDE.multiply(bar.volume, shares)),
            adjusted_close=bar.adjusted_close,
            trade_count=bar.trade_count,
            vwap=None if bar.vwap is None else _price(bar.vwap, price),
        )

    def amount_of(self, dividend: Dividend) -> Decimal:
        """Return what was paid for each of today's shares."""
        shares = self._shares[bisect_right(self._days, dividend.day)]
        return (
            dividend.amount if shares == 1 else _price(dividend.amount, _WIDE.divide(_ONE, shares))
        )


def _in_unit(dividend: Dividend, currency: str | None) -> Decimal:
    given = dividend.currency
    if given is None or given == currency:
        return dividend.amount
    if currency is None or major_of(given) != major_of(currency):
        raise ValueError(f"a dividend in {given} for prices in {currency}")
    return to_unit_of(to_major(dividend.amount, given), currency)


def _multiplier(day: date, paid: Decimal | None, close: Decimal | None, ratio: Decimal) -> Decimal:
    if paid is None or close is None:
        return _ONE
    in_new_shares = _WIDE.divide(close, ratio)
    if not 0 <= paid < in_new_shares:
        raise ValueError(f"a dividend of {paid} on {day} after a close of {in_new_shares}")
    return _WIDE.subtract(_ONE, _WIDE.divide(paid, in_new_shares))


def _price(price: Decimal, factor: Decimal) -> Decimal:
    exact = _WIDE.multiply(price, factor).quantize(_LAST_PLACE, context=_WIDE)
    cents = exact.quantize(_CENT, context=_WIDE)
    return cents if cents == exact else exact.normalize(_WIDE)
