"""The day of a daily bar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.model import VENUES, begin_of, day_of, venue_day, venue_mic
from tickloom.model.venue_day import _ZONES

SYMBOLS = ["AAPL", "TSCO.L", "7203.T", "RELIANCE.NS", "CBA.AX", "BTC-USD", "EURUSD=X", "SIM.ACME"]


def day(symbol: str, text: str) -> tuple[str, str]:
    begin, end = venue_day(symbol, datetime.fromisoformat(text).replace(tzinfo=UTC))
    return begin.strftime("%m-%d %H:%M"), end.strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("symbol", "moment", "expected"),
    [
        ("AAPL", "2026-01-05T15:00", ("01-05 05:00", "01-06 05:00")),
        ("AAPL", "2026-01-06T04:59", ("01-05 05:00", "01-06 05:00")),
        ("^GSPC", "2026-07-06T15:00", ("07-06 04:00", "07-07 04:00")),
        ("TSCO.L", "2026-07-06T15:00", ("07-05 23:00", "07-06 23:00")),
        ("7203.T", "2026-01-05T15:00", ("01-05 15:00", "01-06 15:00")),
        ("7203.T", "2026-01-05T14:59", ("01-04 15:00", "01-05 15:00")),
        ("CBA.AX", "2026-01-05T15:00", ("01-05 13:00", "01-06 13:00")),
        ("BTC-USD", "2026-01-05T15:00", ("01-05 00:00", "01-06 00:00")),
        ("SIM.ACME", "2026-01-05T15:00", ("01-05 00:00", "01-06 00:00")),
        ("EURUSD=X", "2026-01-05T21:59", ("01-04 22:00", "01-05 22:00")),
        ("EURUSD=X", "2026-01-05T22:00", ("01-05 22:00", "01-06 22:00")),
    ],
)
def test_a_day_is_that_of_the_venue(symbol: str, moment: str, expected: tuple[str, str]) -> None:
    assert day(symbol, moment) == expected


def test_the_days_of_a_clock_change_are_shorter_and_longer() -> None:
    spring = venue_day("AAPL", datetime(2026, 3, 8, 15, tzinfo=UTC))
    autumn = venue_day("EURUSD=X", datetime(2026, 11, 1, 15, tzinfo=UTC))

    assert spring[1] - spring[0] == timedelta(hours=23)
    assert autumn[1] - autumn[0] == timedelta(hours=25)


@given(
    st.sampled_from([*SYMBOLS, "FALAB.SN"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis wants it so
)
def test_days_hold_their_moments_and_leave_no_hole(symbol: str, moment: datetime) -> None:
    begin, end = venue_day(symbol, moment)

    assert begin <= moment < end
    assert venue_day(symbol, begin) == venue_day(symbol, end - timedelta.resolution) == (begin, end)
    assert venue_day(symbol, end)[0] == end
    assert venue_day(symbol, moment.astimezone(ZoneInfo("Asia/Tokyo"))) == (begin, end)


def test_every_venue_has_a_zone() -> None:
    assert {venue.mic for venue in VENUES} <= _ZONES.keys()
    assert venue_mic("AAPL") in _ZONES


@given(
    symbol=st.sampled_from(["AAPL", "TSCO.L", "7203.T", "EURUSD=X", "BTC-USD", "FPH.NZ"]),
    day=st.dates(date(1950, 1, 1), date(2100, 1, 1)),
)
def test_a_day_begins_in_itself_and_the_moment_before_is_the_day_before(
    symbol: str, day: date
) -> None:
    begin = begin_of(symbol, day)

    assert day_of(symbol, begin) == day
    assert day_of(symbol, begin - timedelta(microseconds=1)) == day - timedelta(days=1)
    assert begin == venue_day(symbol, begin)[0]


def test_a_day_of_a_currency_is_named_after_its_end() -> None:
    sunday = datetime(2026, 1, 4, 22, tzinfo=UTC)

    assert day_of("EURUSD=X", sunday) == date(2026, 1, 5)
    assert begin_of("EURUSD=X", date(2026, 1, 5)) == sunday
