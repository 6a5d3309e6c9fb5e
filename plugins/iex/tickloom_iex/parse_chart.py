"""Bars of ``/chart``: days in three adjustments, minutes in New York's time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

from msgspec import Raw, Struct

from tickloom.model import Bar, PriceAdjustment
from tickloom_iex.fields import count, day_of, decode, midnight, price, read_list, read_record
from tickloom_iex.records import BarRecord

_PREFIX = {PriceAdjustment.NONE: "u_", PriceAdjustment.SPLITS: "", PriceAdjustment.ALL: "f_"}
_MINUTES_OF_DAY = 1_440


class Series(Struct, frozen=True):
    """The bars of one answer.

    Attributes:
        bars: Oldest first.
        skipped: How many rows could not be used, such as minutes without a trade.
        other: How many of these have prices, but not in the adjustment that was asked for.
    """

    bars: tuple[Bar, ...]
    skipped: int = 0
    other: int = 0


class _Dynamic(Struct):
    data: Raw = Raw(b"[]")


def parse_days(body: bytes, adjustment: PriceAdjustment) -> Series:
    """Return the bars of a chart of days.

    ``open`` and its like are adjusted for splits, ``uOpen`` for nothing, ``fOpen`` for everything.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    prefix = _PREFIX[adjustment]
    records, skipped = _records(body)
    series = _collect(records, lambda record: _day_bar(record, prefix))
    other = sum(_has_price(record) and _day_bar(record, prefix) is None for record in records)
    return Series(series.bars, series.skipped + skipped, other)


def parse_minutes(body: bytes, *, market: bool) -> Series:
    """Return the bars of a chart of minutes; those without a trade are skipped.

    Args:
        body: The answer.
        market: Take the prices of all venues, not IEX's own.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    records, skipped = _records(body)
    series = _collect(records, lambda record: _minute_bar(record, market=market))
    return Series(series.bars, series.skipped + skipped)


def _records(body: bytes) -> tuple[list[BarRecord], int]:
    if body.lstrip()[:1] == b"{":
        # chart/dynamic chooses the range and wraps the rows.
        wrapped = read_record(decode(body, Raw, "chart"), _Dynamic)
        body = bytes(wrapped.data)
    return read_list(body, BarRecord, "chart")


def _collect(records: Iterable[BarRecord], make: Callable[[BarRecord], Bar | None]) -> Series:
    bars: dict[datetime, Bar] = {}
    skipped = 0
    for record in records:
        bar = make(record)
        if bar is None:
            skipped += 1
        else:
            bars[bar.timestamp] = bar
    return Series(tuple(bars[at] for at in sorted(bars)), skipped)


def _has_price(record: BarRecord) -> bool:
    return price(record.close) is not None or price(record.u_close) is not None


def _day_bar(record: BarRecord, prefix: str) -> Bar | None:
    day = day_of(record.date)
    if day is None or record.minute:
        return None
    if prefix == "u_":
        prices = (record.u_open, record.u_high, record.u_low, record.u_close)
        volume = record.u_volume
    elif prefix == "f_":
        prices = (record.f_open, record.f_high, record.f_low, record.f_close)
        volume = record.f_volume if record.f_volume is not None else record.volume
    else:
        prices = (record.open, record.high, record.low, record.close)
        volume = record.volume
    return _bar(
        midnight_or_none(day),
        prices,
        volume=volume,
        adjusted_close=price(record.f_close),
        vwap=price(record.vwap) if not prefix else None,
    )


def _minute_bar(record: BarRecord, *, market: bool) -> Bar | None:
    at = _minute_of(record)
    if market:
        return _bar(
            at,
            (record.market_open, record.market_high, record.market_low, record.market_close),
            volume=record.market_volume,
            trade_count=count(record.market_number_of_trades),
            vwap=price(record.market_average),
        )
    return _bar(
        at,
        (record.open, record.high, record.low, record.close),
        volume=record.volume,
        trade_count=count(record.number_of_trades),
        vwap=price(record.average),
    )


def _minute_of(record: BarRecord) -> datetime | None:
    day = day_of(record.date)
    hour, _, minute = (record.minute or "").partition(":")
    if day is None or not (hour.isdecimal() and minute[:2].isdecimal()):
        return None
    begin = midnight_or_none(day)
    minutes = int(hour) * 60 + int(minute[:2])
    if begin is None or minutes >= _MINUTES_OF_DAY:
        return None
    # Clocks change on Sundays, when nobody trades: on other days midnight has the day's offset.
    return begin + timedelta(minutes=minutes)


def midnight_or_none(day: date) -> datetime | None:
    """Return the begin of a day in New York; ``None`` at the ends of the calendar."""
    try:
        return midnight(day)
    except (OverflowError, ValueError):
        return None


def _bar(
    at: datetime | None,
    prices: tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None],
    *,
    volume: Decimal | None,
    adjusted_close: Decimal | None = None,
    trade_count: int | None = None,
    vwap: Decimal | None = None,
) -> Bar | None:
    first, high, low, last = map(price, prices)
    if at is None or first is None or high is None or low is None or last is None:
        return None
    return Bar(
        timestamp=at,
        open_price=first,
        high_price=high,
        low_price=low,
        close_price=last,
        volume=count(volume),
        adjusted_close=adjusted_close,
        trade_count=trade_count,
        vwap=vwap,
    )
