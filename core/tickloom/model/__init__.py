"""The values that flow through the server: frozen, typed, with one JSON form.

Prices are ``Decimal`` and JSON numbers, times are aware UTC and ISO 8601 text, a value that is not
known is ``None`` and left out of the JSON.
"""

from tickloom.model.bar import Bar, Dividend, HistoricalData, HistorySource, PriceAdjustment, Split
from tickloom.model.codec import decode_json, encode_history, encode_json, encode_msgpack
from tickloom.model.company import Company, SymbolMatch
from tickloom.model.currency import major_of, parse_currency, to_major, to_unit_of
from tickloom.model.interval import Interval, parse_interval
from tickloom.model.provider import DataProvider, Timeliness
from tickloom.model.quote import DataType, MarketState, Quality, Quote, Trade
from tickloom.model.symbol import (
    SymbolKind,
    SymbolParts,
    is_glob,
    join_symbol,
    matcher,
    matches,
    parse_glob,
    parse_symbol,
    split_symbol,
    venue_mic,
)
from tickloom.model.venue import VENUES, Venue, canonical_suffix, find_venue
from tickloom.model.venue_day import begin_of, day_of, venue_day

__all__ = [
    "VENUES",
    "Bar",
    "Company",
    "DataProvider",
    "DataType",
    "Dividend",
    "HistoricalData",
    "HistorySource",
    "Interval",
    "MarketState",
    "PriceAdjustment",
    "Quality",
    "Quote",
    "Split",
    "SymbolKind",
    "SymbolMatch",
    "SymbolParts",
    "Timeliness",
    "Trade",
    "Venue",
    "begin_of",
    "canonical_suffix",
    "day_of",
    "decode_json",
    "encode_history",
    "encode_json",
    "encode_msgpack",
    "find_venue",
    "is_glob",
    "join_symbol",
    "major_of",
    "matcher",
    "matches",
    "parse_currency",
    "parse_glob",
    "parse_interval",
    "parse_symbol",
    "split_symbol",
    "to_major",
    "to_unit_of",
    "venue_day",
    "venue_mic",
]
