"""The one canonical form of a symbol, and what it is made of.

| what | canonical | also read |
|---|---|---|
| share listed in the United States | ``AAPL`` | ``AAPL.US`` |
| one of several classes | ``BRK.B`` | ``BRK-B`` |
| listed elsewhere | ``TSCO.L`` | ``TSCO.LON`` |
| pair of currencies | ``EURUSD=X`` | ``EUR/USD``, and ``JPY=X`` for ``USDJPY=X`` |
| crypto currency | ``BTC-USD`` | |
| index | ``^GSPC`` | |
| future | ``GC=F`` | |

A provider's plugin maps it to what its vendor calls the same thing, and back. A class whose letter
is also a venue's suffix keeps its dash, since ``.L`` is London: ``ABC-L``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from fnmatch import fnmatchcase, translate

from msgspec import Struct

from tickloom.errors import InvalidSymbol
from tickloom.model.venue import canonical_suffix, find_venue, index_mic

MAX_SYMBOL_LENGTH = 32

# Letters and digits with what vendors use: BRK.B, BRK-B, ^GSPC, EURUSD=X, GC=F, M&M.NS, 0P0000XTS7.
_SYMBOL = re.compile(r"[A-Z0-9^$][A-Z0-9.^=&_:+\-]{0,31}", re.ASCII)
_GLOB = re.compile(r"[A-Z0-9^$*?][A-Z0-9.^=&_:+\-*?]{0,31}", re.ASCII)
_CLASS = re.compile(r"([A-Z]{1,5})[-.]([A-Z])")
_PAIR = re.compile(r"([A-Z]{3})/([A-Z]{3})")
_DOLLAR_PAIR = re.compile(r"([A-Z]{3})=X")
_FX = re.compile(r"([A-Z]{3})([A-Z]{3})=X")
_CRYPTO = re.compile(r"([A-Z0-9]{1,15})-([A-Z]{3,4})")
_FUTURE = re.compile(r"([A-Z0-9]{1,8})=F")
_CRYPTO_QUOTES = re.compile(
    "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|KRW|INR|BRL|TRY|RUB|SGD|HKD|SEK|NOK|DKK|PLN|MXN|ZAR|"
    "USDT|USDC|BTC|ETH"
)
_EXPECTED = (
    f"1 to {MAX_SYMBOL_LENGTH} letters, digits or . - ^ = & _ : + $, beginning with a letter, a "
    "digit, ^ or $"
)


class SymbolKind(StrEnum):
    """What the form of a symbol says of the instrument."""

    EQUITY = "equity"
    FX = "fx"
    CRYPTO = "crypto"
    INDEX = "index"
    FUTURE = "future"


class SymbolParts(Struct, frozen=True, kw_only=True):
    """A canonical symbol taken apart.

    Attributes:
        kind: Funds and anything unrecognised count as equity.
        root: What stands before class and suffix; for a pair its first currency.
        share_class: The letter of the class, empty = none.
        suffix: Of the venue, with its full stop; empty = United States or none.
        counter: The currency that a pair is priced in, empty = no pair.
    """

    kind: SymbolKind
    root: str
    share_class: str = ""
    suffix: str = ""
    counter: str = ""


def parse_symbol(text: object) -> str:
    """Return ``text`` as a symbol in canonical form.

    Raises:
        InvalidSymbol: It is no text, empty, too long, or has other characters.
    """
    if isinstance(text, str) and len(text) <= MAX_SYMBOL_LENGTH and text.isascii():
        symbol = text.upper()
        # Nearly all symbols are bare letters, and this runs for each symbol of each request.
        if symbol.isalpha():
            return symbol
        if _PAIR.fullmatch(symbol):
            return f"{symbol[:3]}{symbol[4:]}=X"
        if _SYMBOL.fullmatch(symbol):
            return _canonical(symbol)
    raise InvalidSymbol("not a symbol", found=text, expected=_EXPECTED)


def _canonical(symbol: str) -> str:
    if _DOLLAR_PAIR.fullmatch(symbol):
        return f"USD{symbol}"
    root, stop, end = symbol.rpartition(".")
    if stop and root:
        suffix = canonical_suffix(stop + end)
        if suffix is None:
            return symbol
        # What the suffix of the United States leaves may still have a class with a dash.
        return root + suffix if suffix else _canonical(root)
    found = _CLASS.fullmatch(symbol)
    if found and find_venue(f".{found[2]}") is None:
        return f"{found[1]}.{found[2]}"
    return symbol


def split_symbol(symbol: str) -> SymbolParts:
    """Take a canonical symbol apart; joining it again with :func:`join_symbol` gives the same."""
    if symbol.startswith("^"):
        return SymbolParts(kind=SymbolKind.INDEX, root=symbol[1:])
    if found := _FX.fullmatch(symbol):
        return SymbolParts(kind=SymbolKind.FX, root=found[1], counter=found[2])
    if found := _FUTURE.fullmatch(symbol):
        return SymbolParts(kind=SymbolKind.FUTURE, root=found[1])
    if (found := _CRYPTO.fullmatch(symbol)) and _CRYPTO_QUOTES.fullmatch(found[2]):
        return SymbolParts(kind=SymbolKind.CRYPTO, root=found[1], counter=found[2])
    return _split_equity(symbol)


def _split_equity(symbol: str) -> SymbolParts:
    root, stop, end = symbol.rpartition(".")
    if stop and find_venue(stop + end) is not None:
        return SymbolParts(kind=SymbolKind.EQUITY, root=root, suffix=stop + end)
    if found := _CLASS.fullmatch(symbol):
        return SymbolParts(kind=SymbolKind.EQUITY, root=found[1], share_class=found[2])
    return SymbolParts(kind=SymbolKind.EQUITY, root=symbol)


def join_symbol(parts: SymbolParts) -> str:
    """Return the canonical symbol that has these parts."""
    match parts.kind:
        case SymbolKind.INDEX:
            return f"^{parts.root}"
        case SymbolKind.FX:
            return f"{parts.root}{parts.counter}=X"
        case SymbolKind.FUTURE:
            return f"{parts.root}=F"
        case SymbolKind.CRYPTO:
            return f"{parts.root}-{parts.counter}"
    if not parts.share_class:
        return parts.root + parts.suffix
    mark = "." if find_venue(f".{parts.share_class}") is None else "-"
    return f"{parts.root}{mark}{parts.share_class}{parts.suffix}"


def venue_mic(symbol: str) -> str | None:
    """Return the market whose hours a canonical symbol keeps.

    ``None`` where it keeps none (crypto), or they are not known; ``"24/5"`` for currencies.
    """
    parts = split_symbol(symbol)
    if parts.kind is SymbolKind.INDEX:
        return index_mic(symbol)
    if parts.kind is SymbolKind.FX:
        return "24/5"
    # What has another full stop, such as SIM.ACME, is listed at no venue that is known here.
    if parts.kind is not SymbolKind.EQUITY or "." in parts.root:
        return None
    venue = find_venue(parts.suffix)
    return venue.mic if venue is not None else None


def parse_glob(text: object) -> str:
    """Return ``text`` as a canonical symbol or as a pattern of symbols with ``*`` and ``?``.

    Raises:
        InvalidSymbol: It could match no symbol.
    """
    if isinstance(text, str) and len(text) <= MAX_SYMBOL_LENGTH and text.isascii():
        if not is_glob(text):
            return parse_symbol(text)
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


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a symbol fits any of several parsed patterns, in one go."""
    texts = sorted(set(patterns))
    if not texts:
        return lambda _symbol: False
    fits = re.compile("|".join(map(translate, texts))).match
    return lambda symbol: fits(symbol) is not None
