"""Any series is judged, whatever its bars, splits and dividends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quality,
    Split,
    Timeliness,
)
from tickloom_validators import make_series_validators
from tickloom_validators.options import ValidatorOptions

BEGIN = datetime(2024, 1, 1, 5, tzinfo=UTC)
ANY = st.decimals(allow_nan=True, allow_infinity=True) | st.decimals(1, 200, places=2)
BARS = st.builds(
    Bar,
    timestamp=st.integers(1, 40_000).map(lambda hours: BEGIN + timedelta(hours=hours)),
    open_price=ANY,
    high_price=ANY,
    low_price=ANY,
    close_price=ANY,
    volume=st.none() | st.integers(-5, 10**12),
    adjusted_close=st.none() | ANY,
)
DAYS = st.dates(date(1970, 1, 2), date(2100, 1, 1))
AMOUNTS = st.decimals(allow_nan=True, allow_infinity=True) | st.decimals(0, 50, places=3)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(BARS, max_size=12, unique_by=lambda bar: bar.timestamp),
    st.lists(st.builds(Split, day=DAYS, ratio=AMOUNTS), max_size=3),
    st.lists(st.builds(Dividend, day=DAYS, amount=AMOUNTS), max_size=5),
    st.sampled_from([Interval.MINUTES_15, Interval.DAY, Interval.WEEK]),
    st.sampled_from(PriceAdjustment),
)
def test_any_series_is_judged(bars, splits, dividends, interval, adjustment) -> None:
    history = HistoricalData(
        symbol="EXA",
        start_date=BEGIN.date(),
        end_date=(BEGIN + timedelta(days=199)).date(),
        provider="example",
        received_at=BEGIN + timedelta(days=200),
        timeliness=Timeliness.END_OF_DAY,
        data_points=tuple(sorted(bars, key=lambda bar: bar.timestamp)),
        splits=tuple(splits),
        dividends=tuple(dividends),
        interval=interval,
        adjustment=adjustment,
    )
    moments = {bar.timestamp for bar in bars}
    for check in make_series_validators(ValidatorOptions()):
        for finding in check.check_series(history):
            assert finding.timestamp in moments
            assert finding.reason
            assert finding.quality is not Quality.OK
