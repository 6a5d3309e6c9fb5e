"""What stands behind a symbol, and searches."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Raw

from tickloom.errors import UnknownSymbol
from tickloom.model import Company, SymbolMatch, parse_currency
from tickloom_iex.fields import PROVIDER, count, decode, read_list, read_record
from tickloom_iex.records import CompanyRecord, MatchRecord
from tickloom_iex.symbols import from_vendor

# The vendor's page "Reference data: symbols" names these types.
_TYPES = {
    "ad": "depositary receipt",
    "bo": "bond",
    "ce": "fund",
    "cef": "fund",
    "cs": "stock",
    "et": "fund",
    "oef": "fund",
    "ps": "preferred stock",
    "re": "reit",
    "rt": "right",
    "si": "secondary issue",
    "ut": "unit",
    "wt": "warrant",
}


def parse_company(body: bytes, symbol: str, received_at: datetime, *, scrambled: bool) -> Company:
    """Return the company of ``/company``; fields that cannot be read are left out.

    Raises:
        UnknownSymbol: The answer is empty.
        BadRecord: It is something else than an object.
        ProviderUnavailable: It is no such answer.
    """
    if body.strip() in {b"null", b"[]"}:
        raise UnknownSymbol(f"provider {PROVIDER} knows no company {symbol}")
    if body.lstrip()[:1] == b"[":
        records, _ = read_list(body, CompanyRecord, "company")
    else:
        records = [read_record(decode(body, Raw, "company"), CompanyRecord)]
    if not records or not (records[0].symbol or records[0].company_name):
        raise UnknownSymbol(f"provider {PROVIDER} knows no company {symbol}")
    return _company(records[0], symbol, received_at, scrambled=scrambled)


def _company(
    record: CompanyRecord, symbol: str, received_at: datetime, *, scrambled: bool
) -> Company:
    rest: dict[str, Any] = {}
    if record.ceo:
        rest["ceo"] = record.ceo
    if record.tags:
        rest["tags"] = record.tags
    if scrambled:
        rest["scrambled"] = True
    return Company(
        symbol=symbol,
        name=record.company_name or record.security_name or symbol,
        provider=PROVIDER,
        received_at=received_at,
        description=record.description or None,
        asset_type=_type_of(record.issue_type),
        exchange=record.exchange or None,
        currency="USD",
        country=record.country or None,
        sector=record.sector or None,
        industry=record.industry or None,
        website=record.website or None,
        employees=count(record.employees) or None,
        additional_data=rest or None,
    )


def _type_of(code: str | None) -> str | None:
    return _TYPES.get(code.lower(), code) if code else None


def parse_matches(body: bytes, limit: int) -> list[SymbolMatch]:
    """Return what ``/search`` found, best first; what has no canonical symbol is left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    records, _ = read_list(body, MatchRecord, "list of matches")
    found = []
    for record in records:
        symbol = from_vendor(record.symbol or "")
        if symbol is None:
            continue
        found.append(
            SymbolMatch(
                symbol=symbol,
                name=record.security_name or record.name or symbol,
                provider=PROVIDER,
                asset_type=_type_of(record.security_type),
                exchange=record.exchange or None,
                currency=parse_currency(record.currency),
                country=record.region or None,
            )
        )
    return found[:limit]
