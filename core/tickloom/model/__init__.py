"""The values that flow through the server: frozen, typed, with one JSON form.

Prices are ``Decimal`` and JSON numbers, times are aware UTC and ISO 8601 text, a value that is not
known is ``None`` and left out of the JSON.
"""

from tickloom.model.bar import Bar, HistoricalData, PriceAdjustment
from tickloom.model.codec import decode_json, encode_history, encode_json, encode_msgpack
from tickloom.model.company import Company
from tickloom.model.interval import Interval, parse_interval
from tickloom.model.provider import DataProvider, Timeliness
from tickloom.model.quote import DataType, MarketState, Quality, Quote, Trade
from tickloom.model.symbol import is_glob, matches, parse_glob, parse_symbol

__all__ = [
    "Bar",
    "Company",
    "DataProvider",
    "DataType",
    "HistoricalData",
    "Interval",
    "MarketState",
    "PriceAdjustment",
    "Quality",
    "Quote",
    "Timeliness",
    "Trade",
    "decode_json",
    "encode_history",
    "encode_json",
    "encode_msgpack",
    "is_glob",
    "matches",
    "parse_glob",
    "parse_interval",
    "parse_symbol",
]
