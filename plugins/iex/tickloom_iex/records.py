"""The records of IEX Cloud under the vendor's own names; every field may be missing."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field


class QuoteRecord(Struct, rename="camel", gc=False):
    """``/quote``, ``/crypto/…/quote`` and the events of ``stocksUS…``."""

    symbol: str | None = None
    primary_exchange: str | None = None
    currency: str | None = None
    latest_source: str | None = None
    latest_price: Decimal | None = None
    latest_update: int | None = None
    latest_volume: Decimal | None = None
    volume: Decimal | None = None
    open: Decimal | None = None
    open_time: int | None = None
    high: Decimal | None = None
    high_time: int | None = None
    low: Decimal | None = None
    low_time: int | None = None
    close: Decimal | None = None
    close_time: int | None = None
    previous_close: Decimal | None = None
    change: Decimal | None = None
    change_percent: Decimal | None = None
    iex_realtime_price: Decimal | None = None
    iex_realtime_size: Decimal | None = None
    iex_last_updated: int | None = None
    iex_bid_price: Decimal | None = None
    iex_bid_size: Decimal | None = None
    iex_ask_price: Decimal | None = None
    iex_ask_size: Decimal | None = None
    bid_price: Decimal | None = None
    bid_size: Decimal | None = None
    ask_price: Decimal | None = None
    ask_size: Decimal | None = None
    delayed_price: Decimal | None = None
    delayed_price_time: int | None = None
    extended_price: Decimal | None = None
    extended_price_time: int | None = None
    market_cap: Decimal | None = None
    is_market_open: bool | None = field(default=None, name="isUSMarketOpen")


class TopsRecord(Struct, rename="camel", gc=False):
    """``/tops`` and ``/tops/last``, and the events of ``tops`` and ``last``."""

    symbol: str | None = None
    bid_price: Decimal | None = None
    bid_size: Decimal | None = None
    ask_price: Decimal | None = None
    ask_size: Decimal | None = None
    last_updated: int | None = None
    last_sale_price: Decimal | None = None
    last_sale_size: Decimal | None = None
    last_sale_time: int | None = None
    volume: Decimal | None = None
    price: Decimal | None = None
    size: Decimal | None = None
    time: int | None = None


class RateRecord(Struct, rename="camel", gc=False):
    """``/fx/latest``."""

    symbol: str | None = None
    rate: Decimal | None = None
    timestamp: int | None = None


class BarRecord(Struct, rename="camel", gc=False):
    """A row of ``/chart``: a day, raw (``u…``) and fully adjusted (``f…``) too, or a minute."""

    date: str | None = None
    minute: str | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    volume: Decimal | None = None
    u_open: Decimal | None = None
    u_high: Decimal | None = None
    u_low: Decimal | None = None
    u_close: Decimal | None = None
    u_volume: Decimal | None = None
    f_open: Decimal | None = None
    f_high: Decimal | None = None
    f_low: Decimal | None = None
    f_close: Decimal | None = None
    f_volume: Decimal | None = None
    market_open: Decimal | None = None
    market_high: Decimal | None = None
    market_low: Decimal | None = None
    market_close: Decimal | None = None
    market_volume: Decimal | None = None
    market_average: Decimal | None = None
    market_number_of_trades: Decimal | None = None
    average: Decimal | None = None
    number_of_trades: Decimal | None = None
    vwap: Decimal | None = None


class SplitRecord(Struct, rename="camel", gc=False):
    """``/splits``; the first API had ``forFactor`` for ``fromFactor``."""

    ex_date: str | None = None
    to_factor: Decimal | None = None
    from_factor: Decimal | None = None
    for_factor: Decimal | None = None
    ratio: Decimal | None = None


class DividendRecord(Struct, rename="camel", gc=False):
    """``/dividends``; amounts are numbers or text."""

    ex_date: str | None = None
    amount: Decimal | None = None
    currency: str | None = None


class CompanyRecord(Struct, rename="camel"):
    """``/company``."""

    symbol: str | None = None
    company_name: str | None = None
    security_name: str | None = None
    exchange: str | None = None
    industry: str | None = None
    sector: str | None = None
    website: str | None = None
    description: str | None = None
    issue_type: str | None = None
    country: str | None = None
    employees: Decimal | None = None
    ceo: str | None = field(default=None, name="CEO")
    tags: list[str] | None = None


class MatchRecord(Struct, rename="camel"):
    """``/search``."""

    symbol: str | None = None
    security_name: str | None = None
    name: str | None = None
    security_type: str | None = None
    exchange: str | None = None
    region: str | None = None
    currency: str | None = None
