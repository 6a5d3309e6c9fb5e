"""Answers as CSV say the same as those as JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tickloom.errors import UnknownSymbol
from tickloom_alpha_vantage.quote import parse_global_quote
from tickloom_alpha_vantage.reference import parse_dividends, parse_matches, parse_splits
from tickloom_alpha_vantage.series import parse_series

NOW = datetime(2026, 5, 18, 15, 0, tzinfo=UTC)
QUOTE_CSV = (
    b"symbol,open,high,low,price,volume,latestDay,previousClose,change,changePercent\r\n"
    b"ACME,10.0000,12.5000,9.5000,11.2500,1200,2026-05-15,10.0000,1.2500,12.5000%\r\n"
)
MATCHES_CSV = (
    b"symbol,name,type,region,marketOpen,marketClose,timezone,currency,matchScore\r\n"
    b'ACME.LON,"Acme, Limited",Equity,United Kingdom,08:00,16:30,UTC+01,GBX,0.8000\r\n'
)


def test_a_quote_as_csv_is_the_same_as_one_as_json() -> None:
    fields = {"02. open": "10.0000", "03. high": "12.5000", "04. low": "9.5000"}
    fields |= {"05. price": "11.2500", "06. volume": "1200", "07. latest trading day": "2026-05-15"}
    fields |= {"08. previous close": "10.0000", "09. change": "1.2500"}
    fields |= {"10. change percent": "12.5000%"}
    body = json.dumps({"Global Quote": fields}).encode()

    assert parse_global_quote(QUOTE_CSV, "ACME", NOW) == parse_global_quote(body, "ACME", NOW)


def test_a_quote_as_csv_without_a_row_is_an_unknown_symbol() -> None:
    with pytest.raises(UnknownSymbol):
        parse_global_quote(QUOTE_CSV.splitlines()[0], "NOPE", NOW)


def test_matches_splits_and_dividends_as_csv_are_read() -> None:
    [match] = parse_matches(MATCHES_CSV, 5)
    [split] = parse_splits(b"effective_date,split_factor\n2021-11-04,1.0460\n")
    [paid] = parse_dividends(b"ex_dividend_date,amount\r\n2026-05-08,1.69\r\nNone,1\r\n", "USD")

    assert (match.symbol, match.name, match.currency) == ("ACME.L", "Acme, Limited", "GBp")
    assert match.score == Decimal("0.8000")
    assert (split.day, split.ratio) == (date(2021, 11, 4), Decimal("1.0460"))
    assert (paid.day, paid.amount, paid.currency) == (date(2026, 5, 8), Decimal("1.69"), "USD")


def test_every_recorded_answer_as_csv_is_read(recorded: Path) -> None:
    def body(name: str) -> bytes:
        return (recorded / "csv" / f"{name}_2026.csv").read_bytes()

    quote = parse_global_quote(body("GLOBAL_QUOTE_IBM"), "IBM", NOW)
    assert quote.timestamp == datetime(2026, 5, 15, 20, 0, tzinfo=UTC)
    assert (quote.current_price, quote.volume) == (Decimal("219.3000"), 6_154_450)
    assert quote.previous_close == Decimal("218.3700")
    assert quote.price_change_percent == Decimal("0.4259")
    assert parse_matches(body("SYMBOL_SEARCH"), 1)[0].symbol == "TSCO.L"
    assert parse_splits(body("SPLITS_IBM"))[-1].day == date(2021, 11, 4)
    assert parse_dividends(body("DIVIDENDS_IBM"), "USD")[-1].amount == Decimal("1.69")
    assert len(parse_series(body("FX_DAILY"), "UTC").bars) > 50
