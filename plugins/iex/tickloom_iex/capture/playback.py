"""What is played, read and folded in pieces by a thread."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from threading import Event as Flag

from msgspec import Struct

from tickloom.model import Quote
from tickloom_iex.capture.archive import Capture, read_captures
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.market import NOTHING, TRADE, Market
from tickloom_iex.capture.messages import SystemEvent
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.segments import Segment

_PIECE_MESSAGES = 65_536
_PIECE_QUOTES = 1_024
# So long is a piece at most when played: what nobody subscribed to is known to its end only.
_PIECE_S = 0.25


class Moment(Struct, frozen=True):
    """Quotes that are due together, in the venue's time."""

    due_ns: int
    quotes: list[Quote]


class Piece(Struct, frozen=True):
    """A run of moments.

    Attributes:
        moments: Oldest first.
        end_ns: When the last message in it was sent.
        others: The newest quotes of the symbols that nobody wanted and that changed.
    """

    moments: list[Moment]
    end_ns: int
    others: list[Quote]


class Playback:
    """Reads the captures once, as far as it is asked.

    Args:
        captures: Oldest first.
        options: For the namespace and the speed.
        halt: Once set, the reading ends early.
    """

    def __init__(self, captures: Sequence[Capture], options: CaptureOptions, halt: Flag) -> None:
        self.counts = CaptureCounts()
        self._market = Market(self.counts, options.namespace)
        self._segments = read_captures(captures, self.counts, halt)
        self._span_ns = int(options.speed * _PIECE_S * 1_000_000_000) or None
        self._waiting: Segment | None = None

    def read(self, wanted: Collection[str]) -> Piece | None:
        """Return the next piece; ``None`` = the end.

        Args:
            wanted: Symbols whose every quote is wanted.
        """
        moments: list[Moment] = []
        touched: set[str] = set()
        messages = quotes = 0
        first_ns = end_ns = None
        while messages < _PIECE_MESSAGES and quotes < _PIECE_QUOTES:
            segment = self._waiting or next(self._segments, None)
            self._waiting = None
            if segment is None:
                break
            due_ns = _due(segment)
            if first_ns is None:
                first_ns = due_ns
            elif self._span_ns is not None and not 0 <= due_ns - first_ns <= self._span_ns:
                self._waiting = segment
                break
            end_ns = due_ns
            messages += segment.count
            found = self._fold(segment, wanted, touched)
            if found:
                quotes += len(found)
                moments.append(Moment(due_ns, found))
        if end_ns is None:
            return None
        latest = (self._market.quote(symbol) for symbol in touched)
        return Piece(moments, end_ns, [quote for quote in latest if quote is not None])

    def _fold(self, segment: Segment, wanted: Collection[str], touched: set[str]) -> list[Quote]:
        market = self._market
        found: list[Quote | None] = []
        # Where a quote of a symbol shall stand that only its bid and ask changed of: what is due
        # together is one quote, but two trades stay two.
        places: dict[str, int] = {}
        for message in market.open(segment):
            change = market.take(message)
            if change == NOTHING or isinstance(message, SystemEvent):
                continue
            symbol = message.symbol
            if symbol not in wanted:
                touched.add(symbol)
            elif change == TRADE:
                quote = market.quote(symbol)
                place = places.pop(symbol, None)
                if place is None:
                    found.append(quote)
                else:
                    found[place] = quote
            elif symbol not in places:
                places[symbol] = len(found)
                found.append(None)
        for symbol, place in places.items():
            found[place] = market.quote(symbol)
        return [quote for quote in found if quote is not None]


def _due(segment: Segment) -> int:
    return segment.sent_ns if segment.sent_ns > 0 else segment.captured_ns
