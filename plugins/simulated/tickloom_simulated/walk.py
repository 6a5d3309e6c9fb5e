"""The random walk: one span of the market, and its division into shorter ones.

The market is a function of seed, symbol and time. A session is drawn first, its hours are drawn
into it, minutes into those, seconds into these. So any second can be found without walking through
all that came before, bars of all lengths agree, and a restart goes on with the same prices.

Everything runs in integers: prices in ticks of 0.01, times in seconds since 1970, volume in lots.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from hashlib import blake2b
from math import floor, sqrt

from msgspec import Struct

LOT = 100
SECOND = 1
MINUTE = 60
HOUR = 3_600
_FINER = {HOUR: MINUTE, MINUTE: SECOND}


class Span(Struct, frozen=True, gc=False):
    """What happens between two times.

    Attributes:
        begin: Seconds since 1970.
        length: In seconds.
        open: First price, in ticks.
        high: Highest price, in ticks.
        low: Lowest price, in ticks.
        close: Last price, in ticks.
        extra: Lots traded beyond the one that every second has.
    """

    begin: int
    length: int
    open: int
    high: int
    low: int
    close: int
    extra: int

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.begin + self.length

    @property
    def lots(self) -> int:
        """All lots traded."""
        return self.length + self.extra


def derive_key(seed: int, symbol: str, purpose: str) -> int:
    """Return the number that all randomness of one purpose of one symbol begins with."""
    text = f"{seed}/{symbol}/{purpose}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def draw_from(key: int) -> Callable[[], float]:
    """Return a source of numbers in [0, 1), the same ones for the same key."""
    # Of all methods only random() gives the same numbers in every version of Python.
    return random.Random(key).random  # noqa: S311 - prices of a test feed guard nothing


def finer(length: int) -> int:
    """Return the length of the spans that one of ``length`` seconds divides into."""
    return _FINER.get(length, HOUR)


def split(span: Span, key: int) -> Iterator[Span]:
    """Divide a span into those of the next finer length, oldest first.

    Each opens where the one before closed. The highest high, the lowest low, the last close and
    the sum of the lots are those of ``span``.

    Args:
        span: At least a minute long.
        key: From :func:`derive_key`.
    """
    draw = draw_from(key + span.begin)
    length = finer(span.length)
    count = span.length // length
    # The price wanders to one extreme, then to the other, then to the close.
    peak = floor(draw() * (count - 1))
    trough = floor(draw() * (count - 2))
    trough += trough >= peak
    goals = sorted([(peak, span.high), (trough, span.low)])
    goals.append((count - 1, span.close))
    swing = (span.high - span.low) / sqrt(count)
    price, extra, place = span.open, span.extra, 0
    for at, goal in goals:
        for index in range(place, at + 1):
            before = price
            drift = (goal - price) / (at - index + 1)
            moved = floor(price + drift + (draw() - 0.5) * 2 * swing + draw())
            price = goal if index == at else min(max(moved, span.low), span.high)
            top = max(before, price) + floor(draw() * draw() * swing)
            bottom = min(before, price) - floor(draw() * draw() * swing)
            left = count - index
            share = floor(extra / left * (0.5 + draw()) + draw()) if left > 1 else extra
            share = min(share, extra)
            extra -= share
            yield Span(
                span.begin + index * length,
                length,
                before,
                min(top, span.high),
                max(bottom, span.low),
                price,
                share,
            )
        place = at + 1
