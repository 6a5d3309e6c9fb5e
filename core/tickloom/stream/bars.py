"""Bars built from ticks while they come, for those who want them."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Protocol

from tickloom.clock import Cancellable, Clock
from tickloom.model import Quote, is_glob, matches, venue_day
from tickloom.stream.bar import BAR_CHANNELS, BarItem, bar_key
from tickloom.stream.barbook import Book, FormingBar
from tickloom.stream.barseries import DayOf, Series
from tickloom.stream.connection import Connection
from tickloom.stream.demand import Demand
from tickloom.stream.hub import Hub
from tickloom.stream.outlet import Joiner
from tickloom.stream.protocol import LiveBar

PACE_S = 0.25
"""A forming bar is told at once, and then at most once in so many seconds."""
AHEAD_S = 60.0
"""A tick that is stamped so much later than now belongs to no bar."""
# Due times less than this apart share a timer, and closing so much later harms nobody.
_SLACK_S = 0.02
# Then the event loop gets its turn.
_MOST_AT_ONCE = 200


class Keeper(Protocol):
    """Where closed bars outlive the process."""

    def keep(self, bar: LiveBar, then: Callable[[], None]) -> bool:
        """Begin to store a bar; false = it is not kept, and nothing will come of it.

        Args:
            bar: Closed or corrected.
            then: Called later, once, when the bar may be told.
        """
        ...


class Bars:
    """Keeps the bars that somebody wants, and tells them to the hub's connections.

    The venue's time of a tick decides which bar it belongs to. A bar is closed by the clock, or by
    the first tick of a later interval. What nobody wants is not built, and forgotten. With a keeper
    a closed bar is told only when it is stored, and what comes after it of the same bars waits.

    Args:
        hub: Tells the bars; keeps the ticks that a bar begins with.
        demand: Which bars are wanted.
        clock: Closes bars.
        day_of: The day that a daily bar spans.
        is_daily: True for a quote that stands for its whole day, as end-of-day values do.
        keeper: Stores closed bars; ``None`` = they are not kept.
    """

    def __init__(
        self,
        hub: Hub,
        demand: Demand,
        clock: Clock,
        day_of: DayOf = venue_day,
        is_daily: Callable[[Quote], bool] = lambda _: False,
        keeper: Keeper | None = None,
    ) -> None:
        self._hub = hub
        self._demand = demand
        self._clock = clock
        self._day_of = day_of
        self._is_daily = is_daily
        self._keeper = keeper
        self._series: dict[str, Series] = {}
        self._unwanted: set[str] = set()
        self._globs: dict[str, list[str]] = {}
        # These outlive the bars, so that whoever comes back sees no number twice.
        self._sequences: Counter[str] = Counter()
        self._hot: deque[tuple[float, Series]] = deque()
        self._hot_timer: Cancellable | None = None
        self._due: list[tuple[float, int, Series, Book]] = []
        self._order = itertools.count()
        self._due_timer: Cancellable | None = None
        self._due_timer_s = math.inf
        self._checked_s = -math.inf
        self.told: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def take(self, quote: Quote) -> None:
        """Count a published quote in the bars of its symbol."""
        if self._demand.channel_changes:
            self._follow()
        series = self._series.get(quote.symbol)
        if series is not None:
            self._take(series, quote)
        elif quote.symbol not in self._unwanted:
            series = self._open(quote.symbol, quote)
            if series is not None:
                self._take(series, quote)
                # What the bars began with is news too, even where this quote is none.
                self._tell(series, self._clock.monotonic())

    def _take(self, series: Series, quote: Quote) -> None:
        fault = self._fault_of(quote)
        if fault is not None:
            self._left_out[fault] += 1
            return
        point = series.point_of(quote)
        if not series.is_new(point):
            return
        now_s = self._clock.monotonic()
        closes = (series.take_day if self._is_daily(quote) else series.take)(point, now_s)
        for book in series.books.values():
            if book.due_s < book.armed_s - _SLACK_S:
                self._arm(series, book)
        if closes or not series.is_hot:
            self._tell(series, now_s)

    def _fault_of(self, quote: Quote) -> str | None:
        at_s = quote.timestamp.timestamp()
        if 0 <= at_s <= self._checked_s:
            return None
        # What is not ahead now never will be, so the clock is looked at once in a minute.
        self._checked_s = self._clock.now().timestamp() + AHEAD_S
        if at_s > self._checked_s:
            return "ahead"
        return "late" if at_s < 0 else None

    def bring(self, connection: Connection, symbol: str, channel: str) -> None:
        """Let a connection that has just begun to want bars have the newest one."""
        self._follow()
        series = self._series.get(symbol) or self._open(symbol)
        book = series.books.get(channel) if series is not None else None
        if series is None or book is None or not book.bars:
            return
        newest, told = book.bars[-1], book.told
        if isinstance(told, BarItem) and not book.is_changed:
            is_newest = newest.is_closed or told.bar.timestamp == newest.begin
            if is_newest:
                # Behind those before it that are still held back.
                self._hub.flush()
                connection.offer(told)
                connection.flush(Joiner())
                return
        # It goes to all who want it, and so to this one.
        newest.changed = newest.changed or not newest.is_closed
        self._tell_book(series, book)

    def _open(self, symbol: str, but: Quote | None = None) -> Series | None:
        channels = self._channels_of(symbol)
        if not channels:
            self._unwanted.add(symbol)
            return None
        series = self._series[symbol] = Series(symbol, self._day_of, self._left_out)
        self._open_books(series, channels, but)
        return series

    def _open_books(
        self, series: Series, channels: Collection[str], but: Quote | None = None
    ) -> None:
        now, now_s = self._clock.now(), self._clock.monotonic()
        past = [
            (quote, now_s - max(0.0, (now - quote.received_at).total_seconds()))
            for quote in self._hub.watched(series.symbol)
            if quote is not but and not self._is_daily(quote) and self._fault_of(quote) is None
        ]
        newest = self._hub.newest(series.symbol)
        for channel in channels:
            if channel not in series.books:
                series.open(channel, past)
                self._arm(series, series.books[channel])
        if newest is not None and newest.quote is not but and self._is_daily(newest.quote):
            # It is a whole day, whoever watched meanwhile.
            series.begin_with_day(series.point_of(newest.quote), now_s)

    def _channels_of(self, symbol: str) -> list[str]:
        return [channel for channel in BAR_CHANNELS if self._is_wanted(symbol, channel)]

    def _is_wanted(self, symbol: str, channel: str) -> bool:
        if symbol in self._demand.of_channel(channel):
            return True
        return any(matches(symbol, pattern) for pattern in self._globs.get(channel, ()))

    def _follow(self) -> None:
        changes, self._demand.channel_changes = self._demand.channel_changes, set()
        if any(map(is_glob, changes)):
            self._unwanted.clear()
            self._globs = {
                channel: list(filter(is_glob, self._demand.of_channel(channel)))
                for channel in BAR_CHANNELS
            }
            changed: Collection[str] = list(self._series)
        else:
            self._unwanted -= changes
            changed = [symbol for symbol in changes if symbol in self._series]
        for symbol in changed:
            series = self._series[symbol]
            channels = self._channels_of(symbol)
            series.keep(channels)
            if not channels:
                del self._series[symbol]
            elif len(channels) > len(series.books):
                self._open_books(series, channels)

    def _tell(self, series: Series, now_s: float) -> None:
        for book in series.books.values():
            self._tell_book(series, book)
        if not series.is_hot:
            series.is_hot = True
            self._hot.append((now_s + PACE_S, series))
            if self._hot_timer is None:
                self._hot_timer = self._clock.call_later(PACE_S, self._cool)

    def _cool(self) -> None:
        self._hot_timer = None
        now_s = self._clock.monotonic()
        for _ in range(_MOST_AT_ONCE):
            if not self._hot or self._hot[0][0] > now_s + _SLACK_S:
                break
            series = self._hot.popleft()[1]
            series.is_hot = series.is_changed and self._series.get(series.symbol) is series
            if series.is_hot:
                self._hot.append((now_s + PACE_S, series))
                for book in series.books.values():
                    self._tell_book(series, book)
        if self._hot:
            self._hot_timer = self._clock.call_later(self._hot[0][0] - now_s, self._cool)

    def _tell_book(self, series: Series, book: Book) -> None:
        if book.held:
            # It stays changed, and is told as it is then.
            return
        for bar in book.changed():
            item = self._item(series.symbol, book, bar)
            if self._is_held(series, book, item):
                book.held[item] = False
            elif book.held:
                book.held[item] = True
            else:
                self._publish(book, item)

    def _is_held(self, series: Series, book: Book, item: BarItem) -> bool:
        if self._keeper is None or item.is_conflatable:
            return False
        return self._keeper.keep(item.bar, partial(self._let_go, series, book, item))

    def _let_go(self, series: Series, book: Book, item: BarItem) -> None:
        book.held[item] = True
        while book.held:
            first = next(iter(book.held))
            if not book.held[first]:
                return
            del book.held[first]
            if isinstance(first, BarItem):
                self._publish(book, first)
        self._tell_book(series, book)

    def _publish(self, book: Book, item: BarItem) -> None:
        book.told = item
        self.told[item.bar.state] += 1
        self._hub.publish_item(item, book.channel)

    def _item(self, symbol: str, book: Book, bar: FormingBar) -> BarItem:
        key = bar_key(symbol, book.channel)
        self._sequences[key] += 1
        return BarItem(
            LiveBar(
                symbol=symbol,
                interval=book.interval,
                timestamp=bar.begin,
                state=bar.state,
                open=bar.open if bar.session_open is None else bar.session_open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                ticks=bar.ticks,
                epoch=self._hub.epoch,
                sequence=self._sequences[key],
                volume=bar.volume,
                currency=bar.currency,
                partial=book.is_partial(bar),
            ),
            book.channel,
        )

    def _arm(self, series: Series, book: Book) -> None:
        if book.due_s == math.inf:
            return
        book.armed_s = book.due_s
        heapq.heappush(self._due, (book.due_s, next(self._order), series, book))
        self._wait()

    def _wait(self) -> None:
        if self._due and self._due[0][0] < self._due_timer_s:
            if self._due_timer is not None:
                self._due_timer.cancel()
            self._due_timer_s = self._due[0][0]
            after_s = self._due_timer_s - self._clock.monotonic()
            self._due_timer = self._clock.call_later(after_s, self._close_due)

    def _close_due(self) -> None:
        self._due_timer, self._due_timer_s = None, math.inf
        if self._demand.channel_changes:
            self._follow()
        now_s = self._clock.monotonic()
        while self._due and self._due[0][0] <= now_s + _SLACK_S:
            due_s, _, series, book = heapq.heappop(self._due)
            is_kept = self._series.get(series.symbol) is series
            if not is_kept or series.books.get(book.channel) is not book or due_s != book.armed_s:
                continue
            book.armed_s = math.inf
            if book.due_s <= now_s + _SLACK_S:
                book.close()
                self._tell_book(series, book)
            else:
                self._arm(series, book)
        self._wait()

    def stats(self) -> dict[str, Any]:
        """Return counts: what is built now, and since the start what was told and left out."""
        self._follow()
        books = [book for series in self._series.values() for book in series.books.values()]
        return {
            "symbols": len(self._series),
            "series": len(books),
            "bars_held": sum(len(book.bars) for book in books),
            "told": dict(self.told),
            "left_out": dict(self._left_out),
        }

    def close(self) -> None:
        """Build nothing more; calling it twice is allowed."""
        for timer in (self._hot_timer, self._due_timer):
            if timer is not None:
                timer.cancel()
        self._hot_timer = self._due_timer = None
        self._series.clear()
        self._hot.clear()
        self._due.clear()
