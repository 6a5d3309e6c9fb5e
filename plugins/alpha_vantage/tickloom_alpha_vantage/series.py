"""Bars of the time series functions, newest first there, oldest first here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from msgspec import Struct

from tickloom.errors import BadRecord, ProviderUnavailable
from tickloom.model import Bar, Split
from tickloom.model import Dividend as CashDividend
from tickloom_alpha_vantage.fields import (
    count,
    decode,
    decode_csv,
    find_zone,
    is_json,
    name_of,
    named,
    number,
    price,
)

_DAY_LENGTH = 10
_TIMES = ("timestamp", "time")
Meta = dict[str, str | dict[str, str | None] | None]
Answer = dict[str, Meta]


class Series(Struct, frozen=True):
    """The bars of one answer.

    Attributes:
        bars: Oldest first, prices as they were paid.
        splits: Where the function tells them.
        dividends: Where the function tells them.
        skipped: How many rows could not be used.
    """

    bars: tuple[Bar, ...]
    splits: tuple[Split, ...] = ()
    dividends: tuple[CashDividend, ...] = ()
    skipped: int = 0


def parse_series(body: bytes, zone: str, currency: str | None = None) -> Series:
    """Return the bars of any time series function, as JSON or CSV.

    Args:
        body: The answer.
        zone: Of the times, where the answer does not tell.
        currency: Of the dividends.

    Raises:
        BadRecord: The zone that it names is not known.
        ProviderUnavailable: It is no such answer.
    """
    if is_json(body):
        answer: Answer = decode(body, Answer, "series")
        told: Meta = next((value for key, value in answer.items() if key == "Meta Data"), {})
        zone = _zone_of(told) or zone
        rows: Iterable[tuple[str, dict[str, str]]] = _json_rows(answer)
    else:
        rows = _csv_rows(body)
    return _collect(rows, find_zone(zone), currency)


def _zone_of(meta: Meta) -> str | None:
    for key, value in meta.items():
        if name_of(key) == "time zone" and isinstance(value, str):
            return value
    return None


def _json_rows(answer: Answer) -> Iterator[tuple[str, dict[str, str]]]:
    series = [value for key, value in answer.items() if key != "Meta Data"]
    if not series and answer:
        raise ProviderUnavailable("provider alpha_vantage sent a series without bars")
    for rows in series:
        for time, fields in rows.items():
            yield time, named(fields) if isinstance(fields, dict) else {}


def _csv_rows(body: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    for fields in decode_csv(body, "series", *_TIMES):
        yield next((fields[name] for name in _TIMES if name in fields), ""), fields


def _collect(
    rows: Iterable[tuple[str, dict[str, str]]], zone: tzinfo, currency: str | None
) -> Series:
    bars: dict[datetime, Bar] = {}
    splits: list[Split] = []
    dividends: list[CashDividend] = []
    offsets: dict[str, timedelta] = {}
    skipped = 0
    for time, fields in rows:
        try:
            timestamp = _moment(time, zone, offsets)
            bars[timestamp] = _bar(fields, timestamp)
            ratio = number(fields.get("split coefficient"), "split coefficient")
            amount = number(fields.get("dividend amount"), "dividend amount")
        except BadRecord:
            skipped += 1
            continue
        if ratio is not None and ratio > 0 and ratio != 1:
            splits.append(Split(day=date.fromisoformat(time[:_DAY_LENGTH]), ratio=ratio))
        if amount:
            paid = date.fromisoformat(time[:_DAY_LENGTH])
            dividends.append(CashDividend(day=paid, amount=amount, currency=currency))
    return Series(
        tuple(bars[time] for time in sorted(bars)),
        tuple(sorted(splits, key=lambda one: one.day)),
        tuple(sorted(dividends, key=lambda one: one.day)),
        skipped,
    )


def _bar(fields: dict[str, str], timestamp: datetime) -> Bar:
    prices = [price(fields.get(name), name) for name in ("open", "high", "low", "close")]
    return Bar(
        timestamp=timestamp,
        open_price=prices[0],
        high_price=prices[1],
        low_price=prices[2],
        close_price=prices[3],
        volume=count(fields.get("volume"), "volume"),
        adjusted_close=number(fields.get("adjusted close"), "adjusted close"),
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

    The factor of a bar is the product of the split coefficients of later bars, or its adjusted
    close by its close, which accounts for dividends too.

    Raises:
        BadRecord: A bar has no adjusted close.
    """
    factor = Decimal(1)
    ratios = {one.day: one.ratio for one in series.splits}
    adjusted: list[Bar] = []
    for bar in reversed(series.bars):
        if dividends:
            if bar.adjusted_close is None:
                raise BadRecord("a bar has no adjusted close", found=bar.timestamp)
            adjusted.append(_scaled(bar, bar.adjusted_close / bar.close_price, shares=1 / factor))
        else:
            adjusted.append(_scaled(bar, factor, shares=1 / factor))
        factor /= ratios.get(bar.timestamp.date(), Decimal(1))
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
