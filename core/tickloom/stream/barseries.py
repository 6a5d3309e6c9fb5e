"""All bars that somebody wants of one symbol."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from tickloom.model import Interval, MarketState, Quote
from tickloom.stream.bar import BAR_CHANNELS
from tickloom.stream.barbook import Book, Point, Span

DayOf: TypeAlias = Callable[[str, datetime], tuple[datetime, datetime]]
"""Begin and end, aware UTC, of the venue's day in which a symbol's tick lies."""

GRACE_S = 0.5
"""A bar is closed so long after its end, for ticks that are on their way."""
# A bar is not worth another timer for less than this.
_HASTE_S = 0.1
_REMEMBERED = 64


class Repeats:
    """The last ticks of a symbol, so that a trade that is told again does not count again.

    Providers repeat a trade whenever its bid or ask changes, at every poll, and when their stream
    comes back.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[float, tuple[tuple[Decimal, int | None], ...]] = {}

    def is_new(self, point: Point) -> bool:
        """Return whether none of the last ticks had the same time, price and volume; remember."""
        trade = (point.quote.current_price, point.quote.volume)
        of_that_time = self._seen.get(point.at_s, ())
        if trade in of_that_time:
            return False
        self._seen[point.at_s] = (*of_that_time[1 - _REMEMBERED :], trade)
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


class Series:
    """The books of one symbol, and when their newest bars are due.

    Args:
        symbol: Canonical.
        day_of: The venue's day.
        left_out: Counts the ticks that belong to no bar.
    """

    __slots__ = ("_day", "_day_of", "_left_out", "_repeats", "books", "is_hot", "symbol")

    def __init__(self, symbol: str, day_of: DayOf, left_out: Counter[str]) -> None:
        self.symbol = symbol
        self.books: dict[str, Book] = {}
        self.is_hot = False
        self._left_out = left_out
        self._day_of = day_of
        self._day: Span = (math.inf, -math.inf)
        self._repeats = Repeats()

    @property
    def is_changed(self) -> bool:
        """True where something is to be told."""
        return any(book.is_changed for book in self.books.values())

    def keep(self, channels: Collection[str]) -> None:
        """Drop the books of other channels."""
        for channel in [channel for channel in self.books if channel not in channels]:
            del self.books[channel]

    def open(self, channel: str, past: Collection[tuple[Quote, float]]) -> None:
        """Begin a book with ticks of the past.

        Args:
            channel: That it is for.
            past: All since some moment, each with its arrival as monotonic seconds.
        """
        book = self.books[channel] = Book(BAR_CHANNELS[channel], self._day_in, self._left_out)
        repeats = self._repeats if len(self.books) == 1 else Repeats()
        for quote, arrived_s in past:
            point = self.point_of(quote)
            if repeats.is_new(point):
                take(book, point, arrived_s)
        for bar in book.bars[:-1]:
            # Nobody was there to be told.
            bar.changed = False
        book.has_older = False

    def is_new(self, point: Point) -> bool:
        """Return whether a tick is not one of the last that is told again; count it if it is."""
        if self._repeats.is_new(point):
            return True
        self._left_out["repeated"] += 1
        return False

    def take(self, point: Point, now_s: float) -> bool:
        """Count a tick in each book; return whether a bar was closed."""
        closes = False
        for book in self.books.values():
            closes |= take(book, point, now_s)
        return closes

    def take_day(self, point: Point, now_s: float) -> bool:
        """Count a tick that stands for its whole day; return whether a bar was closed.

        Nothing shorter can be made of it, and its day needs nothing more.
        """
        book = self.books.get(f"bars.{Interval.DAY}")
        if book is None:
            return False
        take(book, point, now_s)
        newest = book.bars[-1]
        if newest.begin_s <= point.at_s:
            book.close()
        return True

    def begin_with_day(self, point: Point, now_s: float) -> None:
        """Count a tick of the past that stands for its whole day."""
        self._repeats.is_new(point)
        book = self.books.get(f"bars.{Interval.DAY}")
        if book is not None and not book.bars:
            self.take_day(point, now_s)

    def point_of(self, quote: Quote) -> Point:
        """Return a quote as bars see it."""
        at_s = quote.timestamp.timestamp()
        if not self._day[0] <= at_s < self._day[1]:
            begin, end = self._day_of(self.symbol, quote.timestamp)
            self._day = begin.timestamp(), end.timestamp()
        volume = quote.volume
        return Point(
            quote,
            at_s,
            (at_s, -1 if volume is None else volume),
            (quote.provider, self._day[0], quote.market_state is not MarketState.PRE),
        )

    def _day_in(self, point: Point) -> Span:
        if not self._day[0] <= point.at_s < self._day[1]:
            begin, end = self._day_of(self.symbol, datetime.fromtimestamp(point.at_s, UTC))
            return begin.timestamp(), end.timestamp()
        return self._day


def take(book: Book, point: Point, now_s: float) -> bool:
    """Count a tick in a book; return whether a bar was closed.

    The newest bar is due at its end by the provider's own clock: values that are delayed by 15
    minutes close it 15 minutes later than those without delay.
    """
    closes = book.take(point)
    newest = book.bars[-1]
    if newest.is_closed:
        return closes
    if newest.begin_s <= point.at_s:
        due_s = now_s + newest.end_s - point.at_s + GRACE_S
        if newest.ticks == 1 or due_s < book.due_s - _HASTE_S:
            book.due_s = due_s
    return closes
