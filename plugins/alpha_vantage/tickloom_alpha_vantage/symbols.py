"""Canonical symbols and what Alpha Vantage calls the same things.

``.LON``, ``.FRK``, ``.TRT`` and ``.BSE`` are in recorded answers; the others, and the dash of a
class of shares, are from general knowledge and were not seen.
"""

from __future__ import annotations

from tickloom.errors import InvalidSymbol, NotSupported
from tickloom.model import SymbolKind, parse_symbol, split_symbol

_SUFFIXES = {
    ".L": ".LON",
    ".DE": ".DEX",
    ".F": ".FRK",
    ".PA": ".PAR",
    ".AS": ".AMS",
    ".TO": ".TRT",
    ".V": ".TRV",
    ".BO": ".BSE",
    ".SS": ".SHH",
    ".SZ": ".SHZ",
    ".SA": ".SAO",
}


def to_vendor(symbol: str) -> str:
    """Return what Alpha Vantage calls a share.

    Raises:
        NotSupported: It has no such things, as indices and futures.
    """
    parts = split_symbol(symbol)
    if parts.kind is not SymbolKind.EQUITY:
        raise NotSupported(f"provider alpha_vantage has no {parts.kind} {symbol} of this kind")
    if parts.suffix and parts.suffix not in _SUFFIXES:
        raise NotSupported(
            f"provider alpha_vantage does not list {symbol}",
            expected=f"no suffix, or one of {', '.join(_SUFFIXES)}",
        )
    share_class = f"-{parts.share_class}" if parts.share_class else ""
    return parts.root + share_class + _SUFFIXES.get(parts.suffix, "")


def from_vendor(text: str) -> str | None:
    """Return the canonical symbol, ``None`` where the vendor's can be none."""
    try:
        return parse_symbol(text)
    except InvalidSymbol:
        return None
