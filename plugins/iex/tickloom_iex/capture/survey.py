"""One reading of all captures: which symbols there are, their first quotes, and their trades."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from threading import Event as Flag

from tickloom.model import Quote
from tickloom_iex.capture.archive import Capture, read_captures
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.market import NOTHING, Market
from tickloom_iex.capture.messages import Message, SystemEvent, TradeReport
from tickloom_iex.capture.spool import TradeSpool

_STEP_SEGMENTS = 2_048
_MAX_SYMBOLS = 65_536


class Survey:
    """Reads the captures step by step.

    Args:
        captures: What is read, oldest first.
        namespace: Put before every symbol.
        halt: Once set, steps end early.

    Attributes:
        counts: What was found so far.
        first: By symbol the first quote that has a price, in the venue's time; ``None`` = none yet.
        trades: All trades so far.
    """

    def __init__(self, captures: Sequence[Capture], namespace: str | None, halt: Flag) -> None:
        self.counts = CaptureCounts()
        self.first: dict[str, Quote | None] = {}
        self.trades = TradeSpool(self.counts)
        self._market = Market(self.counts, namespace)
        self._segments = read_captures(captures, self.counts, halt)

    def step(self) -> bool:
        """Read on for a tenth of a second or so; false once all is read.

        Raises:
            OSError: The disk is full.
        """
        is_more = False
        for segment in islice(self._segments, _STEP_SEGMENTS):
            is_more = True
            for message in self._market.open(segment):
                self._take(message)
        if not is_more:
            self.trades.flush()
        return is_more

    def _take(self, message: Message) -> None:
        if isinstance(message, SystemEvent):
            self._market.take(message)
            return
        symbol = message.symbol
        if symbol not in self.first:
            if len(self.first) >= _MAX_SYMBOLS:
                self.counts.invalid += 1
                return
            self.first[symbol] = None
        if isinstance(message, TradeReport):
            self.trades.add(message)
        if self.first[symbol] is not None:
            return
        if self._market.take(message) != NOTHING:
            quote = self._market.quote(symbol)
            if quote is not None:
                self.first[symbol] = quote
                self._market.forget(symbol)

    def close(self) -> None:
        """Let go of the file of trades."""
        self.trades.close()
