"""Canonical symbols, what Alpha Vantage calls the same things, and the hours of their venues.

``.LON``, ``.FRK``, ``.TRT`` and ``.BSE`` are in recorded answers; the others, and the dash of a
class of shares, are from general knowledge and were not seen.
"""

from __future__ import annotations

from datetime import time

from msgspec import Struct

from tickloom.errors import InvalidSymbol, NotSupported
from tickloom.model import SymbolKind, parse_symbol, split_symbol


class Home(Struct, frozen=True):
    """Where a share is traded.

    Attributes:
        suffix: Ends the vendor's symbol; empty = United States.
        zone: Of the venue's clock.
        close: When an ordinary session ends, by that clock.
    """

    suffix: str
    zone: str
    close: time


NEW_YORK = Home("", "America/New_York", time(16))
_HOMES = {
    "": NEW_YORK,
    ".L": Home(".LON", "Europe/London", time(16, 30)),
    ".DE": Home(".DEX", "Europe/Berlin", time(17, 30)),
    ".F": Home(".FRK", "Europe/Berlin", time(22)),
    ".PA": Home(".PAR", "Europe/Paris", time(17, 30)),
    ".AS": Home(".AMS", "Europe/Amsterdam", time(17, 30)),
    ".TO": Home(".TRT", "America/Toronto", time(16)),
    ".V": Home(".TRV", "America/Toronto", time(16)),
    ".BO": Home(".BSE", "Asia/Kolkata", time(15, 30)),
    ".SS": Home(".SHH", "Asia/Shanghai", time(15)),
    ".SZ": Home(".SHZ", "Asia/Shanghai", time(15)),
    ".SA": Home(".SAO", "America/Sao_Paulo", time(18)),
}


def home_of(symbol: str) -> Home:
    """Return where a share is traded; what no venue is known of counts as American."""
    return _HOMES.get(split_symbol(symbol).suffix, NEW_YORK)


def to_vendor(symbol: str) -> str:
    """Return what Alpha Vantage calls a share.

    Raises:
        NotSupported: It has no such things, as indices and futures.
    """
    parts = split_symbol(symbol)
    if parts.kind is not SymbolKind.EQUITY:
        raise NotSupported(f"provider alpha_vantage has no {parts.kind} {symbol} of this kind")
    home = _HOMES.get(parts.suffix)
    if home is None:
        raise NotSupported(
            f"provider alpha_vantage does not list {symbol}",
            expected=f"no suffix, or one of {', '.join(filter(None, _HOMES))}",
        )
    share_class = f"-{parts.share_class}" if parts.share_class else ""
    return parts.root + share_class + home.suffix


def from_vendor(text: str) -> str | None:
    """Return the canonical symbol, ``None`` where the vendor's can be none."""
    try:
        return parse_symbol(text)
    except InvalidSymbol:
        return None
