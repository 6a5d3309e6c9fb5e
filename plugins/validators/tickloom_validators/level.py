"""The level of each symbol: where its price has been of late, and how far it usually strays.

The level is the median of the last prices, and the distance that is ordinary a multiple of their
median absolute deviation. A price outside goes into neither: it waits until a few newer ones agree
with it, and only then is it the level. So a spike moves nothing, and a real change is taken over.

The measure is kept in floats; no price is ever taken from it.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from tickloom.model import Quote
from tickloom_validators.options import LevelOptions

_ENOUGH = 8
_EVERY = 8
# Makes the median absolute deviation of a normal distribution its standard deviation.
_NORMAL = 1.4826
_HUNDRED = (70.0, 140.0)


class Jump(Struct, frozen=True):
    """A price away from the level.

    Attributes:
        ratio: The price as a multiple of the level; above 0.
        low: The lowest ordinary price.
        high: The highest ordinary price.
        level: The median.
    """

    ratio: float
    low: float
    high: float
    level: float

    @property
    def factor(self) -> float:
        """The same jump upwards: 0.01 and 100 are both 100."""
        return self.ratio if self.ratio >= 1 else 1 / self.ratio

    @property
    def is_unit(self) -> bool:
        """True where a hundredth of the currency was taken for the whole, or the other way."""
        return _HUNDRED[0] <= self.factor <= _HUNDRED[1]


class _Track:
    """One symbol."""

    __slots__ = (
        *("count", "high", "home", "jump", "last", "level", "low", "newest", "waiting", "window"),
    )

    def __init__(self, window: int) -> None:
        self.window: deque[float] = deque(maxlen=window)
        self.waiting: list[float] = []
        self.count = 0
        self.low = 0.0
        self.high = math.inf
        self.level = 0.0
        self.last: Quote | None = None
        self.newest: datetime | None = None
        self.jump: Jump | None = None
        # The prices in the unit of before, to which such a fault returns.
        self.home: list[float] = []


class LevelBook:
    """Keeps the level of the symbols that were seen last.

    Several checks ask about the same quote; it is taken in once.
    """

    def __init__(self, options: LevelOptions) -> None:
        self._options = options
        self._least = options.least_percent / 100
        self._early = options.early_percent / 100
        self._reach = options.deviations * _NORMAL
        self._tracks: OrderedDict[str, _Track] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tracks)

    def read(self, quote: Quote, previous: Quote | None) -> Jump | None:
        """Take the quote in and return how it jumps; ``None`` where it is ordinary.

        ``previous`` begins the level of a symbol that is new here, as after a restart.
        """
        track = self._tracks.get(quote.symbol)
        if track is None:
            track = self._begin(quote, previous)
        elif track.last is quote:
            return track.jump
        else:
            self._tracks.move_to_end(quote.symbol)
        before, track.last = track.last or previous, quote
        price = float(quote.current_price)
        if track.low <= price <= track.high:
            # Most quotes end here.
            track.jump = None
            if track.waiting:
                track.waiting.clear()
            track.window.append(price)
            track.count += 1
            if not track.count % _EVERY or track.count < _ENOUGH:
                self._measure(track)
            return None
        if abs(price - track.level) <= 2 * _tick_of(quote, before):
            # To the lowest prices a tick is a large part.
            track.window.append(price)
            track.jump = None
        else:
            track.jump = self._judge(track, quote, price)
        return track.jump

    def _begin(self, quote: Quote, previous: Quote | None) -> _Track:
        track = _Track(self._options.window)
        self._tracks[quote.symbol] = track
        if len(self._tracks) > self._options.symbols:
            self._tracks.popitem(last=False)
        if previous is not None and 0 < float(previous.current_price) < math.inf:
            track.window.append(float(previous.current_price))
            track.count = 1
            self._measure(track)
        return track

    def _measure(self, track: _Track) -> None:
        values = sorted(track.window)
        level = values[len(values) // 2]
        least = self._least if track.count >= _ENOUGH else self._early
        deviations = sorted([abs(value - level) for value in values])
        reach = max(self._reach * deviations[len(deviations) // 2], least * level)
        track.level = level
        # A price that falls by as much as it may rise is as ordinary, in ratios.
        track.high = level + reach
        track.low = level * level / track.high if level > 0 else 0.0

    def _judge(self, track: _Track, quote: Quote, price: float) -> Jump | None:
        if not 0 < price < math.inf:
            # That is no price; another check says so.
            return None
        if track.level <= 0:
            return None
        if track.home and self._is_home(track, price):
            self._move(track, [*track.home, price])
            return None
        jump = Jump(price / track.level, track.low, track.high, track.level)
        if track.newest is not None and quote.timestamp <= track.newest and track.waiting:
            # The same news again confirms nothing.
            return jump
        track.newest = quote.timestamp
        waiting = track.waiting
        reach = max(self._early, track.high / track.level - 1)
        if waiting and not 1 / (1 + reach) <= price / waiting[-1] <= 1 + reach:
            waiting.clear()
        waiting.append(price)
        options = self._options
        if len(waiting) < (options.unit_confirmations if jump.is_unit else options.confirmations):
            return jump
        home = list(track.window) if jump.is_unit else []
        self._move(track, waiting)
        track.home = home
        return None

    def _is_home(self, track: _Track, price: float) -> bool:
        level = sorted(track.home)[len(track.home) // 2]
        return 1 / (1 + self._early) <= price / level <= 1 + self._early

    def _move(self, track: _Track, prices: Sequence[float]) -> None:
        """Let ``prices`` be the level from now on."""
        track.window.clear()
        track.window.extend(prices)
        track.count = len(track.window)
        track.waiting.clear()
        track.home = []
        self._measure(track)


def _tick_of(quote: Quote, before: Quote | None) -> float:
    """Return the least step between two prices as they are written, such as 0.01."""
    places = [quote.current_price.as_tuple().exponent]
    if before is not None:
        places.append(before.current_price.as_tuple().exponent)
    finest = min((place for place in places if isinstance(place, int)), default=0)
    # A price in whole units says nothing about ticks.
    return float(10**finest) if finest < 0 else 0.0
