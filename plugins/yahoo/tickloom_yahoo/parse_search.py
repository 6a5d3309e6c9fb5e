"""Matches of ``/v1/finance/search``."""

from __future__ import annotations

from msgspec import Raw, Struct

from tickloom.errors import BadRecord, ProviderUnavailable
from tickloom.model import SymbolMatch
from tickloom_yahoo.fields import text
from tickloom_yahoo.parse_company import ASSET_TYPES
from tickloom_yahoo.records import decode, decode_leniently
from tickloom_yahoo.refusals import PROVIDER, VendorError, explain
from tickloom_yahoo.symbols import from_yahoo

_MOST_PARTS = 20_000
# More than is ever asked for; without it one symbol again and again would take forever.
_MOST_RECORDS = 200


class _Match(Struct):
    symbol: str | None = None
    longname: str | None = None
    shortname: str | None = None
    quoteType: str | None = None  # noqa: N815 - Yahoo's own mixture
    exchDisp: str | None = None  # noqa: N815
    exchange: str | None = None


class _Finance(Struct):
    error: VendorError | None = None


class _Answer(Struct):
    quotes: list[Raw] | None = None
    finance: _Finance | None = None


def parse_matches(body: bytes, limit: int) -> list[SymbolMatch]:
    """Return at most ``limit`` matches, best first; what has no symbol is left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    answer = decode(body, _Answer, "matches", _MOST_PARTS)
    if answer.finance is not None and answer.finance.error is not None:
        raise explain(answer.finance.error, "symbols that fit")
    if answer.quotes is None:
        raise ProviderUnavailable(f"provider {PROVIDER} sent no matches", found=body[:40])
    found: dict[str, SymbolMatch] = {}
    for raw in answer.quotes[:_MOST_RECORDS]:
        if len(found) >= limit:
            break
        try:
            match = decode_leniently(bytes(raw), _Match)
        except BadRecord:
            continue
        symbol = from_yahoo(match.symbol)
        if symbol is None:
            continue
        kind = (match.quoteType or "").upper()
        found.setdefault(
            symbol,
            # Yahoo's score has no upper end, so the order must do.
            SymbolMatch(
                symbol=symbol,
                name=text(match.longname) or text(match.shortname) or symbol,
                provider=PROVIDER,
                asset_type=ASSET_TYPES.get(kind, kind.lower() or None),
                exchange=text(match.exchDisp) or text(match.exchange),
            ),
        )
    return list(found.values())
