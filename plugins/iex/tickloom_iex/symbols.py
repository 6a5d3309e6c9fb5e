"""Canonical symbols and what IEX Cloud calls the same things.

A class of shares has a full stop there (``BRK.B``), while a dash marks preferred shares and a venue
abroad (``BAC-B``, ``TSCO-LN``): neither has a canonical form, so neither is read.
"""

from __future__ import annotations

from tickloom.errors import InvalidSymbol, NotSupported
from tickloom.model import SymbolKind, SymbolParts, join_symbol, parse_symbol, split_symbol


def to_vendor(symbol: str) -> str:
    """Return what IEX Cloud calls a share listed in the United States, or a pair.

    Raises:
        NotSupported: It has no such things, as indices, futures and shares listed elsewhere.
    """
    parts = split_symbol(symbol)
    if parts.kind in {SymbolKind.FX, SymbolKind.CRYPTO}:
        return parts.root + parts.counter
    if parts.kind is not SymbolKind.EQUITY or parts.suffix:
        raise NotSupported(f"provider iex does not list {symbol}")
    return f"{parts.root}.{parts.share_class}" if parts.share_class else parts.root


def share_to_vendor(symbol: str) -> str:
    """Return what IEX Cloud calls a share.

    Raises:
        NotSupported: It is something else, or not listed in the United States.
    """
    if split_symbol(symbol).counter:
        raise NotSupported(f"provider iex has this for shares only, and {symbol} is a pair")
    return to_vendor(symbol)


def from_vendor(text: str) -> str | None:
    """Return the canonical symbol of a share, ``None`` where the vendor's has none."""
    if "-" in text:
        return None
    root, stop, end = text.upper().rpartition(".")
    try:
        if stop and root.isalpha() and len(end) == 1 and end.isalpha():
            parts = SymbolParts(kind=SymbolKind.EQUITY, root=root, share_class=end)
            symbol = parse_symbol(join_symbol(parts))
        else:
            symbol = parse_symbol(text)
        return symbol if to_vendor(symbol) == text.upper() else None
    except (InvalidSymbol, NotSupported):
        return None
