"""Frames of the stream: base64 of a protobuf message, bare or inside of JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from tickloom.errors import BadRecord
from tickloom.model import MarketState, Quote, parse_currency, split_symbol, to_unit_of
from tickloom_yahoo.fields import hint, narrow, places_of, rounded
from tickloom_yahoo.refusals import PROVIDER
from tickloom_yahoo.symbols import from_yahoo

REGULAR = 1
# 0 is what protobuf leaves out. 3 has no known meaning, 4 was seen at night.
_STATES = {
    0: MarketState.PRE,
    REGULAR: MarketState.REGULAR,
    2: MarketState.POST,
    4: MarketState.CLOSED,
}
_CRYPTO = 41
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 50_000_000_000_000
_PERCENT_PLACES = 6
_LONGEST_FRAME = 65_536

Decode = Callable[[bytes], Any]
"""Turns bytes into yfinance's ``PricingData``; raises ``ValueError`` or ``DecodeError``."""


class _Frame(Struct):
    type: str = ""
    message: str = ""


class Tick(Struct, frozen=True):
    """A quote, and the vendor's number for the part of the day that it belongs to."""

    quote: Quote
    market_hours: int


def parse_frame(frame: str | bytes, decode: Decode, now: datetime) -> Tick | None:
    """Return what a frame brings, ``None`` where it is about something else than a price.

    Args:
        frame: Of either version of the stream.
        decode: Reads the protobuf message.
        now: When it came.

    Raises:
        BadRecord: It cannot be read, or its price cannot be used.
    """
    packed = _unwrap(frame)
    if packed is None:
        return None
    try:
        message = decode(base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRecord("a frame of the stream cannot be read", found=str(error)) from None
    except Exception as error:
        # Protobuf's own error is only to be had by an import that must not happen here.
        if type(error).__name__ != "DecodeError":
            raise
        raise BadRecord("a frame of the stream is no price", found=str(error)) from None
    return Tick(_quote(message, now), message.market_hours)


def _unwrap(frame: str | bytes) -> str | bytes | None:
    stripped = frame.strip()
    if len(stripped) > _LONGEST_FRAME:
        raise BadRecord("a frame of the stream is too long", found=len(stripped))
    if stripped[:1] not in {"{", b"{"}:
        return stripped
    try:
        read = msgspec.json.decode(stripped, type=_Frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRecord("a frame of the stream cannot be read", found=str(error)) from None
    return read.message if read.type == "pricing" else None


def _quote(message: Any, now: datetime) -> Quote:
    symbol = from_yahoo(message.id)
    if symbol is None:
        raise BadRecord("a price of the stream has no symbol", found=message.id)
    price = _price(message.price)
    if price is None:
        raise BadRecord(f"the price of {symbol} cannot be used", found=message.price)
    if not 0 < message.time <= _LAST_MS:
        raise BadRecord(f"the price of {symbol} has no time", found=message.time)
    currency = parse_currency(message.currency) or split_symbol(symbol).counter or None
    change, percent = _change(message, price)
    cap = _price(message.market_cap)
    size = message.last_size
    # Of crypto Yahoo sends the volume of the day in its place.
    is_size = size > 0 and message.quote_type != _CRYPTO and size != message.day_volume
    return Quote(
        symbol=symbol,
        provider=PROVIDER,
        timestamp=_EPOCH + timedelta(milliseconds=message.time),
        received_at=now,
        is_real_time=False,
        current_price=price,
        open_price=_price(message.open_price),
        high_price=_price(message.day_high),
        low_price=_price(message.day_low),
        previous_close=_price(message.previous_close),
        volume=message.day_volume if message.day_volume > 0 else None,
        market_cap=cap if cap is None or currency is None else to_unit_of(cap, currency),
        price_change=change,
        price_change_percent=percent,
        bid=_price(message.bid),
        ask=_price(message.ask),
        last_size=size if is_size else None,
        currency=currency,
        exchange=message.exchange or None,
        market_state=_STATES.get(message.market_hours),
    )


def _price(value: float) -> Decimal | None:
    """Return a price out of 32 or 64 bits; nothing where it is 0, as all that is absent is."""
    # A comparison with NaN is false.
    if not 0 < value < float("inf"):
        return None
    return narrow(value)


def _change(message: Any, price: Decimal) -> tuple[Decimal | None, Decimal | None]:
    """Return the change since the last session.

    After the session Yahoo counts from the close of this one, which is another thing.
    """
    if message.market_hours not in {0, REGULAR}:
        return None, None
    change, percent = message.change, message.change_percent
    if not (change or percent) or not (abs(change) < 1e30 and abs(percent) < 1e30):  # noqa: PLR2004 - not NaN, not infinite
        return None, None
    # The difference of two floats of 32 bits is noise beyond the places of the price.
    places = places_of(price, hint(message.price_hint))
    return rounded(narrow(change), places), rounded(narrow(percent), _PERCENT_PLACES)
