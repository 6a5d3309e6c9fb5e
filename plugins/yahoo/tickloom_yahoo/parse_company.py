"""Companies of ``/v10/finance/quoteSummary/{symbol}``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tickloom.errors import NoData, ProviderUnavailable, UnknownSymbol
from tickloom.model import Company, parse_currency, to_unit_of
from tickloom_yahoo.fields import positive, text, units
from tickloom_yahoo.records import UNREADABLE, decode, pick
from tickloom_yahoo.refusals import PROVIDER, VendorError, explain

# The first two are there for every live symbol, so that the answer tells the dead from the poor.
MODULES = ("price", "quoteType", "assetProfile", "summaryDetail", "defaultKeyStatistics")
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
    answer = decode(body, _Answer, "company")
    response = answer.quote_summary or answer.finance
    if response is None:
        raise ProviderUnavailable(f"provider {PROVIDER} sent no company", found=body[:40])
    if response.error is not None:
        raise explain(response.error, f"company information of {symbol}")
    if not response.result:
        raise UnknownSymbol(f"provider {PROVIDER} does not know {symbol}")
    modules = {name: _read(raw) for name, raw in response.result[0].items()}
    merged = _merged(modules)
    kind = str(merged.get("quoteType") or "").upper()
    if kind == "NONE":
        raise UnknownSymbol(f"provider {PROVIDER} does not know {symbol}")
    if not merged:
        raise NoData(f"provider {PROVIDER} tells nothing of {symbol}")
    currency = parse_currency(text(merged.get("currency")))
    cap = positive(_number(pick(merged, "marketCap")))
    return Company(
        symbol=symbol,
        name=_first(merged, "longName", "shortName") or symbol,
        provider=PROVIDER,
        received_at=now,
        description=_first(merged, "longBusinessSummary", "description"),
        asset_type=ASSET_TYPES.get(kind, kind.lower() or None),
        exchange=_first(merged, "exchangeName", "fullExchangeName", "exchange"),
        currency=currency,
        country=_first(merged, "country"),
        sector=_first(merged, "sector"),
        industry=_first(merged, "industry"),
        website=_first(merged, "website"),
        employees=units(_number(pick(merged, "fullTimeEmployees"))),
        # Yahoo states it in pounds where the price is in pence.
        market_cap=cap if cap is None or currency is None else to_unit_of(cap, currency),
        shares_outstanding=units(_number(pick(merged, "sharesOutstanding"))),
    )


def _read(raw: Raw) -> dict[str, Any]:
    # Exact numbers: a float would not keep the digits of a large one.
    try:
        fields = msgspec.json.decode(raw, type=dict[str, Raw])
    except UNREADABLE:
        return {}
    found = {}
    for name, value in fields.items():
        for kind in (Decimal, str, dict[str, Any]):
            try:
                found[name] = msgspec.json.decode(value, type=kind)
                break
            except UNREADABLE:
                continue
    return found


def _merged(modules: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of all modules; where two have one, the earlier in ``MODULES`` counts."""
    merged: dict[str, Any] = {}
    for name in (*MODULES, *modules):
        for field, value in modules.get(name, {}).items():
            merged.setdefault(field, value)
    return merged


def _number(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int | float | str):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return None
    return None


def _first(merged: dict[str, Any], *names: str) -> str | None:
    return next((found for name in names if (found := text(merged.get(name)))), None)
