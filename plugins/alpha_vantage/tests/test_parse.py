from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import (
    BadRecord,
    CredentialsError,
    NotEntitled,
    NotSupported,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)
from tickloom.model import parse_symbol
from tickloom_alpha_vantage.quote import parse_bulk, parse_global_quote, parse_rate
from tickloom_alpha_vantage.reference import (
    parse_company,
    parse_dividends,
    parse_matches,
    parse_splits,
)
from tickloom_alpha_vantage.refusals import check_refusal
from tickloom_alpha_vantage.series import adjust, parse_series
from tickloom_alpha_vantage.symbols import from_vendor, to_vendor

NOW = datetime(2026, 5, 18, 15, 0, tzinfo=UTC)
PARSERS = [
    lambda body: check_refusal(body, NOW),
    lambda body: parse_series(body, "UTC", "USD"),
    lambda body: parse_global_quote(body, "IBM", NOW),
    lambda body: parse_rate(body, "USDJPY=X", NOW),
    lambda body: parse_bulk(body, {"IBM": "IBM"}, NOW, real_time=True),
    lambda body: parse_company(body, "IBM", NOW),
    lambda body: parse_matches(body, 10),
    parse_splits,
    lambda body: parse_dividends(body, "USD"),
]


def test_every_recorded_answer_is_a_value_or_an_error_of_ours(recorded: Path) -> None:
    files = [file for file in recorded.rglob("*") if file.is_file()]
    assert len(files) > 40
    for file in files:
        for parse in PARSERS:
            with suppress(TickloomError):
                parse(file.read_bytes())


@pytest.mark.parametrize(
    ("name", "kind", "wait_s"),
    [
        ("error_bad_key", CredentialsError, None),
        ("error_bad_symbol_or_function", UnknownSymbol, None),
        ("information_25_per_day", RateLimited, 13 * 3600.0),
        ("information_burst", RateLimited, 1.5),
        ("information_premium", NotEntitled, None),
        ("note_5_per_minute", RateLimited, 60.0),
    ],
)
def test_a_recorded_refusal_is_told_apart(
    recorded: Path, name: str, kind: type[TickloomError], wait_s: float | None
) -> None:
    with pytest.raises(kind) as caught:
        check_refusal((recorded / "errors" / f"{name}.json").read_bytes(), NOW)
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after_s", None) == wait_s


def test_a_sample_in_place_of_data_is_refused(recorded: Path) -> None:
    for name in ("REALTIME_BULK_QUOTES_2026_artificial", "REALTIME_OPTIONS_2026_premium"):
        with pytest.raises(NotEntitled):
            check_refusal((recorded / "json" / f"{name}.json").read_bytes(), NOW)


def test_a_key_that_the_vendor_echoes_is_not_shown() -> None:
    body = b'{"Information": "We have detected your API key as SECRETKEY1234 and our rate limit"}'
    with pytest.raises(TickloomError) as caught:
        check_refusal(body, NOW)
    assert "SECRETKEY1234" not in str(caught.value)
    assert "SECRETKEY1234" not in str(vars(caught.value))


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


@pytest.mark.parametrize("parse", PARSERS[1:])
def test_csv_of_another_function_is_refused_or_not_known(parse: Any) -> None:
    for body in (b"one,two\n1,2\n", b"\n", b"\xff\xfe,\n"):
        with pytest.raises(TickloomError):
            parse(body)


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


@given(st.binary(max_size=300), st.sampled_from(PARSERS))
def test_any_bytes_give_a_value_or_an_error_of_ours(body: bytes, parse: Any) -> None:
    with suppress(TickloomError):
        parse(body)


KEYS = st.sampled_from(
    [
        *("Meta Data", "Global Quote", "Time Series (Daily)", "05. price", "1. open", "2. high"),
        *("3. low", "4. close", "7. latest trading day", "2026-01-05", "6. Time Zone", "message"),
        *("data", "Realtime Currency Exchange Rate", "Information", "1. symbol", "bestMatches"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=12) | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, JSON), st.sampled_from(PARSERS))
def test_any_json_gives_a_value_or_an_error_of_ours(answer: Any, parse: Any) -> None:
    with suppress(TickloomError):
        parse(json.dumps(answer).encode())


def test_a_page_for_people_is_no_answer() -> None:
    with pytest.raises(ProviderUnavailable):
        parse_series(b"<html></html>", "UTC")


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


def test_a_batch_that_says_success_is_data() -> None:
    row = {"symbol": "IBM", "timestamp": "2026-05-15 15:59:59", "close": "219.30"}
    for message in ("success", "", None):
        body = json.dumps({"endpoint": "Bulk", "message": message, "data": [row]}).encode()
        check_refusal(body, NOW)
        assert set(parse_bulk(body, {"IBM": "IBM"}, NOW, real_time=True)) == {"IBM"}


def test_a_key_that_is_echoed_in_other_words_is_not_shown() -> None:
    with pytest.raises(TickloomError) as caught:
        check_refusal(b'{"Information": "Hello apikey=SECRETKEY1234"}', NOW, "SECRETKEY1234")
    assert "SECRETKEY1234" not in str(vars(caught.value))


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
