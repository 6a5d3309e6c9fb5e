"""The bars of one symbol and interval while ticks can still change them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct

from tickloom.model import Interval, MarketState, Quote
from tickloom.stream.item import Item
from tickloom.stream.protocol import BarState
from tickloom.stream.volumes import Before, Reach, SessionKey, traded

Span = tuple[float, float]
"""Begin and end as epoch seconds; the end belongs to the next one."""

_LEAST_LATENESS_S = 60.0
_LATENESS_BARS = 2


class Point(Struct, frozen=True):
    """A tick as a bar sees it.

    Attributes:
        quote: What the provider said.
        at_s: Its venue time as epoch seconds.
        order: Sorts ticks; of those of one time the one with the larger volume is the later.
        session: What its volume counts in.
    """

    quote: Quote
    at_s: float
    order: tuple[float, int]
    session: SessionKey


class FormingBar:
    """One bar while it may change.

    Attributes:
        begin_s: Epoch seconds.
        end_s: Epoch seconds.
        is_closed: No tick is expected any more.
        was_closed: That was told.
        is_whole: The provider told the session's open, high and low.
        changed: Something is to be told.
        volume: Units traded as last computed; ``None`` = the provider tells none.
    """

    __slots__ = (
        "_first", "_last", "_session_order", "begin_s", "changed", "close", "currency", "end_s",
        "high", "is_closed", "is_whole", "low", "open", "reached", "session_open", "ticks",
        "volume", "was_closed",
    )  # fmt: skip

    def __init__(self, span: Span, point: Point) -> None:
        self.begin_s, self.end_s = span
        price = point.quote.current_price
        self.open = self.high = self.low = self.close = price
        self.session_open: Decimal | None = None
        self._first = self._last = point.order
        self._session_order = (-math.inf, 0)
        self.currency = point.quote.currency
        self.ticks = 0
        self.reached: dict[SessionKey, Reach] = {}
        self.volume: int | None = None
        self.is_closed = self.was_closed = self.is_whole = False
        self.changed = True
        self.add(point)

    @property
    def begin(self) -> datetime:
        """Aware UTC."""
        return datetime.fromtimestamp(self.begin_s, UTC)

    @property
    def state(self) -> BarState:
        """What to call it when it is told next."""
        if not self.is_closed:
            return "forming"
        return "corrected" if self.was_closed else "closed"

    def add(self, point: Point) -> None:
        """Count a tick of this interval; ticks may come in any order."""
        quote, order = point.quote, point.order
        price, volume = quote.current_price, quote.volume
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if order >= self._last:
            self._last, self.close = order, price
        elif order < self._first:
            self._first, self.open = order, price
        self.ticks += 1
        self.changed = True
        if volume is not None:
            reach = self.reached.get(point.session)
            if reach is None:
                self.reached[point.session] = [volume, volume]
            elif volume > reach[1]:
                reach[1] = volume
            elif volume < reach[0]:
                reach[0] = volume

    def add_session(self, point: Point) -> None:
        """Count what a tick says of its whole day.

        Before the opening some providers still tell the prices of the day before.
        """
        quote = point.quote
        if quote.market_state is MarketState.PRE:
            return
        if quote.open_price is not None and point.order >= self._session_order:
            self._session_order, self.session_open = point.order, quote.open_price
        told = (quote.open_price, quote.high_price, quote.low_price)
        for price in told:
            if price is not None:
                self.high, self.low = max(self.high, price), min(self.low, price)
        self.is_whole = self.is_whole or None not in told


class Book:
    """The newest bar, and those before it that late ticks may still correct.

    A bar stays for two more intervals or a minute, whichever is longer, counted by the venue's
    times. An interval without a tick has no bar.

    ``told`` is the message that was told last, ``held`` has those that wait for a bar to be stored,
    each with whether it may go; ``due_s`` is the monotonic second at which the newest bar is to be
    closed, and ``armed_s`` that at which somebody will look.

    Args:
        interval: Length of a bar.
        day_of: The venue's day that a point lies in; a daily bar spans it.
        left_out: Counts the ticks that came too late, or in another currency.
    """

    __slots__ = (
        "_before", "_day_of", "_floor", "_is_daily", "_lateness_s", "_left_out", "_length_s",
        "_whole_from_s", "armed_s", "bars", "channel", "due_s", "has_older", "held", "interval",
        "newest_s", "told",
    )  # fmt: skip

    def __init__(
        self, interval: Interval, day_of: Callable[[Point], Span], left_out: Counter[str]
    ) -> None:
        self.interval = interval
        self.channel = f"bars.{interval}"
        self._day_of = day_of
        self._length_s = interval.duration.total_seconds()
        self._is_daily = not interval.is_intraday
        self._lateness_s = max(_LEAST_LATENESS_S, _LATENESS_BARS * self._length_s)
        self.bars: list[FormingBar] = []
        # Volumes before the oldest bar and before the newest one.
        self._floor: Before = {}
        self._before: Before = {}
        self._whole_from_s = math.inf
        self.newest_s = -math.inf
        self.due_s = self.armed_s = math.inf
        # True while bars before the newest are to be told.
        self.has_older = False
        self.told: Item | None = None
        self.held: dict[Item, bool] = {}
        self._left_out = left_out

    def take(self, point: Point) -> bool:
        """Count a tick; return whether it closes a bar because it lies in a later interval."""
        newest = self.bars[-1] if self.bars else None
        at_s = point.at_s
        if newest is not None and newest.begin_s <= at_s < newest.end_s:
            self._add(newest, point)
            self.newest_s = max(self.newest_s, at_s)
            return False
        span = self._span(point)
        if newest is None or span[0] > newest.begin_s:
            return self._append(FormingBar(span, point), point)
        self._take_late(span, point)
        return False

    def _span(self, point: Point) -> Span:
        if self._is_daily:
            return self._day_of(point)
        begin_s = point.at_s - point.at_s % self._length_s
        return begin_s, begin_s + self._length_s

    def _add(self, bar: FormingBar, point: Point) -> bool:
        currency = point.quote.currency
        if currency != bar.currency and currency is not None:
            if bar.currency is not None:
                # Pence and pounds in one bar would be no prices at all.
                self._left_out["other_currency"] += 1
                return False
            bar.currency = currency
        bar.add(point)
        if self._is_daily:
            bar.add_session(point)
        return True

    def _append(self, bar: FormingBar, point: Point) -> bool:
        closes = False
        if self.bars:
            newest = self.bars[-1]
            newest.volume = traded(newest.reached, self._before, knows_begin=self._is_daily)
            closes = not newest.is_closed
            if closes:
                newest.is_closed = newest.changed = True
            self.has_older = self.has_older or newest.changed
        else:
            self._whole_from_s = bar.end_s
        if self._is_daily:
            bar.add_session(point)
        self.newest_s = point.at_s
        self.bars.append(bar)
        self._forget()
        return closes

    def _forget(self) -> None:
        while self.bars[0].end_s + self._lateness_s <= self.newest_s and len(self.bars) > 1:
            if self.bars[0].changed:
                # It is still to be told, and goes with the next one.
                break
            gone = self.bars.pop(0)
            traded(gone.reached, self._floor, knows_begin=self._is_daily)

    def _take_late(self, span: Span, point: Point) -> None:
        if span[1] + self._lateness_s <= self.newest_s:
            self._left_out["late"] += 1
            return
        place = next(place for place, bar in enumerate(self.bars) if bar.begin_s >= span[0])
        if self.bars[place].begin_s == span[0]:
            if not self._add(self.bars[place], point):
                return
        else:
            bar = FormingBar(span, point)
            bar.is_closed = True
            if self._is_daily:
                bar.add_session(point)
            self.bars.insert(place, bar)
        self.has_older = True
        self._count_anew()

    def _count_anew(self) -> None:
        before = dict(self._floor)
        for bar in self.bars[:-1]:
            volume = traded(bar.reached, before, knows_begin=self._is_daily)
            if volume != bar.volume:
                bar.volume, bar.changed = volume, True
        newest = self.bars[-1]
        self._before = before
        volume = traded(newest.reached, dict(before), knows_begin=self._is_daily)
        if volume != newest.volume:
            newest.changed = True

    def is_partial(self, bar: FormingBar) -> bool:
        """True where not all of the bar's ticks need have been seen."""
        return bar.begin_s < self._whole_from_s and not bar.is_whole

    @property
    def is_changed(self) -> bool:
        """True where something is to be told."""
        return self.has_older or (bool(self.bars) and self.bars[-1].changed)

    def changed(self) -> Iterator[FormingBar]:
        """Yield the bars that are to be told, oldest first, and take it that they are."""
        bars = self.bars if self.has_older else self.bars[-1:]
        self.has_older = False
        for bar in bars:
            if bar.changed:
                if bar is self.bars[-1]:
                    before = dict(self._before)
                    bar.volume = traded(bar.reached, before, knows_begin=self._is_daily)
                yield bar
                bar.changed, bar.was_closed = False, bar.is_closed
        if self.bars:
            # Some were held only until they were told.
            self._forget()

    def close(self) -> None:
        """Expect nothing more of the newest bar."""
        self.due_s = math.inf
        if self.bars and not self.bars[-1].is_closed:
            self.bars[-1].is_closed = self.bars[-1].changed = True
