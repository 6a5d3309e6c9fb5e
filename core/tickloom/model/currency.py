"""Currencies, and the minor units that some venues quote in.

London quotes in pence, Johannesburg in cents, Tel Aviv in agorot. Vendors write these as GBp or
GBX, ZAc or ZAX, ILA; a reader that takes GBX for pounds is wrong by a factor of a hundred. Here a
minor unit keeps a code of its own, GBp, ZAc and ILA, and is converted only by the two functions
below.
"""

from __future__ import annotations

import re
from decimal import Decimal

# Minor unit to major currency; each is a hundredth.
MINOR_UNITS = {"GBp": "GBP", "ZAc": "ZAR", "ILA": "ILS"}
_HUNDRED = Decimal(100)
_SPELLINGS = {
    "GBX": "GBp",
    "GBPX": "GBp",
    "GBPENCE": "GBp",
    "ZAX": "ZAc",
    "ZAC": "ZAc",
    "ILX": "ILA",
}
_CODE = re.compile(r"[A-Z0-9]{2,10}")


def parse_currency(text: str | None) -> str | None:
    """Return a vendor's spelling of a currency as our code; ``None`` where there is none.

    ``GBp`` and ``GBX`` are pence, ``GBP`` and ``gbp`` are pounds: the case counts only there.
    """
    if text is None:
        return None
    stripped = text.strip()
    if stripped in MINOR_UNITS:
        return stripped
    code = stripped.upper()
    code = _SPELLINGS.get(code, code)
    return code if code in MINOR_UNITS or _CODE.fullmatch(code) else None


def major_of(currency: str) -> str:
    """Return the currency that ``currency`` is a minor unit of, else itself."""
    return MINOR_UNITS.get(currency, currency)


def to_major(amount: Decimal, currency: str) -> Decimal:
    """Return an amount in ``currency`` in the major currency: 250 GBp are 2.5 GBP."""
    return amount / _HUNDRED if currency in MINOR_UNITS else amount


def to_unit_of(amount: Decimal, currency: str) -> Decimal:
    """Return an amount in the major currency in ``currency``: 2.5 GBP are 250 GBp."""
    return amount * _HUNDRED if currency in MINOR_UNITS else amount
