"""What stands behind a symbol, searches, and lists of corporate actions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from tickloom.errors import BadRecord, UnknownSymbol
from tickloom.model import Company, Dividend, Split, SymbolMatch, parse_currency
from tickloom_alpha_vantage.fields import count, day, decode, named, number, price
from tickloom_alpha_vantage.symbols import from_vendor

Fields = dict[str, str | None]


class _Matches(Struct):
    bestMatches: list[Fields]  # noqa: N815 - the vendor's name


class _Actions(Struct):
    data: list[Fields]


def parse_company(body: bytes, symbol: str, received_at: datetime) -> Company:
    """Return the company of OVERVIEW; fields that cannot be read are left out.

    Raises:
        UnknownSymbol: The answer is empty.
        ProviderUnavailable: It is no such answer.
    """
    fields = named(decode(body, Fields, "overview"))
    if "symbol" not in fields:
        raise UnknownSymbol(f"provider alpha_vantage knows no company {symbol}")
    return Company(
        symbol=symbol,
        name=fields.get("name", symbol),
        provider="alpha_vantage",
        received_at=received_at,
        description=fields.get("description"),
        asset_type=fields.get("assettype"),
        exchange=fields.get("exchange"),
        currency=parse_currency(fields.get("currency")),
        country=fields.get("country"),
        sector=fields.get("sector"),
        industry=fields.get("industry"),
        website=fields.get("officialsite"),
        employees=_whole(fields.get("fulltimeemployees")),
        market_cap=_number(fields.get("marketcapitalization")),
        shares_outstanding=_whole(fields.get("sharesoutstanding")),
    )


def _number(text: str | None) -> Decimal | None:
    try:
        return number(text, "a value")
    except BadRecord:
        return None


def _whole(text: str | None) -> int | None:
    try:
        return count(text, "a count")
    except BadRecord:
        return None


def parse_matches(body: bytes, limit: int) -> list[SymbolMatch]:
    """Return what SYMBOL_SEARCH found, best first.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    found = []
    answer: _Matches = decode(body, _Matches, "list of matches")
    for row in answer.bestMatches:
        fields = named(row)
        symbol = from_vendor(fields.get("symbol", ""))
        if symbol is None:
            continue
        found.append(
            SymbolMatch(
                symbol=symbol,
                name=fields.get("name", symbol),
                provider="alpha_vantage",
                asset_type=fields.get("type"),
                currency=parse_currency(fields.get("currency")),
                country=fields.get("region"),
                score=_number(fields.get("matchscore")),
            )
        )
    return found[:limit]


def parse_splits(body: bytes) -> tuple[Split, ...]:
    """Return what SPLITS lists, oldest first; rows that cannot be read are left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    found = []
    for fields in _rows(body):
        try:
            ratio = price(fields.get("split_factor"), "the factor")
            found.append(Split(day=day(fields.get("effective_date")), ratio=ratio))
        except BadRecord:
            continue
    return tuple(sorted(found, key=lambda one: one.day))


def parse_dividends(body: bytes, currency: str | None) -> tuple[Dividend, ...]:
    """Return what DIVIDENDS lists, oldest first; rows that cannot be read are left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    found = []
    for fields in _rows(body):
        try:
            amount = price(fields.get("amount"), "the amount")
            ex_day = day(fields.get("ex_dividend_date"))
            found.append(Dividend(day=ex_day, amount=amount, currency=currency))
        except BadRecord:
            continue
    return tuple(sorted(found, key=lambda one: one.day))


def _rows(body: bytes) -> Iterator[dict[str, str]]:
    answer: _Actions = decode(body, _Actions, "list of corporate actions")
    for row in answer.data:
        yield named(row)
