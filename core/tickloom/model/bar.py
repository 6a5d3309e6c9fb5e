"""Bars, and the answer to a question for history."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from tickloom.model.interval import Interval
from tickloom.model.provider import Timeliness


class PriceAdjustment(StrEnum):
    """Which corporate actions the prices of a series already account for."""

    NONE = "none"
    SPLITS = "splits"
    ALL = "all"


class Bar(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Open, high, low and close of one interval.

    Attributes:
        timestamp: Begin of the interval, aware UTC; for a day the venue's midnight.
        open_price: First price.
        high_price: Highest price.
        low_price: Lowest price.
        close_price: Last price.
        volume: Units traded; ``None`` where the venue gives none, as for FX.
        adjusted_close: ``close_price`` adjusted by splits and dividends.
        trade_count: Number of trades.
        vwap: Average price weighted by volume.
    """

    timestamp: datetime
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    close_price: Decimal
    volume: int | None = None
    adjusted_close: Decimal | None = None
    trade_count: int | None = None
    vwap: Decimal | None = None


class Split(Struct, frozen=True, kw_only=True):
    """A share became several, or several became one.

    Attributes:
        day: The first day with the new count, in the venue's calendar.
        ratio: New shares for each old one: 4 for four to one, 0.1 for one to ten.
    """

    day: date
    ratio: Decimal


class Dividend(Struct, frozen=True, kw_only=True):
    """Cash paid for each share.

    Attributes:
        day: The first day without the right to it (ex-date), in the venue's calendar.
        amount: For each share, in ``currency``.
        currency: ISO 4217 code, or GBp, ILA, ZAc; ``None`` = not stated.
    """

    day: date
    amount: Decimal
    currency: str | None = None


class HistorySource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the bars of consecutive days came from.

    Attributes:
        first_day: The first of them, in the venue's calendar.
        last_day: The last one, inclusive; ranges do not overlap.
        provider: Name of the provider that gave them.
        received_at: When we got them, aware UTC; of several answers the oldest.
        timeliness: How fresh the provider's values were.
        currency: Of the prices; ``None`` = not stated.
        exchange: The venue as the provider names it; ``None`` = not stated.
        derived_from: The interval of the bars from which these were rolled up; ``None`` = the
            provider gave them as they are.
    """

    first_day: date
    last_day: date
    provider: str
    received_at: datetime
    timeliness: Timeliness
    currency: str | None = None
    exchange: str | None = None
    derived_from: Interval | None = None


class HistoricalData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bars of one symbol in a range of dates.

    Attributes:
        symbol: Canonical, in capitals.
        interval: Length of each bar.
        start_date: First day asked for, in the venue's calendar.
        end_date: Last day asked for, inclusive.
        provider: Name of the provider that answered; of several the one of most days.
        received_at: When we got the answer, aware UTC; of several the newest.
        data_points: Oldest first; empty only where the venue had no session in the range.
        timeliness: How fresh the provider's values are.
        adjustment: What the prices account for.
        currency: ISO 4217 code, or GBp, ILA, ZAc for minor units.
        exchange: The venue as the provider names it.
        splits: Those in the range, oldest first, where the provider tells them.
        dividends: Those in the range, oldest first, where the provider tells them.
        fallback_from: The provider that should have answered, where another one did.
        fallback_reason: Why it did not.
        sources: Which provider each range of days came from, oldest first; providers leave it
            empty, and the host fills it in.
        incomplete_reason: Why bars are missing: those of the newest days, where nobody could be
            asked for them, or any, of bars that were built from the stream; ``None`` = none are.
    """

    symbol: str
    interval: Interval
    start_date: date
    end_date: date
    provider: str
    received_at: datetime
    data_points: tuple[Bar, ...]
    timeliness: Timeliness
    adjustment: PriceAdjustment = PriceAdjustment.NONE
    currency: str | None = None
    exchange: str | None = None
    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = ()
    fallback_from: str | None = None
    fallback_reason: str | None = None
    sources: tuple[HistorySource, ...] = ()
    incomplete_reason: str | None = None
