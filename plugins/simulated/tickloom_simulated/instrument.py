"""One invented instrument: its character, and its sessions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import floor

from tickloom_simulated.session import begin_of_session, find_session
from tickloom_simulated.walk import HOUR, MINUTE, Span, derive_key, draw_from, split

# Sessions between two turns of each wave. A wave grows with the root of its length, as the way of
# a random walk does; all together stay below 31 times the smallest.
_WAVES = ((1, 1.0), (4, 2.0), (16, 4.0), (64, 8.0), (256, 16.0))


class Instrument:
    """What a seed makes of a symbol; independent of all other symbols.

    The price swings around ``base`` ticks and never comes near zero: the waves reach 56 % of it at
    most, and a session 2.1 % beyond its open and close.

    Attributes:
        symbol: Canonical, with its namespace.
        phase: Where in the period its ticks fall, in [0, 1).
        ticks_key: Begins the randomness of its single ticks.
    """

    def __init__(self, seed: int, symbol: str) -> None:
        self.symbol = symbol
        draw = draw_from(derive_key(seed, symbol, "character"))
        self.base = 5_000 + floor(45_000 * draw())
        self.volatility = 0.006 + 0.012 * draw()
        self.busyness = 100_000 + floor(400_000 * draw())
        self.phase = draw()
        self.ticks_key = derive_key(seed, symbol, "ticks")
        self._session_key = derive_key(seed, symbol, "session")
        self._wave_keys = [derive_key(seed, symbol, f"wave {period}") for period, _ in _WAVES]
        self._split_keys = {HOUR: derive_key(seed, symbol, "minutes")}
        self._split_keys[MINUTE] = derive_key(seed, symbol, "seconds")
        self._hours_key = derive_key(seed, symbol, "hours")

    def close_of(self, session: int) -> int:
        """Return the last price of a session, in ticks."""
        swing = 0.0
        for (period, size), key in zip(_WAVES, self._wave_keys, strict=True):
            turn, way = divmod(session, period)
            left = _turn_of(key, turn)
            swing += size * (left + (_turn_of(key, turn + 1) - left) * way / period)
        return floor(self.base * (1 + self.volatility * swing))

    def session(self, number: int) -> Span:
        """Return a whole session."""
        draw = draw_from(self._session_key + number)
        close = self.close_of(number)
        gap = (draw() - 0.5) * 0.3 * self.volatility
        begin = floor(self.close_of(number - 1) * (1 + gap))
        room = self.volatility * close
        start = begin_of_session(number)
        return Span(
            start,
            begin_of_session(number + 1) - start,
            begin,
            max(begin, close) + floor((0.2 + 0.8 * draw()) * room),
            min(begin, close) - floor((0.2 + 0.8 * draw()) * room),
            close,
            floor(self.busyness * (0.5 + draw())),
        )

    def divide(self, span: Span) -> Iterator[Span]:
        """Give the next finer spans of a session, an hour or a minute."""
        return split(span, self._split_keys.get(span.length, self._hours_key))

    def spans(self, length: int | None, start: int, stop: int) -> Iterator[Span]:
        """Give the spans that begin in ``[start, stop)``, oldest first.

        Args:
            length: ``HOUR``, ``MINUTE`` or ``SECOND``; ``None`` = whole sessions.
            start: Seconds since 1970, where a span begins.
            stop: Seconds since 1970, where a span begins.
        """
        for number in range(find_session(start), find_session(stop - 1) + 1):
            session = self.session(number)
            if length is not None:
                yield from self._parts(session, length, start, stop)
            elif session.begin >= start:
                yield session

    def _parts(self, span: Span, length: int, start: int, stop: int) -> Iterator[Span]:
        for part in self.divide(span):
            if part.begin >= stop:
                break
            if part.begin + part.length > start:
                if part.length == length:
                    yield part
                else:
                    yield from self._parts(part, length, start, stop)


@lru_cache(maxsize=65_536)
def _turn_of(key: int, number: int) -> float:
    return 2 * draw_from(key + number)() - 1
