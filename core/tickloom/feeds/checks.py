"""Whether what a provider handed over is what its type says.

Python does not check it, and everything behind the door relies on it: a price that is a float or no
number, a time without a zone, or data that JSON cannot hold would reach every client.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from tickloom.errors import PluginError
from tickloom.model import (
    Bar,
    Company,
    HistoricalData,
    MarketState,
    Quote,
    SymbolMatch,
    encode_json,
)
from tickloom.roles import HistoryRequest, ProviderInfo

_PRICES = (
    *("current_price", "open_price", "high_price", "low_price", "close_price", "previous_close"),
    *("market_cap", "price_change", "price_change_percent", "bid", "ask"),
)
_COUNTS = ("volume", "bid_size", "ask_size", "last_size")
_TEXTS = ("currency", "exchange")
_BAR_PRICES = ("open_price", "high_price", "low_price", "close_price")
_BAR_AVERAGES = ("adjusted_close", "vwap")
_BAR_COUNTS = ("volume", "trade_count")
_TURN = 1_000


def check_quote(quote: Any, provider: str) -> Quote:
    """Return the quote with its times in UTC.

    Raises:
        PluginError: It is no quote, or a field has the wrong type.
    """
    if type(quote) is not Quote:
        raise PluginError(f"provider {provider} gave no Quote", found=quote)
    if quote.current_price is None:
        raise _wrong(provider, quote.symbol, "current_price", None, "a finite Decimal")
    for name in _PRICES:
        value = getattr(quote, name)
        if value is not None and not (type(value) is Decimal and value.is_finite()):
            raise _wrong(provider, quote.symbol, name, value, "a finite Decimal")
    for name in _COUNTS:
        value = getattr(quote, name)
        if value is not None and type(value) is not int:
            raise _wrong(provider, quote.symbol, name, value, "a whole number")
    _check_words(quote, provider)
    if quote.additional_data is not None:
        _check_json(quote, provider)
    timestamp = _check_time(quote.timestamp, quote.symbol, provider)
    received_at = _check_time(quote.received_at, quote.symbol, provider)
    if timestamp is quote.timestamp and received_at is quote.received_at:
        return quote
    return replace(quote, timestamp=timestamp, received_at=received_at)


def _check_words(quote: Quote, provider: str) -> None:
    for name in _TEXTS:
        value = getattr(quote, name)
        if value is not None and not isinstance(value, str):
            raise _wrong(provider, quote.symbol, name, value, "a text")
    state: object = quote.market_state
    if state is not None and type(state) is not MarketState:
        raise _wrong(provider, quote.symbol, "market_state", state, "a MarketState")


def _check_time(value: Any, symbol: str, provider: str) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _wrong(provider, symbol, "time", value, "an aware datetime")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


async def check_history(
    history: Any, request: HistoryRequest, info: ProviderInfo
) -> HistoricalData:
    """Return the history, with the timeliness that the provider declares.

    Raises:
        PluginError: It is no history, answers another question, or a bar has the wrong type.
    """
    if type(history) is not HistoricalData:
        raise PluginError(f"provider {info.name} gave no HistoricalData", found=history)
    for name in ("symbol", "interval", "adjustment"):
        if getattr(history, name) != getattr(request, name):
            raise _wrong(
                info.name, request.symbol, name, getattr(history, name), str(getattr(request, name))
            )
    for number, bar in enumerate(history.data_points):
        _check_bar(bar, request.symbol, info.name)
        if number % _TURN == _TURN - 1:
            await asyncio.sleep(0)
    _check_json(replace(history, data_points=()), info.name)
    return replace(history, provider=info.name, timeliness=info.timeliness)


def check_company(company: Any, symbol: str, provider: str) -> Company:
    """Return the company.

    Raises:
        PluginError: It is no company, another one, or a field has the wrong type.
    """
    if type(company) is not Company:
        raise PluginError(f"provider {provider} gave no Company", found=company)
    if company.symbol != symbol:
        raise _wrong(provider, symbol, "symbol", company.symbol, symbol)
    _check_json(company, provider)
    return replace(company, provider=provider)


def check_matches(matches: Any, limit: int, provider: str) -> list[SymbolMatch]:
    """Return at most ``limit`` matches.

    Raises:
        PluginError: It is no list of them, or a field has the wrong type.
    """
    if not isinstance(matches, list | tuple):
        raise PluginError(f"provider {provider} gave no list of matches", found=matches)
    for match in matches[:limit]:
        if type(match) is not SymbolMatch:
            raise PluginError(f"provider {provider} gave no SymbolMatch", found=match)
        _check_json(match, provider)
    return [replace(match, provider=provider) for match in matches[:limit]]


def _check_bar(bar: Any, symbol: str, provider: str) -> None:
    if type(bar) is not Bar:
        raise _wrong(provider, symbol, "a bar", bar, "a Bar")
    for name in _BAR_PRICES:
        value = getattr(bar, name)
        if not (type(value) is Decimal and value.is_finite()):
            raise _wrong(provider, symbol, name, value, "a finite Decimal")
    for name in _BAR_AVERAGES:
        value = getattr(bar, name)
        if value is not None and not (type(value) is Decimal and value.is_finite()):
            raise _wrong(provider, symbol, name, value, "a finite Decimal")
    for name in _BAR_COUNTS:
        value = getattr(bar, name)
        if value is not None and type(value) is not int:
            raise _wrong(provider, symbol, name, value, "a whole number")
    _check_time(bar.timestamp, symbol, provider)


def _check_json(value: Quote | HistoricalData | Company | SymbolMatch, provider: str) -> None:
    # Slow, but complete: what comes back from JSON as the same type has the right types.
    try:
        msgspec.json.decode(encode_json(value), type=type(value))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise PluginError(
            f"provider {provider} gave a {type(value).__name__} of {value.symbol} that cannot be "
            f"used: {error}"
        ) from None


def _wrong(provider: str, symbol: str, name: str, found: object, expected: str) -> PluginError:
    return PluginError(
        f"provider {provider} gave a wrong {name} for {symbol}",
        found=type(found).__name__ if found is None else found,
        expected=expected,
    )
