from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import UnknownSymbol
from tickloom.model import PriceAdjustment
from tickloom_iex.parse_chart import parse_days, parse_minutes
from tickloom_iex.parse_company import parse_company, parse_matches
from tickloom_iex.parse_events import parse_dividends, parse_splits

Cassette = Callable[[str], tuple[int, bytes]]
NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


def day(text: str, **fields: Any) -> dict[str, Any]:
    prices: dict[str, Any] = {"open": 10, "high": 12, "low": 9.5, "close": 11, "volume": 400}
    raw: dict[str, Any] = {
        "uOpen": 40, "uHigh": 48, "uLow": 38, "uClose": 44, "uVolume": 100
    }  # fmt: skip
    full = {"fOpen": 9, "fHigh": 11, "fLow": 8.5, "fClose": 10, "fVolume": 400}
    return {"date": text, **prices, **raw, **full} | fields


def days(*rows: dict[str, Any], adjustment: PriceAdjustment = PriceAdjustment.NONE) -> Any:
    return parse_days(json.dumps(rows).encode(), adjustment)


@pytest.mark.parametrize(
    ("adjustment", "close", "volume"),
    [
        (PriceAdjustment.NONE, 44, 100),
        (PriceAdjustment.SPLITS, 11, 400),
        (PriceAdjustment.ALL, 10, 400),
    ],
)
def test_each_adjustment_takes_its_own_columns(
    adjustment: PriceAdjustment, close: int, volume: int
) -> None:
    [bar] = days(day("2026-01-02"), adjustment=adjustment).bars
    assert (bar.close_price, bar.volume, bar.adjusted_close) == (close, volume, 10)


def test_days_begin_at_midnight_in_new_york_and_come_oldest_first() -> None:
    bars = days(day("20260702"), day("2026-01-02")).bars
    assert [bar.timestamp for bar in bars] == [
        datetime(2026, 1, 2, 5, 0, tzinfo=UTC),
        datetime(2026, 7, 2, 4, 0, tzinfo=UTC),
    ]


def test_rows_without_prices_are_skipped_and_those_in_another_adjustment_told() -> None:
    series = days(
        day("2026-01-02", uOpen=None, uClose=None),
        day("2026-01-05", uLow=0, close=None, uClose=None),
        day("no day"),
        day("2026-01-06"),
    )
    assert (len(series.bars), series.skipped, series.other) == (1, 3, 2)


def minute(text: str, **fields: Any) -> dict[str, Any]:
    own = {"open": 10, "high": 12, "low": 9.5, "close": 11, "average": 10.5, "volume": 40}
    return {"date": "2026-07-02", "minute": text, "numberOfTrades": 3} | own | fields


def test_minutes_are_in_new_york_time_and_those_without_trades_are_skipped() -> None:
    rows = [minute("09:31", open=None, close=None, volume=0), minute("09:30"), minute("25:00")]
    series = parse_minutes(json.dumps(rows).encode(), market=False)
    [bar] = series.bars

    assert bar.timestamp == datetime(2026, 7, 2, 13, 30, tzinfo=UTC)
    assert (bar.volume, bar.trade_count, bar.vwap) == (40, 3, Decimal("10.5"))
    assert series.skipped == 2


def test_minutes_of_all_venues_are_taken_where_they_are_wanted() -> None:
    market = {"marketOpen": 20, "marketHigh": 22, "marketLow": 19, "marketClose": 21}
    rows = [minute("09:30", **market, marketVolume=9000), minute("09:31")]
    [bar] = parse_minutes(json.dumps(rows).encode(), market=True).bars
    assert (bar.close_price, bar.volume) == (21, 9000)


def test_splits_are_new_shares_for_each_old_one() -> None:
    rows = [
        {"exDate": "2020-08-31", "toFactor": 4, "fromFactor": 1, "ratio": 0.26},
        {"exDate": "2014-06-09", "toFactor": 7, "forFactor": 1},
        {"exDate": "2011-05-09", "ratio": 10},
        {"exDate": "2012-01-01", "ratio": 0},
        {"exDate": None, "toFactor": 4, "fromFactor": 1},
    ]
    splits = parse_splits(json.dumps(rows).encode())
    assert [(one.day, one.ratio) for one in splits] == [
        (date(2011, 5, 9), Decimal("0.1")),
        (date(2014, 6, 9), 7),
        (date(2020, 8, 31), 4),
    ]


def test_dividends_are_read_as_numbers_and_as_text_once_each() -> None:
    rows = [
        {"exDate": "2026-01-02", "amount": "0.46", "currency": ""},
        {"exDate": "2025-10-02", "amount": 0.45, "currency": "CAD"},
        {"exDate": "2025-10-02", "amount": 0.45, "currency": "CAD"},
        {"exDate": "2025-07-02", "amount": "", "currency": "USD"},
    ]
    dividends = parse_dividends(json.dumps(rows).encode())
    assert [(one.amount, one.currency) for one in dividends] == [
        (Decimal("0.45"), "CAD"),
        (Decimal("0.46"), "USD"),
    ]


def test_a_company_without_a_name_or_symbol_is_unknown() -> None:
    for body in (b"{}", b"null", b"[]"):
        with pytest.raises(UnknownSymbol):
            parse_company(body, "ACME", NOW, scrambled=False)


def test_a_company_is_read_where_single_fields_are_not() -> None:
    body = (
        b'{"symbol": "ACME", "companyName": "Acme", "employees": 0, "tags": 5, "issueType": "et"}'
    )
    company = parse_company(body, "ACME", NOW, scrambled=True)

    assert (company.name, company.employees, company.asset_type) == ("Acme", None, "fund")
    assert company.additional_data == {"scrambled": True}


def test_a_search_leaves_out_what_has_no_canonical_symbol() -> None:
    rows = [
        {"symbol": "TSCO", "securityName": "Tractor Supply", "securityType": "cs", "region": "US"},
        {"symbol": "TSCO-LN", "securityName": "Tesco"},
        {"symbol": "BAC-B", "securityName": "a preferred share"},
        {"symbol": "BRK.B", "securityName": "Berkshire"},
        {"symbol": "ABC.L", "securityName": "a class whose letter is London's suffix"},
        {"symbol": 5},
    ]
    found = parse_matches(json.dumps(rows).encode(), 10)

    assert [one.symbol for one in found] == ["TSCO", "BRK.B", "ABC-L"]
    assert (found[0].asset_type, found[0].country) == ("stock", "US")


def test_a_recorded_day_of_minutes(cassette: Cassette) -> None:
    _, body = cassette("chart/1d")
    series = parse_minutes(body, market=False)

    assert series.bars[0].timestamp == datetime(2019, 8, 9, 13, 30, tzinfo=UTC)
    assert series.bars[0].open_price == Decimal("138.72")
    assert series.bars[3].close_price == Decimal("138.965")
    assert (len(series.bars), series.skipped) == (388, 2)


def test_recorded_days_raw_and_adjusted(cassette: Cassette, recorded: Path) -> None:
    _, body = cassette("chart/msft")
    raw = parse_days(body, PriceAdjustment.NONE)

    assert raw.bars[0].timestamp == datetime(2019, 7, 10, 4, 0, tzinfo=UTC)
    assert raw.bars[0].close_price == Decimal("137.85")
    assert parse_days(body, PriceAdjustment.SPLITS).bars == raw.bars
    full = parse_days(body, PriceAdjustment.ALL)
    assert (full.bars, full.other) == ((), len(raw.bars))
    previous = (recorded / "iextrading4j" / "v1_stock_PreviousResponse.json").read_bytes()
    [bar] = parse_days(b"[" + previous + b"]", PriceAdjustment.NONE).bars
    assert (bar.close_price, bar.volume) == (Decimal("188.74"), 43845293)


def test_a_recorded_chart_that_names_its_range_is_unwrapped(cassette: Cassette) -> None:
    _, body = cassette("chart/dynamic/1m")
    assert parse_days(body, PriceAdjustment.SPLITS).bars[0].close_price == Decimal("137.85")


def test_recorded_dividends_and_splits(cassette: Cassette, recorded: Path) -> None:
    _, body = cassette("dividends/msft_1y")
    dividends = parse_dividends(body)
    [split] = parse_splits(
        (recorded / "iextrading4j" / "v1_stock_SplitsResponse.json").read_bytes()
    )

    assert [one.amount for one in dividends[-2:]] == [Decimal("0.46"), Decimal("0.46")]
    assert dividends[0].day == date(2018, 5, 16)
    assert (split.day, split.ratio) == (date(2020, 8, 28), 4)


def test_a_recorded_company(cassette: Cassette) -> None:
    _, body = cassette("company/msft")
    company = parse_company(body, "MSFT", NOW, scrambled=False)

    assert (company.name, company.employees) == ("Microsoft Corp.", 131000)
    assert (company.asset_type, company.sector) == ("stock", "Technology Services")
    assert (company.additional_data or {})["ceo"] == "Satya Nadella"
