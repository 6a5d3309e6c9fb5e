"""The venue's symbols in canonical form.

IEX writes symbols in Nasdaq's integrated form: a class after a full stop, a preferred share after
a dash, then ``+`` for a warrant, ``=`` for a unit, ``^`` for a right, ``#`` for when-issued. The
canonical form has a class there too, but reads a dash as one as well, so a preferred share is
written as Yahoo Finance does: ``PSA-O`` is ``PSA-PO``. Source: IEX, "Symbology", and TOPS 1.6.
"""

from __future__ import annotations

import re

from tickloom.errors import InvalidSymbol
from tickloom.model import SymbolKind, SymbolParts, join_symbol, parse_symbol

_MAX_NAMES = 65_536
_CLASS = re.compile(r"([A-Z]{1,5})\.([A-Z])")
_PREFERRED = re.compile(r"([A-Z]{1,5})-([A-Z])([#+=^]?)")
_WHEN_ISSUED = "#"


def canonical_of(name: str, namespace: str = "") -> str:
    """Return the canonical symbol for the venue's ``name``; empty = there is none.

    Args:
        name: As the venue writes it, without the spaces that fill it up.
        namespace: Put before it; empty = nothing.
    """
    if found := _CLASS.fullmatch(name):
        symbol = join_symbol(
            SymbolParts(kind=SymbolKind.EQUITY, root=found[1], share_class=found[2])
        )
    elif found := _PREFERRED.fullmatch(name):
        symbol = f"{found[1]}-P{found[2]}{found[3]}"
    else:
        symbol = name
    symbol = namespace + symbol.replace(_WHEN_ISSUED, "-WI")
    try:
        # What reads as another symbol would never be asked for, or be taken for the other.
        return symbol if parse_symbol(symbol) == symbol else ""
    except InvalidSymbol:
        return ""


class Names(dict[bytes, str]):
    """The canonical symbols that were met, by the eight bytes of the venue; empty = unusable.

    Args:
        namespace: Put before every symbol.
    """

    def __init__(self, namespace: str | None = None) -> None:
        super().__init__()
        self._namespace = namespace or ""

    def __missing__(self, raw: bytes) -> str:
        if len(self) >= _MAX_NAMES:
            self.clear()
        name = raw.decode("ascii", "replace").rstrip(" \0")
        symbol = self[raw] = canonical_of(name, self._namespace)
        return symbol
