"""Recordings made by ``tickloom record``: JSON Lines, a quote on each."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from threading import Event as Flag
from typing import TypeVar

from msgspec import Struct

from tickloom.errors import BadRecord, InvalidSymbol, verbatim
from tickloom.model import Bar, Quote, decode_json, parse_symbol
from tickloom_replay.event import TICK, Event, Series
from tickloom_replay.fields import is_sound, read_time
from tickloom_replay.lines import open_plain, read_lines
from tickloom_replay.tally import Reading, Tally

T = TypeVar("T")

_VERSION = 1
_DIGITS = 40
_EXPECTED = 'a first line {"type":"recording","version":1,…}, then market_data lines'


class _Header(Struct):
    type: str
    version: int


class _Line(Struct):
    type: str
    symbol: str = ""
    data: Quote | None = None


def read_header(line: bytes) -> None:
    """Check the first line of a recording.

    Raises:
        BadRecord: It is not one, or of another version.
    """
    header = _decode(line, _Header)
    if header.type != "recording" or header.version != _VERSION:
        found = verbatim(f"type {header.type!r}, version {header.version}")
        raise BadRecord("not a recording of version 1", found=found, expected=_EXPECTED)


def read_rows(lines: Iterable[bytes], zone: tzinfo, reading: Reading) -> Iterator[Event]:
    """Yield an event for each quote; lines that cannot be read are skipped and counted.

    An event is due when the quote was received. Its bar has the price, and as volume what was
    added since the quote before it in the same session.
    """
    volumes: dict[str, tuple[date, int]] = {}
    for line in lines:
        try:
            quote = _read_quote(line)
            if quote is None:
                continue
        except (BadRecord, InvalidSymbol) as error:
            reading.skip(error)
            continue
        session = quote.timestamp.astimezone(zone).date()
        bar = _bar(quote, _added(quote, session, volumes))
        yield Event(
            symbol=quote.symbol,
            begin=quote.timestamp.astimezone(UTC),
            due=quote.received_at.astimezone(UTC),
            session=session,
            bar=bar,
            quote=quote,
        )


def _decode(line: bytes, kind: type[T]) -> T:
    try:
        return decode_json(line, kind)
    except RecursionError:
        raise BadRecord("the record is nested too deeply", found=line[:_DIGITS]) from None


def _read_quote(line: bytes) -> Quote | None:
    record = _decode(line, _Line)
    quote = record.data
    if record.type == "gap":
        # A recording says where it has holes; there is nothing to play at them.
        return None
    if record.type != "market_data" or quote is None:
        raise BadRecord("unknown line", found=record.type, expected="type market_data")
    if parse_symbol(quote.symbol) != quote.symbol or record.symbol != quote.symbol:
        raise BadRecord("the symbols do not fit", found=record.symbol, expected=quote.symbol)
    for moment in (quote.timestamp, quote.received_at):
        if read_time(moment, UTC) is not moment:
            raise BadRecord("the time has no offset", found=moment.isoformat())
    for field in quote.__struct_fields__:
        value = getattr(quote, field)
        if isinstance(value, Decimal) and not (is_sound(value) and len(str(value)) <= _DIGITS):
            raise BadRecord(f"{field} cannot be used", found=str(value)[:_DIGITS])
    return quote


def _added(quote: Quote, session: date, volumes: dict[str, tuple[date, int]]) -> int | None:
    if quote.volume is None:
        return None
    before = volumes.get(quote.symbol)
    volumes[quote.symbol] = (session, quote.volume)
    if before is None:
        return None
    # A smaller volume on the same day is a session that began anew.
    same = before[0] == session and before[1] <= quote.volume
    return quote.volume - before[1] if same else quote.volume


def _bar(quote: Quote, volume: int | None) -> Bar:
    price = quote.current_price
    return Bar(
        timestamp=quote.timestamp.astimezone(UTC),
        open_price=price,
        high_price=price,
        low_price=price,
        close_price=price,
        volume=volume,
    )


class RecordingSource:
    """A recording on disk, packed with gzip or not."""

    def __init__(self, path: Path, zone: tzinfo, tally: Tally) -> None:
        self.tally = tally
        self._path = path
        self._zone = zone

    def scan(self) -> list[Series]:
        """Read it through once; only the ends of each symbol are kept.

        Raises:
            BadRecord: It is no recording, or has no usable quote.
        """
        spans: dict[str, tuple[datetime, datetime]] = {}
        for event in self.read(None, Flag()):
            first, last = spans.get(event.symbol, (event.due, event.due))
            spans[event.symbol] = min(first, event.due), max(last, event.due)
        if not spans:
            raise self.tally.unusable(_EXPECTED)
        return [
            Series(symbol=symbol, step=TICK, first=first, last=last, zone=self._zone, source=self)
            for symbol, (first, last) in spans.items()
        ]

    def read(self, symbols: frozenset[str] | None, halt: Flag) -> Generator[Event, None, None]:
        """Yield the events in the order in which they were received; ``None`` = all symbols."""
        with self.tally.reading() as reading, open_plain(self._path) as stream:
            lines = read_lines(stream, reading, halt)
            read_header(next(lines, b""))
            for event in read_rows(lines, self._zone, reading):
                if symbols is None or event.symbol in symbols:
                    yield event
