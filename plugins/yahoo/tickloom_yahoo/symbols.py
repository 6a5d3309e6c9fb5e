"""Canonical symbols and what Yahoo calls the same things.

The canonical form follows Yahoo but for one thing: a class of shares, ``BRK.B`` here and ``BRK-B``
there.
"""

from __future__ import annotations

from tickloom.errors import InvalidSymbol
from tickloom.model import parse_symbol, split_symbol


def to_yahoo(symbol: str) -> str:
    """Return what Yahoo calls a canonical symbol."""
    parts = split_symbol(symbol)
    if parts.share_class:
        return f"{parts.root}-{parts.share_class}{parts.suffix}"
    return symbol


def from_yahoo(text: object) -> str | None:
    """Return the canonical symbol, ``None`` where Yahoo's can be none.

    ``JPY=X`` and ``USDJPY=X`` are the same pair; Yahoo answers with either.
    """
    try:
        return parse_symbol(text)
    except InvalidSymbol:
        return None
