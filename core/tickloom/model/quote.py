"""One symbol's newest prices, and single trades."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct


class DataType(StrEnum):
    """What a stored row is."""

    QUOTE = "quote"
    BAR = "bar"
    TRADE = "trade"


class MarketState(StrEnum):
    """The phase of the venue's session."""

    PRE = "pre"
    REGULAR = "regular"
    POST = "post"
    CLOSED = "closed"


class Quality(StrEnum):
    """What the validators said of a value."""

    OK = "ok"
    FLAGGED = "flagged"
    QUARANTINED = "quarantined"


# gc=False: quotes are many and hold no cycles; the collector need not look at them.
class Quote(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The newest prices of a symbol, with their provenance.

    Attributes:
        symbol: Canonical, in capitals.
        provider: Name of the provider that answered.
        timestamp: When the prices were made at the venue, aware UTC.
        received_at: When we got them, aware UTC.
        is_real_time: True only where the provider vouches for it.
        current_price: The last price, per unit, in ``currency``.
        open_price: First price of the session.
        high_price: Highest price of the session.
        low_price: Lowest price of the session.
        close_price: Official close of this session; ``None`` while it is open.
        previous_close: Official close of the session before.
        volume: Units traded in this session.
        market_cap: In ``currency``.
        price_change: ``current_price`` less ``previous_close``.
        price_change_percent: The same in per cent of ``previous_close``: 1.5 is 1.5 %.
        bid: Best bid price.
        ask: Best ask price.
        bid_size: Units bid for at ``bid``.
        ask_size: Units offered at ``ask``.
        last_size: Units of the last trade.
        currency: ISO 4217 code, or GBp, ILA, ZAc for minor units.
        exchange: The venue as the provider names it.
        market_state: Phase of the venue's session.
        data_type: Always ``quote`` here; stored rows of other kinds carry their own.
        fallback_from: The provider that should have answered, where another one did.
        fallback_reason: Why it did not.
        sequence: Number within the symbol's epoch, from 1 without holes; 0 = not published.
        quality: What the validators said.
        quality_codes: The codes of their complaints.
        additional_data: What the provider says beyond these fields; JSON values.
    """

    symbol: str
    provider: str
    timestamp: datetime
    received_at: datetime
    is_real_time: bool
    current_price: Decimal
    open_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    close_price: Decimal | None = None
    previous_close: Decimal | None = None
    volume: int | None = None
    market_cap: Decimal | None = None
    price_change: Decimal | None = None
    price_change_percent: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: int | None = None
    ask_size: int | None = None
    last_size: int | None = None
    currency: str | None = None
    exchange: str | None = None
    market_state: MarketState | None = None
    data_type: DataType = DataType.QUOTE
    fallback_from: str | None = None
    fallback_reason: str | None = None
    sequence: int = 0
    quality: Quality = Quality.OK
    quality_codes: tuple[str, ...] = ()
    additional_data: dict[str, Any] | None = None


class Trade(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trade at a venue.

    Attributes:
        symbol: Canonical, in capitals.
        provider: Name of the provider that reported it.
        timestamp: When it was made, aware UTC.
        received_at: When we got it, aware UTC.
        price: Per unit, in ``currency``.
        size: Units traded.
        trade_id: The venue's own identity of the trade.
        exchange: The venue as the provider names it.
        currency: ISO 4217 code, or GBp, ILA, ZAc for minor units.
        conditions: Sale condition codes as the venue gives them.
        is_cancelled: True for the notice that an earlier trade of this ``trade_id`` is broken.
    """

    symbol: str
    provider: str
    timestamp: datetime
    received_at: datetime
    price: Decimal
    size: int
    trade_id: str | None = None
    exchange: str | None = None
    currency: str | None = None
    conditions: tuple[str, ...] = ()
    is_cancelled: bool = False
