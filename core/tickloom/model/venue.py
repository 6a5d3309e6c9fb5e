"""Venues by the suffix that a symbol carries.

A canonical symbol names its venue by the suffix that Yahoo Finance made common, such as ``.L`` for
London; without one it is listed in the United States. Sources: Yahoo Finance's page "Exchanges and
data providers" for suffixes, ISO 10383 for market identifier codes.
"""

from __future__ import annotations

from msgspec import Struct


class Venue(Struct, frozen=True):
    """Where instruments are traded.

    Attributes:
        mic: ISO 10383 market identifier code; the trading calendar goes by it.
        suffix: Ends a canonical symbol, with its full stop; empty = United States.
        currency: What most of its prices are in.
        aliases: Other vendors' suffixes for it; read, never written.
    """

    mic: str
    suffix: str
    currency: str
    aliases: tuple[str, ...] = ()


UNITED_STATES = Venue("XNYS", "", "USD", (".US",))
VENUES: tuple[Venue, ...] = (
    UNITED_STATES,
    Venue("XLON", ".L", "GBp", (".LON",)),
    Venue("XLON", ".IL", "USD"),
    Venue("XETR", ".DE", "EUR", (".DEX",)),
    Venue("XFRA", ".F", "EUR", (".FRK",)),
    Venue("XPAR", ".PA", "EUR", (".PAR",)),
    Venue("XAMS", ".AS", "EUR", (".AMS",)),
    Venue("XBRU", ".BR", "EUR", (".BRU",)),
    Venue("XLIS", ".LS", "EUR", (".LIS",)),
    Venue("XDUB", ".IR", "EUR"),
    Venue("XMAD", ".MC", "EUR", (".MAD",)),
    Venue("XMIL", ".MI", "EUR", (".MIL",)),
    Venue("XSWX", ".SW", "CHF", (".SWX",)),
    Venue("XWBO", ".VI", "EUR"),
    Venue("XSTO", ".ST", "SEK", (".STO",)),
    Venue("XOSL", ".OL", "NOK", (".OSL",)),
    Venue("XCSE", ".CO", "DKK", (".CPH",)),
    Venue("XHEL", ".HE", "EUR", (".HEL",)),
    Venue("XICE", ".IC", "ISK"),
    Venue("XWAR", ".WA", "PLN", (".WAR",)),
    Venue("XPRA", ".PR", "CZK"),
    Venue("XBUD", ".BD", "HUF"),
    Venue("ASEX", ".AT", "EUR"),
    Venue("XIST", ".IS", "TRY"),
    Venue("XTAE", ".TA", "ILA"),
    Venue("XJSE", ".JO", "ZAc", (".JSE",)),
    Venue("XTSE", ".TO", "CAD", (".TRT",)),
    Venue("XTSX", ".V", "CAD", (".TRV",)),
    Venue("BVMF", ".SA", "BRL", (".SAO",)),
    Venue("XMEX", ".MX", "MXN", (".MEX",)),
    Venue("XBUE", ".BA", "ARS"),
    Venue("XSGO", ".SN", "CLP"),
    Venue("XASX", ".AX", "AUD", (".ASX",)),
    Venue("XNZE", ".NZ", "NZD"),
    Venue("XTKS", ".T", "JPY", (".TYO",)),
    Venue("XHKG", ".HK", "HKD", (".HKG",)),
    Venue("XSHG", ".SS", "CNY", (".SHH",)),
    Venue("XSHE", ".SZ", "CNY", (".SHZ",)),
    Venue("XTAI", ".TW", "TWD"),
    Venue("XKRX", ".KS", "KRW"),
    Venue("XKOS", ".KQ", "KRW"),
    Venue("XBOM", ".BO", "INR", (".BSE",)),
    Venue("XNSE", ".NS", "INR", (".NSE",)),
    Venue("XSES", ".SI", "SGD"),
    Venue("XIDX", ".JK", "IDR"),
    Venue("XKLS", ".KL", "MYR"),
    Venue("XBKK", ".BK", "THB"),
)

_BY_SUFFIX = {venue.suffix: venue for venue in VENUES}
_CANONICAL = {alias: venue.suffix for venue in VENUES for alias in venue.aliases}
_INDICES = {
    "XNYS": ("^GSPC", "^DJI", "^IXIC", "^NDX", "^RUT", "^VIX", "^NYA", "^SOX", "^OEX"),
    "XLON": ("^FTSE", "^FTMC"),
    "XETR": ("^GDAXI", "^MDAXI", "^STOXX50E"),
    "XPAR": ("^FCHI",),
    "XTKS": ("^N225",),
    "XHKG": ("^HSI",),
    "XTSE": ("^GSPTSE",),
    "XASX": ("^AXJO",),
    "XBOM": ("^BSESN",),
    "XKRX": ("^KS11",),
    "BVMF": ("^BVSP",),
}
_INDEX_MIC = {index: mic for mic, indices in _INDICES.items() for index in indices}


def find_venue(suffix: str) -> Venue | None:
    """Return the venue with this canonical suffix, ``None`` where none has it."""
    return _BY_SUFFIX.get(suffix)


def canonical_suffix(suffix: str) -> str | None:
    """Return the canonical suffix for any vendor's, ``None`` where no venue has it."""
    return suffix if suffix in _BY_SUFFIX else _CANONICAL.get(suffix)


def index_mic(symbol: str) -> str | None:
    """Return the market whose hours an index keeps, ``None`` where it is not known."""
    return _INDEX_MIC.get(symbol)
