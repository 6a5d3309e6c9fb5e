"""Bars, splits and dividends of ``/v8/finance/chart/{symbol}``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
from loguru import logger
from msgspec import Raw, Struct

from tickloom.errors import BadRecord, InvalidInterval, NoData, ProviderUnavailable
from tickloom.model import Bar, Dividend, Interval, Split, parse_currency, parse_interval
from tickloom_yahoo.fields import find_zone, hint, moment, narrow_all, text, units
from tickloom_yahoo.live import join_live
from tickloom_yahoo.parse_events import Events, dividends_of, splits_of
from tickloom_yahoo.parse_quote import WITHOUT_VOLUME
from tickloom_yahoo.records import UNREADABLE, S, convert, decode, read_record
from tickloom_yahoo.refusals import PROVIDER, VendorError, explain


class _Meta(Struct, rename="camel"):
    currency: str | None = None
    exchange_name: str | None = None
    full_exchange_name: str | None = None
    instrument_type: str | None = None
    exchange_timezone_name: str | None = None
    data_granularity: str | None = None
    price_hint: int | None = None


class _Columns(Struct):
    open: Raw = Raw()
    high: Raw = Raw()
    low: Raw = Raw()
    close: Raw = Raw()
    volume: Raw = Raw()


class _Adjusted(Struct):
    adjclose: Raw = Raw()


class _Indicators(Struct):
    quote: list[Raw] | None = None
    adjclose: list[Raw] | None = None


class _Result(Struct):
    meta: Raw = Raw()
    timestamp: list[int | None] | None = None
    indicators: _Indicators | None = None
    events: Events | None = None


class _Response(Struct):
    result: list[_Result] | None = None
    error: VendorError | None = None


class _Answer(Struct):
    chart: _Response | None = None
    finance: _Response | None = None


class Chart(Struct, frozen=True, kw_only=True):
    """What an answer tells.

    Attributes:
        bars: Oldest first, each at its begin; prices and volumes in today's shares.
        splits: Oldest first.
        dividends: Oldest first, in today's shares.
        zone: Of the venue; its calendar counts.
        places: How many decimal places prices have at least.
        currency: Ours.
        exchange: The venue as Yahoo names it.
        skipped: How many bars could not be used.
    """

    bars: tuple[Bar, ...]
    splits: tuple[Split, ...]
    dividends: tuple[Dividend, ...]
    zone: ZoneInfo
    places: int
    currency: str | None = None
    exchange: str | None = None
    skipped: int = 0


def parse_chart(body: bytes, symbol: str, interval: Interval) -> Chart:
    """Return the bars of an answer; those that are null are left out.

    Args:
        body: The answer.
        symbol: Canonical, for errors.
        interval: What was asked for.

    Raises:
        UnknownSymbol: Yahoo says so.
        NoData: There is not even a venue, so that no time can be read, or the bars are of another
            interval.
        ProviderUnavailable: It is no such answer.
    """
    result = _result_of(body, symbol)
    meta = read_record(result.meta, _Meta)
    zone = _zone_of(meta, symbol)
    if result.timestamp:
        _require_interval(meta.data_granularity, interval, symbol)
    kind = (meta.instrument_type or "").upper()
    indicators = result.indicators or _Indicators()
    columns = _first(indicators.quote, _Columns)
    adjusted = _column(_first(indicators.adjclose, _Adjusted).adjclose)
    times = result.timestamp or []
    bars = list(_bars(times, columns, adjusted, counted=kind not in WITHOUT_VOLUME))
    skipped = len(times) - len(bars)
    if skipped:
        logger.debug("yahoo: {} of {} bars of {} are empty", skipped, len(times), symbol)
    currency = parse_currency(meta.currency)
    events = result.events or Events()
    return Chart(
        bars=join_live(bars, interval, zone),
        splits=splits_of(events, zone),
        dividends=dividends_of(events, zone, currency),
        zone=zone,
        places=hint(meta.price_hint),
        currency=currency,
        exchange=text(meta.full_exchange_name) or text(meta.exchange_name),
        skipped=skipped,
    )


def parse_splits(body: bytes, symbol: str) -> tuple[Split, ...]:
    """Return the splits of an answer, oldest first, whatever its bars are.

    Raises:
        UnknownSymbol: Yahoo says so.
        NoData: There is not even a venue, so that no time can be read.
        ProviderUnavailable: It is no such answer.
    """
    result = _result_of(body, symbol)
    zone = _zone_of(read_record(result.meta, _Meta), symbol)
    return splits_of(result.events or Events(), zone)


def _zone_of(meta: _Meta, symbol: str) -> ZoneInfo:
    try:
        return find_zone(meta.exchange_timezone_name)
    except BadRecord as error:
        raise NoData(f"provider {PROVIDER} has no bars of {symbol}", found=str(error)) from None


def _require_interval(sent: str | None, interval: Interval, symbol: str) -> None:
    # It has sent hours for half hours, and days where it keeps no minutes.
    try:
        other = sent is not None and parse_interval(sent) is not interval
    except InvalidInterval:
        return
    if other:
        raise NoData(
            f"provider {PROVIDER} has no bars of {interval} of {symbol}",
            found=sent,
            expected=interval,
        )


def _result_of(body: bytes, symbol: str) -> _Result:
    answer = decode(body, _Answer, "bars")
    response = answer.chart or answer.finance
    if response is None:
        raise ProviderUnavailable(f"provider {PROVIDER} sent no bars", found=body[:40])
    if response.error is not None:
        raise explain(response.error, f"bars of {symbol}")
    if not response.result:
        raise NoData(f"provider {PROVIDER} has no bars of {symbol}")
    return response.result[0]


def _first(records: Sequence[Raw] | None, kind: type[S]) -> S:
    return read_record(next(iter(records or ()), Raw()), kind)


def _column(raw: Raw) -> list[Decimal | None]:
    """Return a column; one with a single wrong value is read value by value.

    Each column is decoded by itself, since nothing else runs meanwhile, also in other threads.
    """
    if not raw:
        return []
    try:
        return msgspec.json.decode(raw, type=list[Decimal | None])
    except UNREADABLE:
        pass
    return [_number(value) for value in convert(raw, list[Raw]) or ()]


def _number(raw: Raw) -> Decimal | None:
    try:
        return msgspec.json.decode(raw, type=Decimal | None)
    except UNREADABLE:
        return None


def _bars(
    times: Sequence[int | None],
    columns: _Columns,
    adjusted: Sequence[Decimal | None],
    *,
    counted: bool,
) -> Iterator[Bar]:
    count = len(times)
    closes = narrow_all(_column(columns.close))
    opens, highs, lows = (
        # Some venues give nothing but a close.
        narrow_all(column) or closes
        for column in map(_column, (columns.open, columns.high, columns.low))
    )
    volumes = _column(columns.volume)
    whole = (
        _padded(column, count)
        for column in (opens, highs, lows, closes, volumes, narrow_all(adjusted))
    )
    for seconds, opened, high, low, close, volume, adjclose in zip(times, *whole, strict=True):
        if seconds is None or opened is None or high is None or low is None or close is None:
            continue
        if opened <= 0 or high <= 0 or low <= 0 or close <= 0:
            continue
        try:
            timestamp = moment(seconds)
        except BadRecord:
            continue
        yield Bar(
            timestamp=timestamp,
            open_price=opened,
            high_price=high,
            low_price=low,
            close_price=close,
            volume=units(volume) if counted or volume else None,
            adjusted_close=adjclose if adjclose is None or adjclose > 0 else None,
        )


def _padded(column: Sequence[Decimal | None], count: int) -> Sequence[Decimal | None]:
    missing = count - len(column)
    return column[:count] if missing <= 0 else [*column, *[None] * missing]
