"""Symbols of the vendor, and what stands behind one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import NotSupported
from tickloom.model import parse_symbol
from tickloom_alpha_vantage.reference import parse_company, parse_matches
from tickloom_alpha_vantage.symbols import from_vendor, to_vendor

NOW = datetime(2026, 5, 18, 15, 0, tzinfo=UTC)


def test_a_recorded_company_and_search_are_read(recorded: Path) -> None:
    company = parse_company((recorded / "json" / "overview_IBM.json").read_bytes(), "IBM", NOW)
    matches = parse_matches((recorded / "sshkarupa" / "search.json").read_bytes(), 5)

    assert company.name == "International Business Machines Corporation"
    assert company.currency == "USD"
    assert company.market_cap is not None
    assert matches[0].symbol == "TSCO.L"
    assert matches[0].currency == "GBp"


@pytest.mark.parametrize(
    ("symbol", "vendor"),
    [("AAPL", "AAPL"), ("BRK.B", "BRK-B"), ("TSCO.L", "TSCO.LON"), ("SHOP.TO", "SHOP.TRT")],
)
def test_symbols_are_mapped_there_and_back(symbol: str, vendor: str) -> None:
    assert to_vendor(symbol) == vendor
    assert from_vendor(vendor) == symbol


@given(st.from_regex(r"[A-Z]{1,5}([-.][A-Z])?(\.(L|DE|TO|BO|SS))?", fullmatch=True))
def test_mapping_a_symbol_there_and_back_is_the_same(text: str) -> None:
    symbol = parse_symbol(text)
    try:
        vendor = to_vendor(symbol)
    except NotSupported:
        return
    assert from_vendor(vendor) == symbol


def test_an_index_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        to_vendor("^GSPC")
