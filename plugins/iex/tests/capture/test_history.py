"""Bars made of captured trades."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import InvalidDates, NoData, NotSupported, UnknownSymbol
from tickloom.model import Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom_iex.capture import CaptureOptions, make_capture_provider

_TUESDAY = date(2024, 3, 5)
_HOUR = 3_600.0
_DAY = 86_400.0


@pytest.fixture
def bars(forge, tmp_path, clock) -> Callable[..., Any]:
    """Writes a capture of trades, one a segment, and asks for bars of them."""

    path: Path = tmp_path / "trades.pcap"
    write = path.write_bytes

    async def ask(*trades, interval="1d", start=_TUESDAY, end=_TUESDAY, **changes):
        made = [
            forge.segment(one, sequence=place, at=_sent(forge, one))
            for place, one in enumerate(trades, 1)
        ]
        write(forge.capture(*made))
        provider = make_capture_provider(CaptureOptions(path=path), clock)
        usual = {"symbol": "A", "start": start, "end": end, "interval": Interval(interval)}
        try:
            return await provider.get_history(HistoryRequest(**(usual | changes)))
        finally:
            await provider.aclose()

    return ask


def _sent(forge, message: bytes) -> float:
    return (int.from_bytes(message[2:10], "little") - forge.open_ns) / 1e9


async def test_bars_of_a_minute_begin_at_the_minute(forge, bars):
    history = await bars(
        forge.trade("A", 10_000, 100, key=1, at=5),
        forge.trade("A", 12_000, 300, key=2, at=30),
        forge.trade("B", 99_000, 100, key=3, at=31),
        forge.trade("A", 11_000, 100, key=4, at=59.9),
        forge.trade("A", 13_000, 100, key=5, at=60),
        interval="1m",
    )

    first, second = history.data_points
    assert first.timestamp == datetime(2024, 3, 5, 14, 30, tzinfo=UTC)
    assert (first.open_price, first.high_price, first.low_price, first.close_price) == (
        Decimal("1.00"), Decimal("1.20"), Decimal("1.00"), Decimal("1.10"),
    )  # fmt: skip
    assert (first.volume, first.trade_count, first.vwap) == (500, 3, Decimal("1.1400"))
    assert (second.timestamp.minute, second.volume) == (31, 100)
    assert (history.currency, history.exchange, history.provider) == ("USD", "IEX", "iex_captures")


@pytest.mark.parametrize(
    ("interval", "count"),
    [("1s", 4), ("1m", 3), ("2m", 2), ("5m", 2), ("15m", 2), ("30m", 1), ("1h", 1), ("1d", 1)],
)
async def test_each_interval_takes_what_falls_into_it(forge, bars, interval, count):
    seconds = (0, 1, 70, 1_000)
    trades = [forge.trade("A", 10_000, key=place, at=at) for place, at in enumerate(seconds)]

    assert len((await bars(*trades, interval=interval)).data_points) == count


async def test_a_day_begins_at_the_venues_midnight(forge, bars):
    history = await bars(
        forge.trade("A", 10_000, key=1, at=9.4 * _HOUR, flags=0),
        forge.trade("A", 20_000, key=2, at=_DAY),
        end=date(2024, 3, 6),
    )

    first, second = history.data_points
    assert first.timestamp == datetime(2024, 3, 5, 5, tzinfo=UTC)
    assert second.timestamp == datetime(2024, 3, 6, 5, tzinfo=UTC)


async def test_weeks_and_months_that_begin_in_the_range_are_whole(forge, bars):
    trades = [forge.trade("A", 10_000, key=key, at=key * _DAY) for key in range(-7, 30)]

    weeks = await bars(*trades, interval="1wk", start=date(2024, 3, 5), end=date(2024, 3, 11))
    months = await bars(*trades, interval="1mo", start=date(2024, 3, 1), end=date(2024, 3, 5))

    assert [(one.timestamp.day, one.volume) for one in weeks.data_points] == [(11, 700)]
    assert [(one.timestamp.day, one.volume) for one in months.data_points] == [(1, 3_100)]


async def test_broken_trades_are_left_out(forge, bars):
    history = await bars(
        forge.trade("A", 10_000, key=1),
        forge.trade("A", 90_000, key=2, at=1),
        forge.trade("A", 11_000, key=3, at=2),
        forge.trade("A", 90_000, key=2, at=1.2 * _HOUR, kind="B"),
    )

    bar = history.data_points[0]
    assert (bar.high_price, bar.volume, bar.trade_count) == (Decimal("1.10"), 200, 2)


async def test_a_break_concerns_the_trade_of_its_symbol_and_day(forge, bars):
    history = await bars(
        forge.trade("A", 10_000, key=1),
        forge.trade("B", 10_000, key=2, at=1),
        forge.trade("B", 10_000, key=1, at=2, kind="B"),
        forge.trade("A", 10_000, key=1, at=_DAY, kind="B"),
    )

    assert history.data_points[0].volume == 100


async def test_odd_lots_count_to_the_volume_alone(forge, bars):
    history = await bars(
        forge.trade("A", 10_000, 100, key=1),
        forge.trade("A", 90_000, 7, key=2, at=1, flags=0x20),
        interval="1m",
    )

    bar = history.data_points[0]
    assert (bar.high_price, bar.volume, bar.trade_count) == (Decimal("1.00"), 107, 2)


async def test_extended_hours_make_bars_of_minutes_but_no_prices_of_days(forge, bars):
    trades = [
        forge.trade("A", 90_000, key=1, at=-90, flags=0x40),
        forge.trade("A", 10_000, key=2, at=1),
    ]

    minutes = await bars(*trades, interval="1m")
    hours = await bars(*trades, interval="1h")
    days = await bars(*trades)

    assert [one.close_price for one in minutes.data_points] == [Decimal("9.00"), Decimal("1.00")]
    assert [(one.high_price, one.volume) for one in hours.data_points] == [(Decimal("1.00"), 200)]
    assert [(one.high_price, one.volume) for one in days.data_points] == [(Decimal("1.00"), 200)]


async def test_a_day_of_odd_lots_and_extended_hours_alone_has_no_bar(forge, bars):
    trades = [forge.trade("A", 10_000, key=1, flags=0x20), forge.trade("A", 1, key=2, flags=0x40)]

    with pytest.raises(NoData):
        await bars(*trades)


async def test_a_range_before_or_after_has_no_data(forge, bars):
    with pytest.raises(NoData):
        await bars(forge.trade("A", 10_000), start=date(1, 1, 1), end=date(2024, 3, 4))
    with pytest.raises(NoData):
        await bars(forge.trade("A", 10_000), start=date(2024, 3, 6), end=date.max)


async def test_the_widest_range_is_a_range(forge, bars):
    history = await bars(forge.trade("A", 10_000), interval="1mo", start=date.min, end=date.max)

    assert len(history.data_points) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"start": date(2024, 3, 6)}, InvalidDates),
        ({"adjustment": PriceAdjustment.ALL}, NotSupported),
        ({"interval": Interval.MINUTES_90}, NotSupported),
        ({"symbol": "B"}, UnknownSymbol),
    ],
)
async def test_what_cannot_be_answered_is_told(forge, bars, changes, error):
    with pytest.raises(error):
        await bars(forge.trade("A", 10_000), **changes)


async def test_a_symbol_without_trades_has_no_data(forge, bars):
    with pytest.raises(NoData):
        await bars(forge.quote("A", 1, 2))
