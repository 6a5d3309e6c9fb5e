"""Quotes: end-of-day, premium batches, and exchange rates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from tickloom.errors import BadRecord, NoData, NotEntitled, TickloomError, UnknownSymbol
from tickloom.model import Quote, find_venue, split_symbol
from tickloom_alpha_vantage.fields import (
    count,
    day,
    decode,
    decode_csv,
    is_json,
    moment,
    named,
    number,
    price,
    priced,
)
from tickloom_alpha_vantage.symbols import NEW_YORK, from_vendor, home_of

_MOST_AHEAD = timedelta(days=1)
# A batch names no zone.
_BATCH_ZONE = NEW_YORK.zone

Fields = dict[str, str | None]


class _GlobalQuote(Struct):
    # With an entitlement the key goes on: "Global Quote - DATA DELAYED BY 15 MINUTES".
    quote: Fields = field(name="Global Quote")


class _Rate(Struct):
    rate: Fields = field(name="Realtime Currency Exchange Rate")


class _Bulk(Struct):
    data: list[Fields]
    message: str | None = None


def parse_global_quote(body: bytes, symbol: str, received_at: datetime) -> Quote:
    """Return the quote of GLOBAL_QUOTE, as JSON or CSV.

    It has a day and no time, so its time is that day's close at the venue, and the begin of the day
    as long as the venue has not closed: never the time of the question.

    Raises:
        UnknownSymbol: The answer is empty.
        BadRecord: A field cannot be used, or it is of another symbol or of a day to come.
        ProviderUnavailable: It is no such answer.
    """
    fields = _global_fields(body)
    if not fields:
        raise UnknownSymbol(f"provider alpha_vantage does not know {symbol}")
    named_symbol = from_vendor(fields.get("symbol", symbol))
    if named_symbol is not None and named_symbol != symbol:
        raise BadRecord("an answer is of another symbol", found=named_symbol, expected=symbol)
    timestamp = _time_of(day(fields.get("latest trading day")), symbol, received_at)
    return _quote(fields, symbol, timestamp, received_at, "price")


def _time_of(day: date, symbol: str, now: datetime) -> datetime:
    home = home_of(symbol)
    for hour in (home.close, time()):
        at = datetime.combine(day, hour, ZoneInfo(home.zone)).astimezone(UTC)
        if at <= now:
            return at
    raise BadRecord(f"the quote of {symbol} is of the future", found=str(day))


def _of_past(at: datetime, symbol: str, now: datetime) -> datetime:
    if at > now + _MOST_AHEAD:
        raise BadRecord(f"the quote of {symbol} is of the future", found=str(at))
    return at


def _global_fields(body: bytes) -> dict[str, str]:
    if not is_json(body):
        return next(decode_csv(body, "quote", "price"), {})
    answer: dict[str, Fields] = decode(body, dict[str, Fields], "quote")
    quotes = [value for key, value in answer.items() if key.startswith("Global Quote")]
    if not quotes and answer:
        decode(body, _GlobalQuote, "quote")
    return named(quotes[0]) if quotes else {}


def parse_bulk(
    body: bytes, wanted: dict[str, str], received_at: datetime, *, real_time: bool
) -> dict[str, Quote | TickloomError]:
    """Return the quotes of REALTIME_BULK_QUOTES by canonical symbol.

    Args:
        body: The answer.
        wanted: The vendor's symbol to ours.
        received_at: Now.
        real_time: Whether the key pays for values without delay.

    Raises:
        NotEntitled: The values are a sample, as without a paid plan.
        ProviderUnavailable: It is no such answer.
    """
    answer: _Bulk = decode(body, _Bulk, "list of quotes")
    if answer.message and "artificial" in answer.message.lower():
        raise NotEntitled("provider alpha_vantage sent a sample instead of data")
    found: dict[str, Quote | TickloomError] = {}
    for row in answer.data:
        fields = named(row)
        symbol = wanted.get(fields.get("symbol", ""))
        if symbol is None:
            continue
        try:
            timestamp = moment(fields.get("timestamp", ""), _BATCH_ZONE)
            found[symbol] = _quote(
                fields,
                symbol,
                _of_past(timestamp, symbol, received_at),
                received_at,
                "close",
                real_time=real_time,
            )
        except BadRecord as error:
            found[symbol] = error
    return found


def parse_rate(body: bytes, symbol: str, received_at: datetime) -> Quote:
    """Return the quote of CURRENCY_EXCHANGE_RATE, for currencies and crypto.

    Raises:
        NoData: The answer is empty.
        BadRecord: A field cannot be used.
        ProviderUnavailable: It is no such answer.
    """
    fields = named(decode(body, _Rate, "exchange rate").rate)
    if not fields:
        raise NoData(f"provider alpha_vantage has no rate of {symbol}")
    at = moment(fields.get("last refreshed", ""), fields.get("time zone", "UTC"))
    return Quote(
        symbol=symbol,
        provider="alpha_vantage",
        timestamp=_of_past(at, symbol, received_at),
        received_at=received_at,
        is_real_time=False,
        current_price=price(fields.get("exchange rate"), "the rate"),
        bid=priced(fields.get("bid price"), "bid"),
        ask=priced(fields.get("ask price"), "ask"),
        currency=split_symbol(symbol).counter or None,
    )


def _quote(
    fields: dict[str, str],
    symbol: str,
    timestamp: datetime,
    received_at: datetime,
    key: str,
    *,
    real_time: bool = False,
) -> Quote:
    venue = find_venue(split_symbol(symbol).suffix)
    percent: Decimal | None = number(fields.get("change percent"), "change percent")
    return Quote(
        symbol=symbol,
        provider="alpha_vantage",
        timestamp=timestamp,
        received_at=received_at,
        is_real_time=real_time,
        current_price=price(fields.get(key), "the price"),
        open_price=priced(fields.get("open"), "open"),
        high_price=priced(fields.get("high"), "high"),
        low_price=priced(fields.get("low"), "low"),
        previous_close=priced(fields.get("previous close"), "previous close"),
        volume=count(fields.get("volume"), "volume"),
        price_change=number(fields.get("change"), "change"),
        price_change_percent=percent,
        currency=venue.currency if venue is not None else None,
    )
