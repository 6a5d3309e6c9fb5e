"""One row of ``market_data`` back to the quote that it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tickloom.model import DataType, MarketState, Quality, Quote
from tickloom.store.rows import COLUMNS, DECIMALS, TIMES, Record

COLUMN_LIST = ", ".join(COLUMNS)
NEWEST = "symbol = {} AND data_type = 'quote' AND timestamp >= {} ORDER BY timestamp DESC LIMIT {}"
"""Which rows are read, newest first, with places for a symbol, a time and a number."""

_OWN = {"id", "epoch"}


def to_record(row: Mapping[str, Any]) -> Record:
    """Return the quote and its epoch of a row as PostgreSQL gives it."""
    values = {name: row[name] for name in COLUMNS if name not in _OWN}
    extra = values["additional_data"]
    state = values["market_state"]
    values["additional_data"] = None if extra is None else msgspec.json.decode(extra)
    values["market_state"] = None if state is None else MarketState(state)
    values["quality"] = Quality(values["quality"])
    values["quality_codes"] = tuple(values["quality_codes"])
    values["data_type"] = DataType(values["data_type"])
    return Quote(**values), row["epoch"]


def to_sqlite_record(row: Sequence[Any]) -> Record:
    """Return the quote and its epoch of a row of SQLite, whose times and decimals are text."""
    values = dict(zip(COLUMNS, row, strict=True))
    for name in TIMES:
        values[name] = datetime.fromisoformat(values[name])
    for name in DECIMALS:
        values[name] = None if values[name] is None else Decimal(values[name])
    values["quality_codes"] = msgspec.json.decode(values["quality_codes"])
    values["is_real_time"] = bool(values["is_real_time"])
    return to_record(values)


def oldest_first(records: Sequence[Record]) -> list[Record]:
    """Return records in the order of their times, and of their numbers where these are equal."""
    return sorted(records, key=lambda record: (record[0].timestamp, record[0].sequence))
