"""Quotes: end-of-day, premium batches, and exchange rates."""

from __future__ import annotations

from datetime import UTC, datetime
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
)

_CLOSE_HOUR = 16
# Where no zone is known New York's close is later than those of the markets east of it.
_ZONE = "America/New_York"

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

    It has a day and no time, so its time is that day's close.

    Raises:
        UnknownSymbol: The answer is empty.
        BadRecord: A field cannot be used.
        ProviderUnavailable: It is no such answer.
    """
    fields = _global_fields(body)
    if not fields:
        raise UnknownSymbol(f"provider alpha_vantage does not know {symbol}")
    latest = day(fields.get("latest trading day"))
    close = datetime(latest.year, latest.month, latest.day, _CLOSE_HOUR, tzinfo=ZoneInfo(_ZONE))
    timestamp = min(close.astimezone(UTC), received_at)
    return _quote(fields, symbol, timestamp, received_at, "price")


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
            timestamp = moment(fields.get("timestamp", ""), _ZONE)
            found[symbol] = _quote(
                fields, symbol, timestamp, received_at, "close", real_time=real_time
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
    return Quote(
        symbol=symbol,
        provider="alpha_vantage",
        timestamp=moment(fields.get("last refreshed", ""), fields.get("time zone", "UTC")),
        received_at=received_at,
        is_real_time=False,
        current_price=price(fields.get("exchange rate"), "the rate"),
        bid=number(fields.get("bid price"), "bid"),
        ask=number(fields.get("ask price"), "ask"),
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
        open_price=number(fields.get("open"), "open"),
        high_price=number(fields.get("high"), "high"),
        low_price=number(fields.get("low"), "low"),
        previous_close=number(fields.get("previous close"), "previous close"),
        volume=count(fields.get("volume"), "volume"),
        price_change=number(fields.get("change"), "change"),
        price_change_percent=percent,
        currency=venue.currency if venue is not None else None,
    )
