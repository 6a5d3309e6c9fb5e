"""Finds any second of an instrument's market, with what its session had seen before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tickloom_simulated.instrument import Instrument
from tickloom_simulated.session import find_session
from tickloom_simulated.walk import SECOND, Span


class Seen(NamedTuple):
    """What a session has seen up to some time: prices in ticks, volume in lots."""

    high: int
    low: int
    lots: int

    def with_span(self, span: Span) -> Seen:
        """Return what it has seen after ``span`` too."""
        return Seen(max(self.high, span.high), min(self.low, span.low), self.lots + span.lots)


class Tape:
    """The market of one instrument at one second; the next second is found most cheaply.

    Attributes:
        session: The session that the second belongs to.
        previous_close: The last price of the session before, in ticks.
        second: The second itself.
        seen: What the session had seen before it.
    """

    def __init__(self, instrument: Instrument, second: int) -> None:
        self._instrument = instrument
        self._enter_session(second)
        self._seek(second)

    def seek(self, second: int) -> None:
        """Go to a second since 1970, forwards or back."""
        if not self.second.begin <= second < self.session.end:
            self._enter_session(second)
        self._seek(second)

    def _enter_session(self, second: int) -> None:
        number = find_session(second)
        self.session = self._instrument.session(number)
        self.previous_close = self._instrument.close_of(number - 1)
        # From the session down to the second; each with what was seen before it, and its parts.
        first = self.session.open
        self._path: list[tuple[Span, Seen]] = [(self.session, Seen(first, first, 0))]
        self._parts: list[Iterator[Span]] = []

    def _seek(self, second: int) -> None:
        path, parts = self._path, self._parts
        while len(path) > 1 and second >= path[-2][0].end:
            path.pop()
            parts.pop()
        while True:
            span, seen = path[-1]
            if second >= span.end:
                path[-1] = (next(parts[-1]), seen.with_span(span))
            elif span.length > SECOND:
                parts.append(self._instrument.divide(span))
                path.append((next(parts[-1]), seen))
            else:
                self.second, self.seen = span, seen
                return
