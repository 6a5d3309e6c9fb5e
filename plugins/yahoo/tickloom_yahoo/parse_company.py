"""Companies of ``/v10/finance/quoteSummary/{symbol}``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Raw, Struct

from tickloom.errors import NoData, ProviderUnavailable, UnknownSymbol
from tickloom.model import Company, parse_currency, to_unit_of
from tickloom_yahoo.fields import positive, text, units
from tickloom_yahoo.records import convert, decode
from tickloom_yahoo.refusals import PROVIDER, VendorError, explain

# The first two are there for every live symbol, so that the answer tells the dead from the poor.
MODULES = ("price", "quoteType", "assetProfile", "summaryDetail", "defaultKeyStatistics")
_MOST_PARTS = 20_000
ASSET_TYPES = {
    "EQUITY": "stock",
    "ETF": "etf",
    "MUTUALFUND": "fund",
    "INDEX": "index",
    "CURRENCY": "fx",
    "CRYPTOCURRENCY": "crypto",
    "FUTURE": "future",
    "OPTION": "option",
}


class _Response(Struct):
    result: list[dict[str, Raw]] | None = None
    error: VendorError | None = None


class _Answer(Struct, rename="camel"):
    quote_summary: _Response | None = None
    finance: _Response | None = None


def parse_company(body: bytes, symbol: str, now: datetime) -> Company:
    """Return the company behind ``symbol``, from whichever modules are there.

    Raises:
        UnknownSymbol: Yahoo knows no such thing.
        NoData: It tells nothing of it.
        ProviderUnavailable: It is no such answer.
    """
    answer = decode(body, _Answer, "company", _MOST_PARTS)
    response = answer.quote_summary or answer.finance
    if response is None:
        raise ProviderUnavailable(f"provider {PROVIDER} sent no company", found=body[:40])
    if response.error is not None:
        raise explain(response.error, f"company information of {symbol}")
    if not response.result:
        raise UnknownSymbol(f"provider {PROVIDER} does not know {symbol}")
    merged = _merged(response.result[0])
    kind = (_text(merged, "quoteType") or "").upper()
    if kind == "NONE":
        raise UnknownSymbol(f"provider {PROVIDER} does not know {symbol}")
    if not merged:
        raise NoData(f"provider {PROVIDER} tells nothing of {symbol}")
    currency = parse_currency(_text(merged, "currency"))
    cap = positive(_number(merged, "marketCap"))
    return Company(
        symbol=symbol,
        name=_text(merged, "longName", "shortName", "name") or symbol,
        provider=PROVIDER,
        received_at=now,
        description=_text(merged, "longBusinessSummary", "description"),
        asset_type=ASSET_TYPES.get(kind, kind.lower() or None),
        exchange=_text(merged, "exchangeName", "fullExchangeName", "exchange"),
        currency=currency,
        country=_text(merged, "country"),
        sector=_text(merged, "sector"),
        industry=_text(merged, "industry"),
        website=_text(merged, "website"),
        employees=units(_number(merged, "fullTimeEmployees")),
        # Yahoo states it in pounds where the price is in pence.
        market_cap=cap if cap is None or currency is None else to_unit_of(cap, currency),
        shares_outstanding=units(_number(merged, "sharesOutstanding")),
    )


def _merged(modules: dict[str, Raw]) -> dict[str, Raw]:
    """Return the fields of all modules; where two have one, the earlier in ``MODULES`` counts."""
    merged: dict[str, Raw] = {}
    for name in (*MODULES, *modules):
        fields = convert(modules.get(name, Raw(b"null")), dict[str, Raw])
        for field, value in (fields or {}).items():
            if bytes(value) != b"null":
                merged.setdefault(field, value)
    return merged


def _text(merged: dict[str, Raw], *names: str) -> str | None:
    values = (convert(merged[name], str) for name in names if name in merged)
    return next((found for value in values if (found := text(value))), None)


def _number(merged: dict[str, Raw], name: str) -> Decimal | None:
    return convert(merged[name], Decimal) if name in merged else None
