"""Bars, and how splits and dividends adjust them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tickloom.errors import NotSupported, ProviderUnavailable
from tickloom_alpha_vantage.series import adjust, parse_series


def test_volume_is_read_by_its_name_wherever_it_stands(recorded: Path) -> None:
    raw = parse_series((recorded / "json" / "crazzyghost_daily.json").read_bytes(), "UTC")
    adjusted = parse_series((recorded / "pricehist" / "ibm-partial-adj.json").read_bytes(), "UTC")

    assert all(bar.volume and bar.volume > 1_000 for bar in (*raw.bars, *adjusted.bars))
    assert all(bar.adjusted_close for bar in adjusted.bars)


def test_json_and_csv_of_a_series_give_bars_oldest_first(recorded: Path) -> None:
    body = (recorded / "csv" / "TIME_SERIES_INTRADAY_IBM_5min_2026.csv").read_bytes()
    bars = parse_series(body, "America/New_York").bars

    assert len(bars) == 100
    assert bars[-1].timestamp == datetime(2026, 5, 15, 23, 55, tzinfo=UTC)
    assert bars[-1].close_price == Decimal("219.0000")
    assert [bar.timestamp for bar in bars] == sorted(bar.timestamp for bar in bars)


def test_old_keys_with_a_currency_are_understood() -> None:
    fields = {"1a. open (AUD)": "1", "1b. open (USD)": "9", "2a. high (AUD)": "3"}
    fields |= {"3a. low (AUD)": "1", "4a. close (AUD)": "2", "5. volume": "10.5"}
    body = json.dumps({"Time Series (Digital Currency Daily)": {"2021-01-01": fields}}).encode()
    (bar,) = parse_series(body, "UTC").bars

    assert (bar.open_price, bar.close_price, bar.volume) == (1, 2, 10)


def series_of(rows: dict[str, tuple[str, str, str]]) -> bytes:
    return json.dumps(
        {
            "Meta Data": {"5. Time Zone": "US/Eastern"},
            "Time Series (Daily)": {
                day: {
                    "1. open": close,
                    "2. high": close,
                    "3. low": close,
                    "4. close": close,
                    "5. adjusted close": adjusted,
                    "6. volume": "100",
                    "7. dividend amount": "0.5" if day == "2026-01-06" else "0.0",
                    "8. split coefficient": ratio,
                }
                for day, (close, adjusted, ratio) in rows.items()
            },
        }
    ).encode()


def test_prices_before_a_split_are_divided_and_volumes_multiplied() -> None:
    body = series_of(
        {
            "2026-01-07": ("102", "102", "1.0"),
            "2026-01-06": ("100", "100", "4.0"),
            "2026-01-05": ("400", "99.5", "1.0"),
        }
    )
    series = parse_series(body, "UTC", "USD")
    by_splits = adjust(series, dividends=False)
    by_all = adjust(series, dividends=True)

    assert [bar.close_price for bar in by_splits] == [100, 100, 102]
    assert [bar.volume for bar in by_splits] == [400, 100, 100]
    assert [bar.close_price for bar in by_all] == [Decimal("99.5"), 100, 102]
    assert [(one.day, one.ratio) for one in series.splits] == [(date(2026, 1, 6), 4)]
    assert [(one.day, one.amount) for one in series.dividends] == [
        (date(2026, 1, 6), Decimal("0.5"))
    ]


def test_a_row_that_cannot_be_used_is_skipped_and_counted() -> None:
    body = series_of({"2026-01-06": ("None", "1", "1"), "2026-01-05": ("400", "99.5", "1.0")})
    series = parse_series(body, "UTC")

    assert (len(series.bars), series.skipped) == (1, 1)


def test_a_page_for_people_is_no_answer() -> None:
    with pytest.raises(ProviderUnavailable):
        parse_series(b"<html></html>", "UTC")


def test_a_day_begins_at_the_midnight_of_the_venue_whatever_zone_the_answer_names() -> None:
    body = series_of({"2026-07-06": ("100", "100", "1.0")})
    (bar,) = parse_series(body, "Europe/London").bars

    assert bar.timestamp == datetime(2026, 7, 5, 23, 0, tzinfo=UTC)


def test_a_split_counts_also_where_its_bar_cannot_be_used_and_east_of_greenwich() -> None:
    body = series_of(
        {
            "2026-07-07": ("102", "102", "1.0"),
            "2026-07-06": ("None", "100", "4.0"),
            "2026-07-03": ("400", "100", "1.0"),
        }
    )
    series = parse_series(body, "Europe/London")

    assert [(one.day, one.ratio) for one in series.splits] == [(date(2026, 7, 6), 4)]
    assert [bar.close_price for bar in adjust(series, dividends=False)] == [100, 102]


def test_a_bar_without_an_adjusted_close_costs_no_other_bar() -> None:
    body = series_of({"2026-07-07": ("102", "102", "1.0"), "1999-11-01": ("80", "0.0000", "1.0")})

    assert len(adjust(parse_series(body, "UTC"), dividends=True)) == 1
    with pytest.raises(NotSupported):
        adjust(parse_series(series_of({"2026-07-07": ("1", "None", "1")}), "UTC"), dividends=True)
