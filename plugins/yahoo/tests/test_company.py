from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import NoData, ProviderUnavailable, TickloomError, UnknownSymbol
from tickloom.model import Company, encode_json
from tickloom_yahoo.parse_company import parse_company

Body = Callable[[str], bytes]
NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


def company_of(modules: dict[str, Any]) -> Company:
    answer = {"quoteSummary": {"result": [modules], "error": None}}
    return parse_company(json.dumps(answer).encode(), "ACME", NOW)


def test_every_recorded_company_is_a_value_or_an_error_of_ours(recorded: Path, body: Body) -> None:
    files = list(recorded.glob("quoteSummary/*.json"))
    assert len(files) > 10
    for file in files:
        company = parse_company(body(f"quoteSummary/{file.name}"), "ACME", NOW)
        encode_json(company)


def test_a_recorded_profile_has_its_fields(body: Body) -> None:
    company = parse_company(body("quoteSummary/quoteSummary-assetProfile-AAPL.json"), "AAPL", NOW)

    assert company.country == "United States"
    assert (company.sector, company.industry) == ("Technology", "Consumer Electronics")
    assert company.website == "https://www.apple.com"
    assert company.description is not None
    assert company.description.startswith("Apple Inc. designs")
    assert company.employees


def test_a_recorded_price_module_has_name_venue_and_market_value(body: Body) -> None:
    company = parse_company(body("quoteSummary/quoteSummary-price-AAPL.json"), "AAPL", NOW)

    assert (company.name, company.exchange, company.asset_type) == (
        "Apple Inc.",
        "NasdaqGS",
        "stock",
    )
    assert (company.currency, company.market_cap) == ("USD", Decimal(3688676720640))


def test_a_coin_goes_by_the_name_of_its_profile(body: Body) -> None:
    name = "quoteSummary/quoteSummary-assetProfile-BTC-USD.json"
    assert parse_company(body(name), "BTC-USD", NOW).name == "Bitcoin"


def test_what_two_modules_tell_is_taken_from_the_more_general_one() -> None:
    company = company_of(
        {
            "summaryDetail": {"currency": "EUR", "marketCap": 1},
            "price": {"longName": "Acme", "currency": "GBp", "marketCap": None},
        }
    )
    # The price is in pence, so the market value becomes pence as well.
    assert (company.currency, company.market_cap) == ("GBp", 100)


def test_numbers_come_plain_or_with_their_text_for_people() -> None:
    company = company_of(
        {
            "price": {"longName": "888", "marketCap": {"raw": 3688676720640.25, "fmt": "3.6T"}},
            "assetProfile": {"fullTimeEmployees": {"raw": 7, "longFmt": "7"}},
            "defaultKeyStatistics": {"sharesOutstanding": {}},
        }
    )
    assert company.market_cap == Decimal("3688676720640.25")
    assert (company.name, company.employees, company.shares_outstanding) == ("888", 7, None)


def test_fields_of_a_wrong_type_count_as_missing() -> None:
    company = company_of(
        {
            "price": {"longName": 7, "shortName": " Acme ", "marketCap": "a lot", "currency": []},
            "assetProfile": "none",
            "quoteType": {"quoteType": "ETF"},
        }
    )
    assert (company.name, company.asset_type) == ("Acme", "etf")
    assert (company.market_cap, company.currency) == (None, None)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"quoteSummary": {"result": [], "error": None}}, UnknownSymbol),
        ({"quoteSummary": {"result": None, "error": None}}, UnknownSymbol),
        ({"quoteSummary": {"result": [{"price": {"quoteType": "NONE"}}]}}, UnknownSymbol),
        ({"quoteSummary": {"result": [{}]}}, NoData),
        ({"quoteSummary": {"result": [{"price": {}}]}}, NoData),
        ({"quoteSummary": None}, ProviderUnavailable),
        ({"quoteSummary": {"result": [7]}}, ProviderUnavailable),
        ([], ProviderUnavailable),
    ],
)
def test_an_answer_without_a_company_is_told_apart(
    content: object, kind: type[TickloomError]
) -> None:
    with pytest.raises(kind) as caught:
        parse_company(json.dumps(content).encode(), "ACME", NOW)
    assert type(caught.value) is kind
