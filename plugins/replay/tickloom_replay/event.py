"""The one form that every format is read into."""

from __future__ import annotations

from collections.abc import Generator
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from threading import Event as Flag
from typing import Protocol

from msgspec import Struct

from tickloom.model import Bar, Quote
from tickloom_replay.tally import Tally

TICK = timedelta()
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)


class Book(Struct, frozen=True):
    """Best prices on both sides.

    Attributes:
        bid: Best bid; ``None`` = none known.
        ask: Best ask; ``None`` = none known.
        bid_size: Units bid for.
        ask_size: Units offered.
        partial: True where a side that is ``None`` is left as it was, not gone.
    """

    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: int | None = None
    ask_size: int | None = None
    partial: bool = False


class Event(Struct, frozen=True, kw_only=True):
    """Something that became known about a symbol.

    Attributes:
        symbol: Canonical, in capitals.
        begin: When it began at the venue, aware UTC; equal to ``due`` for ticks.
        due: When it was known in full, aware UTC: the end of a bar. It is played then, not before.
        session: Day of the session, in the venue's calendar.
        bar: The trades, a single trade included.
        last_size: Units of the last trade, where single trades are recorded.
        book: Bid and ask.
        quote: A whole recorded quote; then nothing else is streamed.
    """

    symbol: str
    begin: datetime
    due: datetime
    session: date
    bar: Bar | None = None
    last_size: int | None = None
    book: Book | None = None
    quote: Quote | None = None


class Source(Protocol):
    """One recorded file, or one member of an archive."""

    @property
    def tally(self) -> Tally:
        """Counts its rows that cannot be used."""
        ...

    def scan(self) -> list[Series]:
        """Return what is in it.

        Raises:
            BadRecord: Nothing in it can be used.
            MissingDependency: A package is needed to read it.
        """
        ...

    def read(self, symbols: frozenset[str], halt: Flag) -> Generator[Event, None, None]:
        """Yield the events of ``symbols`` by ``due``; ends early once ``halt`` is set.

        What cannot be read is skipped, counted and told.
        """
        ...


class Series(Struct, frozen=True, kw_only=True):
    """The recorded events of one symbol in one source.

    Attributes:
        symbol: Canonical, in capitals.
        step: Length of a bar, zero = ticks; a month counts 30 days.
        first: Not after the first ``due``.
        last: Not before the last ``due``.
        zone: The venue's time zone, as far as it is known.
        has_trades: False where only bid and ask are recorded.
        source: Where to read it.
    """

    symbol: str
    step: timedelta
    first: datetime
    last: datetime
    zone: tzinfo
    has_trades: bool = True
    source: Source


def end_of(begin: datetime, step: timedelta) -> datetime:
    """Return the end of a bar, in the zone of ``begin``.

    Days, weeks and months end at midnight by that zone's wall clock, however long they are.
    """
    if step < DAY:
        return begin + step
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    if step < MONTH:
        return midnight + step
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
