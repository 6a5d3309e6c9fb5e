from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import InvalidSymbol
from tickloom.model import (
    VENUES,
    SymbolKind,
    SymbolParts,
    is_glob,
    join_symbol,
    matcher,
    matches,
    parse_glob,
    parse_symbol,
    split_symbol,
    venue_mic,
)

REAL = [
    "AAPL",
    "BRK.B",
    "^GSPC",
    "EURUSD=X",
    "GC=F",
    "BTC-USD",
    "0P0000XTS7",
    "M&M.NS",
    "TSCO.L",
    "RDS-A.L",
    "ABC-L",
    "BAC-PL",
    "AAPL220121C00025000",
    "SIM.ACME",
]


@pytest.mark.parametrize("symbol", REAL)
def test_symbols_of_every_vendor_are_taken_in_any_case(symbol: str) -> None:
    assert parse_symbol(symbol) == symbol
    assert parse_symbol(symbol.lower()) == symbol


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("brk-b", "BRK.B"),
        ("BRK-B", "BRK.B"),
        ("TSCO.LON", "TSCO.L"),
        ("SHOP.TRT", "SHOP.TO"),
        ("AAPL.US", "AAPL"),
        ("BRK-B.US", "BRK.B"),
        ("eur/usd", "EURUSD=X"),
        ("JPY=X", "USDJPY=X"),
    ],
)
def test_what_vendors_write_differently_is_one_symbol(text: str, canonical: str) -> None:
    assert parse_symbol(text) == canonical
    assert parse_symbol(canonical) == canonical
    assert parse_glob(text) == canonical


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("AAPL", SymbolParts(kind=SymbolKind.EQUITY, root="AAPL")),
        ("BRK.B", SymbolParts(kind=SymbolKind.EQUITY, root="BRK", share_class="B")),
        ("ABC-L", SymbolParts(kind=SymbolKind.EQUITY, root="ABC", share_class="L")),
        ("TSCO.L", SymbolParts(kind=SymbolKind.EQUITY, root="TSCO", suffix=".L")),
        ("EURUSD=X", SymbolParts(kind=SymbolKind.FX, root="EUR", counter="USD")),
        ("BTC-USD", SymbolParts(kind=SymbolKind.CRYPTO, root="BTC", counter="USD")),
        ("^GSPC", SymbolParts(kind=SymbolKind.INDEX, root="GSPC")),
        ("GC=F", SymbolParts(kind=SymbolKind.FUTURE, root="GC")),
    ],
)
def test_a_symbol_says_what_it_is_made_of(symbol: str, parts: SymbolParts) -> None:
    assert split_symbol(symbol) == parts


@given(st.text("ABLVTXUS019.-^=/", max_size=12))
def test_a_symbol_taken_apart_and_joined_is_the_same(text: str) -> None:
    try:
        symbol = parse_symbol(text)
    except InvalidSymbol:
        return
    assert parse_symbol(symbol) == symbol
    assert join_symbol(split_symbol(symbol)) == symbol


@pytest.mark.parametrize(
    ("symbol", "mic"),
    [
        ("AAPL", "XNYS"),
        ("TSCO.L", "XLON"),
        ("^FTSE", "XLON"),
        ("EURUSD=X", "24/5"),
        ("BTC-USD", None),
        ("SIM.ACME", None),
        ("^NOSUCH", None),
    ],
)
def test_a_symbol_tells_whose_hours_it_keeps(symbol: str, mic: str | None) -> None:
    assert venue_mic(symbol) == mic


def test_no_two_venues_share_a_suffix() -> None:
    suffixes = [text for venue in VENUES for text in (venue.suffix, *venue.aliases)]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "AA PL",
        "A\x00",
        "A\n",
        "x" * 33,
        "x" * 10_000,
        "-A",
        "A/B",
        "A/BCD",
        "Ä",
        "ß",
        5,
        None,
    ],
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


@pytest.mark.parametrize("patterns", [[], ["SIM.*"], ["A?PL", "SIM.*", "*.L", "B*K*B"]])
def test_many_patterns_match_what_each_of_them_does(patterns: list[str]) -> None:
    symbols = ["SIM.ACME", "XSIM.A", "AAPL", "TSCO.L", "BRK.B", "BKB", "AAPLX", ""]
    fits = matcher(patterns)
    assert [fits(symbol) for symbol in symbols] == [
        any(matches(symbol, pattern) for pattern in patterns) for symbol in symbols
    ]
