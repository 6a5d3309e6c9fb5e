"""What stands behind a symbol, searches, and lists of corporate actions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from tickloom.errors import BadRecord, UnknownSymbol
from tickloom.model import Company, Dividend, Split, SymbolMatch, parse_currency
from tickloom_alpha_vantage.fields import (
    count,
    day,
    decode,
    decode_csv,
    is_json,
    named,
    number,
    price,
)
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
    """Return what SYMBOL_SEARCH found, as JSON or CSV, best first.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    found = []
    for fields in _found(body):
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
    """Return what SPLITS lists, as JSON or CSV, oldest first; unreadable rows are left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    found = []
    for fields in _rows(body, "split factor"):
        try:
            ratio = price(fields.get("split factor"), "the factor")
            found.append(Split(day=day(fields.get("effective date")), ratio=ratio))
        except BadRecord:
            continue
    return tuple(sorted(found, key=lambda one: one.day))


def parse_dividends(body: bytes, currency: str | None) -> tuple[Dividend, ...]:
    """Return what DIVIDENDS lists, as JSON or CSV, oldest first; unreadable rows are left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    found = []
    for fields in _rows(body, "amount"):
        try:
            amount = price(fields.get("amount"), "the amount")
            ex_day = day(fields.get("ex dividend date"))
            found.append(Dividend(day=ex_day, amount=amount, currency=currency))
        except BadRecord:
            continue
    return tuple(sorted(found, key=lambda one: one.day))


def _found(body: bytes) -> Iterable[dict[str, str]]:
    if not is_json(body):
        return decode_csv(body, "list of matches", "matchscore")
    answer: _Matches = decode(body, _Matches, "list of matches")
    return map(named, answer.bestMatches)


def _rows(body: bytes, column: str) -> Iterable[dict[str, str]]:
    if not is_json(body):
        return decode_csv(body, "list of corporate actions", column)
    answer: _Actions = decode(body, _Actions, "list of corporate actions")
    return map(named, answer.data)
