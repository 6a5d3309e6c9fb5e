"""What a symbol may look like."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from tickloom.errors import InvalidSymbol

MAX_SYMBOL_LENGTH = 32

# Letters and digits with what vendors use: BRK.B, BRK-B, ^GSPC, EURUSD=X, GC=F, M&M.NS, 0P0000XTS7.
_SYMBOL = re.compile(r"[A-Z0-9^$][A-Z0-9.^=&_:+\-]{0,31}", re.ASCII)
_GLOB = re.compile(r"[A-Z0-9^$*?][A-Z0-9.^=&_:+\-*?]{0,31}", re.ASCII)
_EXPECTED = (
    f"1 to {MAX_SYMBOL_LENGTH} letters, digits or . - ^ = & _ : + $, beginning with a letter, a "
    "digit, ^ or $"
)


def parse_symbol(text: object) -> str:
    """Return ``text`` as a symbol in canonical form, that is in capitals.

    Raises:
        InvalidSymbol: It is no text, empty, too long, or has other characters.
    """
    if isinstance(text, str) and len(text) <= MAX_SYMBOL_LENGTH and text.isascii():
        symbol = text.upper()
        if _SYMBOL.fullmatch(symbol):
            return symbol
    raise InvalidSymbol("not a symbol", found=text, expected=_EXPECTED)


def parse_glob(text: object) -> str:
    """Return ``text`` as a symbol or as a pattern of symbols with ``*`` and ``?``.

    Raises:
        InvalidSymbol: It could match no symbol.
    """
    if isinstance(text, str) and len(text) <= MAX_SYMBOL_LENGTH and text.isascii():
        pattern = text.upper()
        if _GLOB.fullmatch(pattern):
            return pattern
    raise InvalidSymbol("not a symbol", found=text, expected=f"{_EXPECTED}; or a pattern with * ?")


def is_glob(pattern: str) -> bool:
    """True where a parsed pattern can match more than one symbol."""
    return "*" in pattern or "?" in pattern


def matches(symbol: str, pattern: str) -> bool:
    """True where ``symbol`` fits a parsed ``pattern``."""
    return fnmatchcase(symbol, pattern)
