"""Longer bars out of shorter ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from barsamples import bar, daily
from tickloom.history.rolling import OpenOf, Roller
from tickloom.model import Bar, Interval, begin_of

OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
"""Half past nine in New York."""
MINUTE = timedelta(minutes=1)


def opens(day: date) -> datetime | None:
    return OPEN + (day - OPEN.date())


def rolled(
    bars: list[Bar], interval: Interval, open_of: OpenOf = opens, symbol: str = "AAPL"
) -> list[Bar]:
    roller = Roller(symbol, interval, open_of)
    return roller.add(bars) + roller.end()


def test_first_highest_lowest_and_last_make_the_bar() -> None:
    fields = [
        ("10", "12", "9", "11", 5, 2, "10.5"),
        ("11", "11.5", "8", "8.5", None, None, None),
        ("8.5", "13", "8.4", "12", 7, 1, "11"),
    ]
    bars = [
        bar(
            OPEN + number * MINUTE,
            open_price=Decimal(o),
            high_price=Decimal(h),
            low_price=Decimal(low),
            close_price=Decimal(c),
            volume=volume,
            trade_count=trades,
            vwap=None if vwap is None else Decimal(vwap),
        )
        for number, (o, h, low, c, volume, trades, vwap) in enumerate(fields)
    ]

    [whole] = rolled(bars, Interval.MINUTES_5)
    assert whole == bar(
        OPEN,
        open_price=Decimal(10),
        high_price=Decimal(13),
        low_price=Decimal(8),
        close_price=Decimal(12),
        volume=12,
        trade_count=3,
    )


def test_the_average_price_is_weighted_by_volume() -> None:
    bars = [
        bar(OPEN, volume=1, vwap=Decimal(10)),
        bar(OPEN + MINUTE, volume=0),
        bar(OPEN + 2 * MINUTE, volume=2, vwap=Decimal(11)),
    ]

    assert rolled(bars, Interval.MINUTES_5)[0].vwap == Decimal("10.666667")


def test_volumes_that_nobody_gives_stay_unknown() -> None:
    bars = [bar(OPEN + number * MINUTE, volume=None) for number in range(3)]

    assert rolled(bars, Interval.MINUTES_5)[0].volume is None


def test_hours_begin_with_the_session() -> None:
    minutes = [-45, -1, 0, 59, 60, 389]
    bars = [bar(OPEN + number * MINUTE) for number in minutes]

    begins = [one.timestamp - OPEN for one in rolled(bars, Interval.HOUR)]
    assert begins == [timedelta(hours=n) for n in (-1, 0, 1, 6)]


def test_without_a_known_session_hours_begin_with_the_day() -> None:
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    bars = [bar(midnight + timedelta(minutes=n)) for n in (10, 70, 1439)]

    made = rolled(bars, Interval.HOUR, lambda _day: None, "BTC-USD")
    assert [one.timestamp.hour for one in made] == [0, 1, 23]


def test_no_bar_reaches_into_another_day() -> None:
    midnight = begin_of("AAPL", date(2026, 1, 6))
    bars = [bar(midnight - MINUTE), bar(midnight + MINUTE)]

    made = rolled(bars, Interval.HOUR)
    assert [one.timestamp for one in made] == [midnight - timedelta(minutes=30), midnight]


@pytest.mark.parametrize(
    ("interval", "begins"),
    [
        (Interval.WEEK, [date(2026, 1, 26), date(2026, 2, 2)]),
        (Interval.MONTH, [date(2026, 1, 1), date(2026, 2, 1)]),
    ],
)
def test_weeks_begin_on_monday_and_months_on_their_first_day(
    interval: Interval, begins: list[date]
) -> None:
    bars = list(daily(date(2026, 1, 28), 7))

    made = rolled(bars, interval)
    assert [one.timestamp for one in made] == [begin_of("AAPL", day) for day in begins]
    assert sum(one.volume or 0 for one in made) == 700


prices = st.decimals(min_value="0.01", max_value="100000", places=4)
counts = st.none() | st.integers(0, 10**9)


@st.composite
def minutes(draw: st.DrawFn) -> list[Bar]:
    bars = []
    for minute in sorted(draw(st.sets(st.integers(-330, 2_000), min_size=1, max_size=60))):
        low, *inner, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
        volume = draw(counts)
        bars.append(
            Bar(
                timestamp=OPEN + minute * MINUTE,
                open_price=inner[0],
                high_price=high,
                low_price=low,
                close_price=inner[1],
                volume=volume,
                trade_count=draw(counts),
                vwap=draw(st.none() | prices),
            )
        )
    return bars


def without_average(bars: list[Bar]) -> list[Bar]:
    return [replace(one, vwap=None) for one in bars]


@given(
    bars=minutes(),
    steps=st.sampled_from(
        [
            (Interval.MINUTES_5, Interval.MINUTES_15),
            (Interval.MINUTES_5, Interval.HOUR),
            (Interval.MINUTES_15, Interval.MINUTES_30),
            (Interval.MINUTES_30, Interval.HOUR),
        ]
    ),
)
def test_a_roll_up_of_a_roll_up_is_the_roll_up(
    bars: list[Bar], steps: tuple[Interval, Interval]
) -> None:
    short, long = steps
    twice, once = rolled(rolled(bars, short), long), rolled(bars, long)

    assert without_average(twice) == without_average(once)
    for one, other in zip(twice, once, strict=True):
        # Averages are rounded each time, to six places.
        if one.vwap is not None and other.vwap is not None:
            assert abs(one.vwap - other.vwap) <= Decimal("0.000002")


@given(bars=minutes(), parts=st.integers(1, 7))
def test_the_size_of_the_pieces_makes_no_difference(bars: list[Bar], parts: int) -> None:
    roller = Roller("AAPL", Interval.MINUTES_30, opens)
    made = []
    for start in range(0, len(bars), parts):
        made += roller.add(bars[start : start + parts])

    assert made + roller.end() == rolled(bars, Interval.MINUTES_30)
