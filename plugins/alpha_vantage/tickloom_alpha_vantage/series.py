"""Bars of the time series functions, newest first there, oldest first here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from msgspec import Struct

from tickloom.errors import BadRecord, NotSupported, ProviderUnavailable
from tickloom.model import Bar, Split
from tickloom.model import Dividend as CashDividend
from tickloom_alpha_vantage.fields import (
    count,
    day,
    decode,
    decode_csv,
    find_zone,
    is_json,
    name_of,
    named,
    price,
    priced,
)

_DAY_LENGTH = 10
_TIMES = ("timestamp", "time")
Meta = dict[str, str | dict[str, str | None] | None]
Answer = dict[str, Meta | None]


class Series(Struct, frozen=True):
    """The bars of one answer.

    Attributes:
        bars: Oldest first, prices as they were paid.
        splits: Where the function tells them; also of days without a usable bar.
        dividends: Where the function tells them.
        skipped: How many rows could not be used.
        zone: Of the days of bars of a day or longer.
    """

    bars: tuple[Bar, ...]
    splits: tuple[Split, ...] = ()
    dividends: tuple[CashDividend, ...] = ()
    skipped: int = 0
    zone: tzinfo = UTC


def parse_series(body: bytes, zone: str, currency: str | None = None) -> Series:
    """Return the bars of any time series function, as JSON or CSV.

    Args:
        body: The answer.
        zone: Of the venue, whose midnight begins a day; of times where the answer does not tell.
        currency: Of the dividends.

    Raises:
        BadRecord: The zone that it names is not known.
        ProviderUnavailable: It is no such answer.
    """
    if is_json(body):
        answer: Answer = decode(body, Answer, "series")
        told = _zone_of(answer.get("Meta Data") or {}) or zone
        rows: Iterable[tuple[str, dict[str, str]]] = _json_rows(answer)
    else:
        told, rows = zone, _csv_rows(body)
    return _collect(rows, find_zone(told), find_zone(zone), currency)


def _zone_of(meta: Meta) -> str | None:
    for key, value in meta.items():
        if name_of(key) == "time zone" and isinstance(value, str):
            return value
    return None


def _json_rows(answer: Answer) -> Iterator[tuple[str, dict[str, str]]]:
    series = [value for key, value in answer.items() if key != "Meta Data"]
    if not series and answer:
        raise ProviderUnavailable("provider alpha_vantage sent a series without bars")
    for rows in filter(None, series):
        for time, fields in rows.items():
            yield time, named(fields) if isinstance(fields, dict) else {}


def _csv_rows(body: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    for fields in decode_csv(body, "series", *_TIMES):
        yield next((fields[name] for name in _TIMES if name in fields), ""), fields


def _collect(
    rows: Iterable[tuple[str, dict[str, str]]], zone: tzinfo, home: tzinfo, currency: str | None
) -> Series:
    bars: dict[datetime, Bar] = {}
    splits: list[Split] = []
    dividends: list[CashDividend] = []
    offsets: dict[str, timedelta] = {}
    skipped = 0
    for time, fields in rows:
        try:
            timestamp = _moment(time, home if len(time) == _DAY_LENGTH else zone, offsets)
            # Before the bar: without it all older prices would be adjusted wrongly.
            _take_events(fields, time, currency, splits, dividends)
            bars[timestamp] = _bar(fields, timestamp)
        except BadRecord:
            skipped += 1
    return Series(
        tuple(bars[time] for time in sorted(bars)),
        tuple(sorted(splits, key=lambda one: one.day)),
        tuple(sorted(dividends, key=lambda one: one.day)),
        skipped,
        home,
    )


def _take_events(
    fields: dict[str, str],
    time: str,
    currency: str | None,
    splits: list[Split],
    dividends: list[CashDividend],
) -> None:
    ratio = priced(fields.get("split coefficient"), "split coefficient")
    if ratio is not None and ratio != 1:
        splits.append(Split(day=day(time), ratio=ratio))
    amount = priced(fields.get("dividend amount"), "dividend amount")
    if amount is not None:
        dividends.append(CashDividend(day=day(time), amount=amount, currency=currency))


def _bar(fields: dict[str, str], timestamp: datetime) -> Bar:
    prices = [price(fields.get(name), name) for name in ("open", "high", "low", "close")]
    return Bar(
        timestamp=timestamp,
        open_price=prices[0],
        high_price=prices[1],
        low_price=prices[2],
        close_price=prices[3],
        volume=count(fields.get("volume"), "volume"),
        adjusted_close=priced(fields.get("adjusted close"), "adjusted close"),
    )


def _moment(text: str, zone: tzinfo, offsets: dict[str, timedelta]) -> datetime:
    # The offset of a day is looked up once: it changes at night, when nothing is traded.
    try:
        naive = datetime.fromisoformat(text)
        offset = offsets.get(text[:_DAY_LENGTH])
        if offset is None or len(text) == _DAY_LENGTH:
            offset = naive.replace(tzinfo=zone).utcoffset() or timedelta()
            offsets[text[:_DAY_LENGTH]] = offset
        return (naive - offset).replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):
        raise BadRecord("a time cannot be read", found=text) from None


def adjust(series: Series, *, dividends: bool) -> tuple[Bar, ...]:
    """Return the bars adjusted by all splits after each, or by everything.

    The factor of a bar is the product of the split coefficients of later days, or its adjusted
    close by its close, which accounts for dividends too. Bars without one are then left out.

    Raises:
        NotSupported: No bar has an adjusted close.
    """
    factor = Decimal(1)
    later = list(series.splits)
    adjusted: list[Bar] = []
    for bar in reversed(series.bars):
        while later and later[-1].day > bar.timestamp.astimezone(series.zone).date():
            factor /= later.pop().ratio
        if not dividends:
            adjusted.append(_scaled(bar, factor, shares=1 / factor))
        elif bar.adjusted_close is not None:
            adjusted.append(_scaled(bar, bar.adjusted_close / bar.close_price, shares=1 / factor))
    if series.bars and not adjusted:
        raise NotSupported("provider alpha_vantage gives no prices adjusted for dividends here")
    return tuple(reversed(adjusted))


def _scaled(bar: Bar, factor: Decimal, shares: Decimal) -> Bar:
    if factor == 1 and shares == 1:
        return bar
    return Bar(
        timestamp=bar.timestamp,
        open_price=_round(bar.open_price * factor),
        high_price=_round(bar.high_price * factor),
        low_price=_round(bar.low_price * factor),
        close_price=_round(bar.close_price * factor),
        volume=None if bar.volume is None else int(bar.volume * shares),
        adjusted_close=bar.adjusted_close,
    )


def _round(value: Decimal) -> Decimal:
    return round(value, 6)
