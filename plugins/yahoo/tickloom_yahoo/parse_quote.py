"""Quotes of ``/v7/finance/quote``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tickloom.errors import BadRecord, NoData, ProviderUnavailable, TickloomError, UnknownSymbol
from tickloom.model import MarketState, Quote, parse_currency, to_unit_of
from tickloom_yahoo.fields import (
    finite,
    hint,
    moment,
    places_of,
    positive,
    rounded,
    text,
    units,
)
from tickloom_yahoo.records import UNREADABLE, decode, decode_leniently
from tickloom_yahoo.refusals import PROVIDER, VendorError, explain
from tickloom_yahoo.symbols import from_yahoo

STATES = {
    "PRE": MarketState.PRE,
    "REGULAR": MarketState.REGULAR,
    "POST": MarketState.POST,
    # After the one and before the other session: nothing is traded.
    "POSTPOST": MarketState.CLOSED,
    "PREPRE": MarketState.CLOSED,
    "CLOSED": MarketState.CLOSED,
}
# Nobody counts the units of these; Yahoo writes 0.
WITHOUT_VOLUME = {"CURRENCY", "MUTUALFUND", "INDEX"}
_PERCENT_PLACES = 6
_HUNDRED = Decimal(100)
_MOST_AHEAD = timedelta(days=1)
_MOST_MINUTES = 10_000


class _Record(Struct, rename="camel"):
    symbol: str | None = None
    quote_type: str | None = None
    currency: str | None = None
    full_exchange_name: str | None = None
    exchange: str | None = None
    market_state: str | None = None
    price_hint: int | None = None
    short_name: str | None = None
    long_name: str | None = None
    exchange_data_delayed_by: int | None = None
    market_cap: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    regular_market_price: Decimal | None = None
    regular_market_time: int | None = None
    regular_market_open: Decimal | None = None
    regular_market_day_high: Decimal | None = None
    regular_market_day_low: Decimal | None = None
    regular_market_previous_close: Decimal | None = None
    regular_market_change: Decimal | None = None
    regular_market_change_percent: Decimal | None = None
    regular_market_volume: Decimal | None = None
    pre_market_price: Decimal | None = None
    pre_market_time: int | None = None
    post_market_price: Decimal | None = None
    post_market_time: int | None = None


class _Response(Struct):
    result: list[Raw] | None = None
    error: VendorError | None = None


class _Answer(Struct, rename="camel"):
    quote_response: _Response | None = None
    finance: _Response | None = None


_decoder = msgspec.json.Decoder(_Record)


def parse_quotes(
    body: bytes, symbols: Sequence[str], now: datetime, *, extended: bool = False
) -> dict[str, Quote | TickloomError]:
    """Return for each of ``symbols`` its quote, or the error that concerns it alone.

    Yahoo leaves out what it does not know, and sends records without a price for what is dead.

    Args:
        body: The answer.
        symbols: Canonical, those that were asked for.
        now: When it came.
        extended: Take the price before or after the regular session where it is newer.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    answer = decode(body, _Answer, "quotes")
    response = answer.quote_response or answer.finance
    if response is None:
        raise ProviderUnavailable(f"provider {PROVIDER} sent no quotes", found=body[:40])
    if response.error is not None:
        raise explain(response.error, "quotes")
    wanted = set(symbols)
    found: dict[str, Quote | TickloomError] = {}
    for raw in response.result or ():
        try:
            record = _read(raw)
        except BadRecord:
            # Whose it is nobody knows; its symbol will count as absent.
            continue
        symbol = from_yahoo(record.symbol)
        if symbol in wanted and symbol is not None:
            try:
                found[symbol] = _quote(record, symbol, now, extended=extended)
            except TickloomError as error:
                found[symbol] = error
    return {symbol: found.get(symbol) or _unknown(symbol) for symbol in symbols}


def _unknown(symbol: str) -> UnknownSymbol:
    return UnknownSymbol(f"provider {PROVIDER} does not know {symbol}")


def _read(raw: Raw) -> _Record:
    try:
        return _decoder.decode(raw)
    except UNREADABLE:
        return decode_leniently(bytes(raw), _Record)


def _quote(record: _Record, symbol: str, now: datetime, *, extended: bool) -> Quote:
    kind = (record.quote_type or "").upper()
    if kind == "NONE":
        raise _unknown(symbol)
    price, at_s = _newest(record, symbol, extended=extended)
    timestamp = moment(at_s)
    if timestamp > now + _MOST_AHEAD:
        raise BadRecord(f"the quote of {symbol} is of the future", found=timestamp)
    state = STATES.get(record.market_state or "")
    currency = parse_currency(record.currency)
    previous = positive(record.regular_market_previous_close)
    change, percent = _change(record, price, previous)
    closed = state not in {None, MarketState.REGULAR}
    volume = units(record.regular_market_volume)
    return Quote(
        symbol=symbol,
        provider=PROVIDER,
        timestamp=timestamp,
        received_at=now,
        # Yahoo names a delay of 0 for dead listings and for feeds that it calls delayed.
        is_real_time=False,
        current_price=price,
        open_price=positive(record.regular_market_open),
        high_price=positive(record.regular_market_day_high),
        low_price=positive(record.regular_market_day_low),
        close_price=positive(record.regular_market_price) if closed else None,
        previous_close=previous,
        volume=None if not volume and kind in WITHOUT_VOLUME else volume,
        market_cap=_market_cap(record, currency),
        price_change=change,
        price_change_percent=percent,
        bid=positive(record.bid),
        ask=positive(record.ask),
        currency=currency,
        exchange=text(record.full_exchange_name) or text(record.exchange),
        market_state=state,
        additional_data=_more(record),
    )


def _newest(record: _Record, symbol: str, *, extended: bool) -> tuple[Decimal, int]:
    price, at_s = record.regular_market_price, record.regular_market_time
    if extended:
        for other, other_s in (
            (record.pre_market_price, record.pre_market_time),
            (record.post_market_price, record.post_market_time),
        ):
            if positive(other) is not None and other_s is not None and other_s > (at_s or 0):
                price, at_s = other, other_s
    if price is None:
        raise NoData(f"provider {PROVIDER} has no price of {symbol}")
    if positive(price) is None:
        raise BadRecord(f"the price of {symbol} cannot be used", found=str(price))
    if at_s is None:
        raise BadRecord(f"the quote of {symbol} has no time")
    return price, at_s


def _change(
    record: _Record, price: Decimal, previous: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    if previous is not None:
        change = price - previous
        # Yahoo's own difference has the noise of 32 bits.
        return change, rounded(change / previous * _HUNDRED, _PERCENT_PLACES)
    if price is not record.regular_market_price:
        return None, None
    own = finite(record.regular_market_change)
    if own is not None:
        own = rounded(own, places_of(price, hint(record.price_hint)))
    return own, finite(record.regular_market_change_percent)


def _market_cap(record: _Record, currency: str | None) -> Decimal | None:
    # Yahoo states it in pounds where the price is in pence.
    cap = positive(record.market_cap)
    return cap if cap is None or currency is None else to_unit_of(cap, currency)


def _more(record: _Record) -> dict[str, Any] | None:
    delay = record.exchange_data_delayed_by
    more: Mapping[str, Any] = {
        "name": text(record.long_name) or text(record.short_name),
        "quote_type": text(record.quote_type),
        "delay_minutes": delay if delay is not None and 0 <= delay <= _MOST_MINUTES else None,
    }
    return {name: value for name, value in more.items() if value is not None} or None
