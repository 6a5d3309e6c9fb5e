from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import ProviderUnavailable, TickloomError
from tickloom.model import parse_symbol
from tickloom_yahoo.parse_search import parse_matches
from tickloom_yahoo.symbols import from_yahoo, to_yahoo

Body = Callable[[str], bytes]


def test_a_recorded_search_gives_its_best_match_first(body: Body) -> None:
    matches = parse_matches(body("search/search-AAPL.json"), 5)

    assert 1 < len(matches) <= 5
    assert (matches[0].symbol, matches[0].name, matches[0].exchange) == (
        "AAPL",
        "Apple Inc.",
        "NASDAQ",
    )
    assert [match.asset_type for match in matches[:3]] == ["stock", "etf", "option"]


def test_what_has_no_symbol_and_what_comes_twice_is_left_out() -> None:
    quotes = [
        {"name": "A private company", "permalink": "acme"},
        {"symbol": "not a symbol"},
        7,
        {"symbol": "BRK-B", "shortname": "Berkshire"},
        {"symbol": "BRK-B", "shortname": "Again"},
        {"symbol": "ACME", "longname": None, "quoteType": "SOMETHING"},
    ]
    matches = parse_matches(json.dumps({"quotes": quotes}).encode(), 9)

    assert [(match.symbol, match.name) for match in matches] == [
        ("BRK.B", "Berkshire"),
        ("ACME", "ACME"),
    ]
    assert matches[1].asset_type == "something"


def test_nothing_that_fits_is_no_error_and_no_answer_is_one() -> None:
    assert parse_matches(b'{"quotes": []}', 3) == []
    for content in (b"", b"{}", b"<html>", b'{"quotes": 7}'):
        with pytest.raises(ProviderUnavailable):
            parse_matches(content, 3)
    with pytest.raises(TickloomError, match="made up"):
        parse_matches(b'{"finance": {"error": {"code": "x", "description": "made up"}}}', 3)


@pytest.mark.parametrize(
    ("symbol", "yahoo"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK-B"),
        ("TSCO.L", "TSCO.L"),
        ("EURUSD=X", "EURUSD=X"),
        ("BTC-USD", "BTC-USD"),
        ("^GSPC", "^GSPC"),
        ("GC=F", "GC=F"),
        ("0P000071W8.TO", "0P000071W8.TO"),
        ("M&M.NS", "M&M.NS"),
    ],
)
def test_symbols_are_mapped_there_and_back(symbol: str, yahoo: str) -> None:
    assert to_yahoo(symbol) == yahoo
    assert from_yahoo(yahoo) == symbol


@given(st.from_regex(r"\^?[A-Z0-9]{1,6}([-.][A-Z]{1,4})?(=[XF])?", fullmatch=True))
def test_mapping_a_symbol_there_and_back_is_the_same(text: str) -> None:
    symbol = parse_symbol(text)
    assert from_yahoo(to_yahoo(symbol)) == symbol


@given(st.one_of(st.text(max_size=40), st.none(), st.integers()))
def test_what_can_be_no_symbol_is_none(text: object) -> None:
    found = from_yahoo(text)
    assert found is None or parse_symbol(found) == found


def test_one_symbol_again_and_again_ends_soon_and_too_long_an_answer_is_refused() -> None:
    repeated = b",".join([b'{"symbol":"ACME"}'] * 15_000)
    began_s = time.perf_counter()
    [match] = parse_matches(b'{"quotes":[' + repeated + b"]}", 5)

    assert match.symbol == "ACME"
    assert time.perf_counter() - began_s < 0.5
    with pytest.raises(ProviderUnavailable, match="parts"):
        parse_matches(b'{"quotes":[' + b",".join([repeated] * 2) + b"]}", 5)
