from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import InvalidSymbol
from tickloom.model import is_glob, matches, parse_glob, parse_symbol

REAL = [
    "AAPL",
    "BRK.B",
    "BRK-B",
    "^GSPC",
    "EURUSD=X",
    "GC=F",
    "BTC-USD",
    "0P0000XTS7",
    "M&M.NS",
    "TSCO.LON",
    "AAPL220121C00025000",
    "SIM.ACME",
]


@pytest.mark.parametrize("symbol", REAL)
def test_symbols_of_every_vendor_are_taken_in_any_case(symbol: str) -> None:
    assert parse_symbol(symbol) == symbol
    assert parse_symbol(symbol.lower()) == symbol


@pytest.mark.parametrize(
    "text",
    ["", " ", "AA PL", "A\x00", "A\n", "x" * 33, "x" * 10_000, "-A", "A/B", "Ä", "ß", 5, None],
)
def test_what_is_no_symbol_is_refused_with_what_was_expected(text: object) -> None:
    with pytest.raises(InvalidSymbol, match="expected 1 to 32 letters"):
        parse_symbol(text)


def test_a_pattern_is_no_symbol_but_a_symbol_is_a_pattern() -> None:
    assert parse_glob("sim.*") == "SIM.*"
    assert parse_glob("AAPL") == "AAPL"
    assert is_glob("SIM.?")
    assert not is_glob("AAPL")
    with pytest.raises(InvalidSymbol):
        parse_symbol("SIM.*")


def test_a_pattern_matches_whole_symbols_only() -> None:
    assert matches("SIM.ACME", "SIM.*")
    assert matches("AAPL", "A?PL")
    assert not matches("XSIM.ACME", "SIM.*")


@given(st.text())
def test_any_text_is_a_symbol_or_an_error_of_ours(text: str) -> None:
    try:
        symbol = parse_symbol(text)
    except InvalidSymbol:
        return
    assert parse_symbol(symbol) == symbol
    assert symbol.isascii()
    assert symbol.isprintable()
