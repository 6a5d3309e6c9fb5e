"""Events of the stream: an array of records, or one, of the kind that the channel carries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Raw

from tickloom.errors import TickloomError
from tickloom.model import Quote
from tickloom_iex.fields import decode, read_record
from tickloom_iex.options import Channel
from tickloom_iex.parse_quote import to_quote
from tickloom_iex.parse_tops import to_tops_quote
from tickloom_iex.records import QuoteRecord, TopsRecord

OWN_CHANNELS = ("tops", "last")


def parse_event(
    data: bytes,
    channel: Channel,
    names: Mapping[str, str],
    received_at: datetime,
    *,
    scrambled: bool,
) -> tuple[list[Quote], int]:
    """Return the quotes of an event, and how many records could not be used.

    Args:
        data: Of one event.
        channel: Says of what kind the records are.
        names: The vendor's symbol to ours, of all that the request named. Where that is one, a
            record without a symbol is its.
        received_at: Now.
        scrambled: The values are a sandbox's.

    Raises:
        ProviderUnavailable: It is no JSON.
    """
    is_array = data.lstrip()[:1] == b"["
    rows = decode(data, list[Raw], "event") if is_array else [decode(data, Raw, "event")]
    only = next(iter(names.values())) if len(names) == 1 else None
    found: list[Quote] = []
    skipped = 0
    for row in rows:
        try:
            quote = _read(row, channel, names, only, received_at, scrambled=scrambled)
        except TickloomError:
            quote = None
        if quote is None:
            skipped += 1
        else:
            found.append(quote)
    return found, skipped


def _read(
    row: Raw,
    channel: Channel,
    names: Mapping[str, str],
    only: str | None,
    now: datetime,
    *,
    scrambled: bool,
) -> Quote | None:
    if channel in OWN_CHANNELS:
        tops = read_record(row, TopsRecord)
        symbol = _symbol_of(tops.symbol, names, only)
        return to_tops_quote(tops, symbol, now, scrambled=scrambled) if symbol else None
    record = read_record(row, QuoteRecord)
    symbol = _symbol_of(record.symbol, names, only)
    return to_quote(record, symbol, now, scrambled=scrambled) if symbol else None


def _symbol_of(vendor: str | None, names: Mapping[str, str], only: str | None) -> str | None:
    return names.get(vendor.upper()) if vendor else only
