import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.clock import FakeClock
from tickloom.errors import InvalidDates, NoData, NotSupported, UnknownSymbol
from tickloom.model import Interval, PriceAdjustment, Timeliness
from tickloom.roles import HistoryRequest

DAY = date(2026, 1, 5)
OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def _ask(
    symbol: str = "A",
    start: date = DAY,
    end: date = DAY,
    interval: Interval = Interval.MINUTE,
    **fields: Any,
) -> HistoryRequest:
    return HistoryRequest(symbol=symbol, start=start, end=end, interval=interval, **fields)


def _aapl(adjustment: PriceAdjustment, interval: Interval = Interval.DAY) -> HistoryRequest:
    return _ask(
        "AAPL", date(2014, 6, 6), date(2014, 6, 9), interval=interval, adjustment=adjustment
    )


@pytest.fixture
def minutes(tmp_path: Path, make_provider: Any) -> Any:
    """Twelve minutes from 14:30, closing at 1 to 12, ten units each."""
    rows = "".join(
        f"{(OPEN + timedelta(minutes=place - 1)).isoformat()},{place},{place + 1},"
        f"{place - 1},{place},10\n"
        for place in range(1, 13)
    )
    (tmp_path / "A.csv").write_text("timestamp,open,high,low,close,volume\n" + rows)
    return make_provider(tmp_path)


async def test_recorded_bars_come_in_recorded_times(minutes: Any, clock: FakeClock) -> None:
    answer = await minutes.get_history(_ask())

    assert [bar.timestamp for bar in answer.data_points] == [
        OPEN + timedelta(minutes=place) for place in range(12)
    ]
    assert (answer.provider, answer.timeliness) == ("replay", Timeliness.REPLAYED)
    assert answer.received_at == clock.now()


@pytest.mark.parametrize(
    ("interval", "begins", "closes"),
    [
        (Interval.MINUTES_5, [30, 35, 40], [5, 10, 12]),
        (Interval.MINUTES_15, [30], [12]),
        (Interval.HOUR, [0], [12]),
    ],
)
async def test_longer_bars_are_rolled_up(
    minutes: Any, interval: Interval, begins: list[int], closes: list[int]
) -> None:
    bars = (await minutes.get_history(_ask(interval=interval))).data_points

    assert [bar.timestamp.minute for bar in bars] == begins
    assert [bar.close_price for bar in bars] == closes
    assert (bars[0].open_price, bars[0].low_price) == (1, 0)
    assert bars[0].high_price == closes[0] + 1
    assert sum(bar.volume for bar in bars) == 120


async def test_a_day_is_rolled_up_by_session(minutes: Any) -> None:
    (bar,) = (await minutes.get_history(_ask(interval=Interval.DAY))).data_points

    assert bar.timestamp == datetime(2026, 1, 5, tzinfo=UTC)
    assert (bar.open_price, bar.high_price, bar.close_price, bar.volume) == (1, 13, 12, 120)


async def test_weeks_and_months_that_begin_in_the_range_are_whole(
    tmp_path: Path, make_provider: Any
) -> None:
    days = [date(2026, 1, 1) + timedelta(days=place) for place in range(60)]
    rows = "".join(f"{day},{day.day}\n" for day in days if day.weekday() < 5)
    (tmp_path / "A.csv").write_text("date,close\n" + rows)
    provider = make_provider(tmp_path)

    week = await provider.get_history(_ask(end=date(2026, 1, 6), interval=Interval.WEEK))
    month = await provider.get_history(
        _ask(start=date(2026, 1, 2), end=date(2026, 2, 1), interval=Interval.MONTH)
    )

    assert [(bar.open_price, bar.close_price) for bar in week.data_points] == [(5, 9)]
    assert [(bar.open_price, bar.close_price) for bar in month.data_points] == [(2, 27)]
    assert month.data_points[0].timestamp == datetime(2026, 2, 1, tzinfo=UTC)


async def test_ticks_are_rolled_up_to_seconds(
    tmp_path: Path,
    make_provider: Any,
    pack: Any,
) -> None:
    rows = ["34200000,1000000,100,Q,0,0", "34200900,1010000,200,Q,0,0", "34201000,990000,50,Q,0,0"]
    pack(tmp_path / "t.zip", "20131007_ibm_tick_trade.csv", rows)
    day = date(2013, 10, 7)

    answer = await make_provider(tmp_path).get_history(
        _ask("IBM", day, day, interval=Interval.SECOND)
    )

    assert [(bar.close_price, bar.volume) for bar in answer.data_points] == [(101, 300), (99, 50)]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (_ask("ZZZ"), UnknownSymbol),
        (_ask(start=date(2026, 1, 6), end=DAY), InvalidDates),
        (_ask(start=date(2020, 1, 1), end=date(2020, 1, 2)), NoData),
        (_ask(start=date(2026, 1, 6), end=date(2026, 1, 7)), NoData),
        (_ask(interval=Interval.SECOND), NotSupported),
        (_ask(adjustment=PriceAdjustment.SPLITS), NotSupported),
    ],
)
async def test_what_cannot_be_answered_is_told_apart(
    minutes: Any, request_: HistoryRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await minutes.get_history(request_)


async def test_a_symbol_with_quotes_alone_has_no_history(
    tmp_path: Path, make_provider: Any
) -> None:
    (tmp_path / "A.csv").write_text("date,bid,ask\n2026-01-05,1,2\n")
    provider = make_provider(tmp_path)

    assert provider.info.intervals == ()
    with pytest.raises(NoData):
        await provider.get_history(_ask(interval=Interval.DAY))


async def test_the_day_of_the_split_jumps_in_raw_prices_alone(
    lean: Path, make_provider: Any
) -> None:
    provider = make_provider(lean)

    raw = (await provider.get_history(_aapl(PriceAdjustment.NONE))).data_points
    splits = (await provider.get_history(_aapl(PriceAdjustment.SPLITS))).data_points
    everything = (await provider.get_history(_aapl(PriceAdjustment.ALL))).data_points

    assert [bar.close_price for bar in raw] == [Decimal("645.57"), Decimal("93.70")]
    # 7:1 in 2014 and 4:1 in 2020: 645.57 / 28 and 93.70 / 4.
    assert [bar.close_price.quantize(Decimal("0.001")) for bar in splits] == [
        Decimal("23.056"),
        Decimal("23.425"),
    ]
    # The same times 0.9011818 for the dividends since.
    assert [bar.close_price.quantize(Decimal("0.001")) for bar in everything] == [
        Decimal("20.778"),
        Decimal("21.110"),
    ]
    assert splits[1].volume == raw[1].volume * 4


async def test_a_factor_applies_up_to_and_including_its_day(lean: Path, make_provider: Any) -> None:
    provider = make_provider(lean)
    request = _aapl(PriceAdjustment.SPLITS, Interval.HOUR)

    raw = await provider.get_history(_aapl(PriceAdjustment.NONE, Interval.HOUR))
    adjusted = await provider.get_history(request)

    ratios = {
        bar.timestamp.date(): round(before.close_price / bar.close_price)
        for before, bar in zip(raw.data_points, adjusted.data_points, strict=True)
        if bar.timestamp.hour == 15
    }
    assert ratios == {date(2014, 6, 6): 28, date(2014, 6, 9): 4}


async def test_days_rolled_up_from_seconds_begin_at_new_yorks_midnight(
    lean: Path, make_provider: Any
) -> None:
    day = date(2013, 10, 7)

    (bar,) = (
        await make_provider(lean).get_history(_ask("BAC", day, day, interval=Interval.DAY))
    ).data_points

    assert bar.timestamp == datetime(2013, 10, 7, 4, tzinfo=UTC)
    assert (bar.open_price, bar.close_price) == (Decimal("13.94"), Decimal("13.81"))
    assert bar.volume == 61_208_183


def test_intervals_that_can_be_answered_are_declared(minutes: Any) -> None:
    assert minutes.info.intervals == tuple(
        interval
        for interval in Interval
        if interval not in {Interval.SECOND, Interval.MINUTES_90, Interval.DAYS_5, Interval.QUARTER}
    )


async def test_a_cancelled_question_leaves_no_task(
    tmp_path: Path, make_provider: Any, bars: Any
) -> None:
    bars("A", *range(1_000, 21_000))
    question = asyncio.create_task(make_provider(tmp_path).get_history(_ask(end=date(2026, 2, 28))))
    for _ in range(3):
        await asyncio.sleep(0)

    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question

    assert asyncio.all_tasks() == {asyncio.current_task()}
