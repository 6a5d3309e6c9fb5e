"""Quotes: their time, their currency and what counts as a price."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tickloom.errors import BadRecord, UnknownSymbol
from tickloom_alpha_vantage.quote import parse_global_quote

NOW = datetime(2026, 5, 18, 15, 0, tzinfo=UTC)


def test_a_recorded_quote_has_the_close_of_its_day_and_never_now(recorded: Path) -> None:
    body = (recorded / "json" / "global_quote_MSFT_2018.json").read_bytes()
    quote = parse_global_quote(body, "MSFT", NOW)

    assert quote.timestamp == datetime(2018, 10, 5, 20, 0, tzinfo=UTC)
    assert quote.current_price == Decimal("112.1300")
    assert quote.price_change_percent == Decimal("-0.5852")
    assert not quote.is_real_time
    assert quote.currency == "USD"


def test_an_empty_quote_is_an_unknown_symbol() -> None:
    for body in (b'{"Global Quote": {}}', b"{}"):
        with pytest.raises(UnknownSymbol):
            parse_global_quote(body, "NOPE", NOW)


def test_a_quote_of_london_is_in_pence() -> None:
    body = b'{"Global Quote": {"05. price": "250.10", "07. latest trading day": "2026-05-15"}}'
    assert parse_global_quote(body, "TSCO.L", NOW).currency == "GBp"


def global_quote(**fields: object) -> bytes:
    usual = {"05. price": "250.10", "07. latest trading day": "2026-05-18"}
    return json.dumps({"Global Quote": usual | fields}).encode()


@pytest.mark.parametrize(
    ("symbol", "asked", "stamped"),
    [
        # In May: London's session ends at 15:30 UTC, Shanghai's at 7:00, New York's at 20:00.
        ("TSCO.L", "2026-05-18T15:00", "2026-05-17T23:00"),
        ("TSCO.L", "2026-05-18T16:00", "2026-05-18T15:30"),
        ("600104.SS", "2026-05-18T15:00", "2026-05-18T07:00"),
        ("IBM", "2026-05-18T15:00", "2026-05-18T04:00"),
    ],
)
def test_a_quote_of_today_is_never_stamped_with_the_time_of_the_question(
    symbol: str, asked: str, stamped: str
) -> None:
    now = datetime.fromisoformat(asked).replace(tzinfo=UTC)
    quote = parse_global_quote(global_quote(), symbol, now)

    assert quote.timestamp == datetime.fromisoformat(stamped).replace(tzinfo=UTC)


def test_a_quote_of_a_day_to_come_or_of_another_symbol_is_refused() -> None:
    for fields in ({"07. latest trading day": "2027-05-18"}, {"01. symbol": "MSFT"}):
        with pytest.raises(BadRecord):
            parse_global_quote(global_quote(**fields), "IBM", NOW)


def test_a_price_of_zero_or_less_beside_the_main_one_counts_as_missing() -> None:
    quote = parse_global_quote(global_quote(**{"02. open": "0.0000", "04. low": "-1"}), "IBM", NOW)

    assert (quote.open_price, quote.low_price) == (None, None)


@pytest.mark.parametrize("text", ["2_50.1", "٢٥٠", "0x10", "1,250.10", "Infinity"])
def test_what_only_python_reads_as_a_number_is_no_price(text: str) -> None:
    with pytest.raises(BadRecord):
        parse_global_quote(global_quote(**{"05. price": text}), "IBM", NOW)


def test_numbers_in_place_of_texts_keep_their_digits_and_other_values_count_as_missing() -> None:
    body = b'{"Global Quote": {"05. price": 250.10, "06. volume": 12, "02. open": true,'
    body += b'"07. latest trading day": "2026-05-15"}}'
    quote = parse_global_quote(body, "IBM", NOW)

    assert str(quote.current_price) == "250.10"
    assert (quote.volume, quote.open_price) == (12, None)
