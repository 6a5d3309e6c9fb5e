from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tickloom_example
from tickloom.errors import BadRecord
from tickloom_example.parse import bars_of, parse_rates, quote_of

NOW = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
GOOD = b"Date,USD,JPY,\n2026-01-05,1.1210,171.35,\n2026-01-02,1.1187,N/A,\n"


def test_rates_come_by_currency_and_oldest_first() -> None:
    assert parse_rates(GOOD) == {
        "USD": {date(2026, 1, 2): Decimal("1.1187"), date(2026, 1, 5): Decimal("1.1210")},
        "JPY": {date(2026, 1, 5): Decimal("171.35")},
    }
    assert list(parse_rates(GOOD)["USD"]) == [date(2026, 1, 2), date(2026, 1, 5)]


def test_the_shipped_file_can_be_read() -> None:
    rates = parse_rates(Path(tickloom_example.__file__).with_name("rates.csv").read_bytes())
    assert set(rates) == {"USD", "JPY", "GBP", "CHF", "SEK"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the rates have no header"),
        (b"<html>sorry</html>", "the rates have no header"),
        (b"\xff\xfe\x00", "no CSV text"),
        (b"Date,USD\nyesterday,1.1\n", "line 2 has no day: found 'yesterday'"),
        (b"Date,USD\n2026-01-05,1.1\n2026-01-06,NaN\n", "line 3 has no rate: found 'NaN'"),
        (b"Date,USD\n2026-01-05,-1.1\n", "found '-1.1'"),
        (b"Date,USD\n2026-01-05,0.0\n", "found '0.0'"),
        (b"Date,USD\n2026-01-05,1e999\n", "found '1e999'"),
    ],
)
def test_a_file_of_another_layout_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(BadRecord, match=message):
        parse_rates(data)


@given(st.binary(max_size=200) | st.text(alphabet='Date,USD\n0123456789.-"N/A').map(str.encode))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        rates = parse_rates(b"Date,USD\n" + data)
    except BadRecord:
        return
    assert all(rate > 0 for days in rates.values() for rate in days.values())


def test_a_quote_is_the_newest_rate_with_its_change() -> None:
    quote = quote_of("EXA.EURUSD", "USD", parse_rates(GOOD)["USD"], NOW)
    assert quote.current_price == Decimal("1.1210")
    assert quote.previous_close == Decimal("1.1187")
    assert quote.price_change == Decimal("0.0023")
    assert quote.price_change_percent == Decimal("0.2056")
    assert quote.timestamp == datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
    assert not quote.is_real_time


def test_the_first_rate_of_all_has_no_change() -> None:
    quote = quote_of("EXA.EURJPY", "JPY", parse_rates(GOOD)["JPY"], NOW)
    assert quote.previous_close is None
    assert quote.price_change_percent is None


def test_bars_hold_the_days_asked_for_and_no_others() -> None:
    [bar] = bars_of(parse_rates(GOOD)["USD"], date(2026, 1, 3), date(2026, 1, 5))
    assert bar.timestamp == datetime(2026, 1, 5, tzinfo=UTC)
    assert bar.open_price == bar.close_price == Decimal("1.1210")
