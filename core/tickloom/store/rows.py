"""One quote to one row of ``market_data``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeAlias

from tickloom.errors import BadRecord, verbatim
from tickloom.model import Quote, encode_json

Record: TypeAlias = tuple[Quote, str]
"""What is queued: a quote and the epoch that its sequence belongs to."""

Row: TypeAlias = tuple[Any, ...]
"""Values in the order of :data:`COLUMNS`, as PostgreSQL takes them."""

KEY = ("symbol", "timestamp", "data_type", "provider")
TIMES = ("timestamp", "received_at")
_NAMES = ("id", "epoch", "data_type", "quality", "market_state")
_TEXTS = ("symbol", "provider", "currency", "exchange", "fallback_from", "fallback_reason")
DECIMALS = (
    "current_price",
    "open_price",
    "high_price",
    "low_price",
    "close_price",
    "previous_close",
    "market_cap",
    "price_change",
    "price_change_percent",
    "bid",
    "ask",
)
_INTEGERS = ("volume", "bid_size", "ask_size", "last_size", "sequence")
_REST = ("is_real_time", "quality_codes", "additional_data")

COLUMNS = (*_NAMES, *_TEXTS, *TIMES, *DECIMALS, *_INTEGERS, *_REST)
"""The columns that are written; ``created_at`` and ``updated_at`` are the database's own."""

REPLACED = tuple(name for name in COLUMNS if name not in {"id", *KEY})
"""The columns that a second tick with the same key replaces."""

# Written as an escape; a backslash that is itself escaped begins none.
_NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_texts = attrgetter(*_TEXTS)
_decimals = attrgetter(*DECIMALS)
_integers = attrgetter(*_INTEGERS)
key_of_quote = attrgetter(*KEY)


def to_row(record: Record) -> Row:
    """Return the row of a queued quote.

    Raises:
        BadRecord: A time has no zone, a text holds a NUL character, or a value is none that can
            be written.
    """
    quote, epoch = record
    try:
        timestamp = _utc(quote.timestamp)
        state = quote.market_state
        texts = _texts(quote)
        extra = _json(quote.additional_data)
        _check([text or "" for text in (epoch, *texts, *quote.quality_codes)])
        return (
            _id(quote, timestamp),
            epoch,
            quote.data_type.value,
            quote.quality.value,
            None if state is None else state.value,
            *texts,
            timestamp,
            _utc(quote.received_at),
            *_decimals(quote),
            *_integers(quote),
            quote.is_real_time,
            quote.quality_codes,
            extra,
        )
    # A struct does not check its types, so that a plugin may have put anything in.
    except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
        raise BadRecord(
            f"the quote of {quote.symbol!r} by {quote.provider!r} cannot be stored",
            found=verbatim(f"{type(error).__name__}: {error}"),
        ) from error


def _check(texts: list[str]) -> None:
    # SQLite would take it, PostgreSQL has no such text.
    if "\0" in "".join(texts):
        raise ValueError("a NUL character")


def _json(value: Any) -> str | None:
    if value is None:
        return None
    text = encode_json(value).decode()
    if "\\u0000" in text and _NUL_IN_JSON.search(text):
        raise ValueError("a NUL character in additional_data")
    return text


def _utc(time: datetime) -> datetime:
    if time.tzinfo is UTC:
        return time
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)


def _id(quote: Quote, timestamp: datetime) -> str:
    # A UUID of version 8: milliseconds, then a hash of the key. In the order of time, so that new
    # rows touch the end of the index only, and the same for the same tick, wherever it is stored.
    since = timestamp - _EPOCH
    ms = (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000
    key = f"{quote.symbol} {ms} {since.microseconds} {quote.data_type.value} {quote.provider}"
    tail = blake2b(key.encode(), digest_size=9).hexdigest()
    head = f"{ms & 0xFFFFFFFFFFFF:012x}"
    return f"{head[:8]}-{head[8:]}-8{tail[:3]}-8{tail[3:6]}-{tail[6:]}"
