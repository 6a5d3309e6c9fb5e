"""The columns of a table of bars: what they may be called, and a row of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal

from msgspec import Struct

from tickloom.errors import BadRecord, verbatim
from tickloom.model import Bar, parse_symbol
from tickloom_replay.event import Book
from tickloom_replay.fields import is_empty, read_count, read_price, read_time

Row = Sequence[object]

HEADER = "names such as date, open, high, low, close, volume in the first row"
_NAMES = {
    "time": ("timestamp", "datetime", "date", "time"),
    "open_price": ("open", "o"),
    "high_price": ("high", "h"),
    "low_price": ("low", "l"),
    "close_price": ("close", "c", "last", "price"),
    "volume": ("volume", "vol", "v", "size"),
    "symbol": ("symbol", "ticker", "name"),
    "adjusted_close": ("adjclose", "adjustedclose"),
    "bid": ("bid", "bidprice"),
    "ask": ("ask", "askprice"),
    "bid_size": ("bidsize",),
    "ask_size": ("asksize",),
}


class Columns(Struct, frozen=True, kw_only=True):
    """Where in a row each value stands; ``None`` = there is no such column.

    ``clock`` is the time of day where the date has a column of its own.
    """

    time: int
    clock: int | None = None
    open_price: int | None = None
    high_price: int | None = None
    low_price: int | None = None
    close_price: int | None = None
    volume: int | None = None
    symbol: int | None = None
    adjusted_close: int | None = None
    bid: int | None = None
    ask: int | None = None
    bid_size: int | None = None
    ask_size: int | None = None

    def read_begin(self, row: Row, zone: tzinfo) -> datetime:
        """Return the row's time, in its own offset or else in ``zone``."""
        value = row[self.time]
        if self.clock is not None:
            value = f"{value} {row[self.clock]}"
        return read_time(value, zone)

    def read_symbol(self, row: Row, fallback: str) -> str:
        """Return the row's symbol, ``fallback`` where there is no such column."""
        if self.symbol is None:
            return fallback
        value = row[self.symbol]
        return parse_symbol(value.strip() if isinstance(value, str) else value)

    def read_bar(self, row: Row, begin: datetime) -> Bar | None:
        """Return the row's trades, ``None`` where it has no close."""
        close = _price(row, self.close_price)
        if close is None:
            return None
        opened = _price(row, self.open_price)
        high, low = _price(row, self.high_price), _price(row, self.low_price)
        return Bar(
            timestamp=begin,
            open_price=close if opened is None else opened,
            high_price=close if high is None else high,
            low_price=close if low is None else low,
            close_price=close,
            volume=None if self.volume is None else read_count(row[self.volume]),
            adjusted_close=_price(row, self.adjusted_close),
        )

    def read_book(self, row: Row) -> Book | None:
        """Return the row's bid and ask, ``None`` where it has neither."""
        bid, ask = _price(row, self.bid), _price(row, self.ask)
        if bid is None and ask is None:
            return None
        bid_size = None if self.bid_size is None else read_count(row[self.bid_size])
        ask_size = None if self.ask_size is None else read_count(row[self.ask_size])
        return Book(bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)


def _price(row: Row, index: int | None) -> Decimal | None:
    return None if index is None or is_empty(row[index]) else read_price(row[index])


def find_columns(names: Iterable[object]) -> Columns:
    """Return where the known columns stand; upper case, blanks and ``_`` in names do not matter.

    Raises:
        BadRecord: There is no time, or neither a close nor a bid and ask.
    """
    plain = [re.sub(r"[^a-z]", "", str(name).lower()) for name in names]
    found: dict[str, int] = {}
    for column, aliases in _NAMES.items():
        for alias in aliases:
            if alias in plain:
                found.setdefault(column, plain.index(alias))
    if "date" in plain and "time" in plain and plain[found.get("time", 0)] == "date":
        found["clock"] = plain.index("time")
    if "time" not in found or ("close_price" not in found and not {"bid", "ask"} & found.keys()):
        shown = verbatim(", ".join(str(name) for name in names) or "nothing")
        raise BadRecord("the header does not fit", found=shown, expected=HEADER)
    return Columns(**found)
