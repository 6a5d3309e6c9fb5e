"""All symbols at one point of the captures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tickloom.model import MarketState, Quote
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.days import Day, Days
from tickloom_iex.capture.messages import (
    Message,
    OperationalHalt,
    PriceLevel,
    QuoteFlag,
    QuoteUpdate,
    SystemEvent,
    TradeFlag,
    TradeReport,
    TradingStatus,
    decode_segment,
)
from tickloom_iex.capture.prices import Prices
from tickloom_iex.capture.segments import Segment
from tickloom_iex.capture.session import Session
from tickloom_iex.capture.symbols import Names

_MAX_SESSIONS = 65_536
# Sixty for each symbol of the venue; a whole day's book has about a quarter of it.
_MAX_LEVELS = 500_000
_OUT_OF_SESSION, _EXTENDED = int(QuoteFlag.OUT_OF_SESSION), int(TradeFlag.EXTENDED_HOURS)
_PHASES = {
    "O": MarketState.CLOSED,
    "S": MarketState.PRE,
    "R": MarketState.REGULAR,
    "M": MarketState.POST,
    "E": MarketState.CLOSED,
    "C": MarketState.CLOSED,
}
NOTHING, BOOK, TRADE = 0, 1, 2
"""What a message changed of what a quote shows."""


class Market:
    """Folds messages into the quotes that the venue's feed would have shown.

    Args:
        counts: Takes what is found and what cannot be kept.
        namespace: Put before every symbol.
    """

    def __init__(self, counts: CaptureCounts, namespace: str | None) -> None:
        self._counts = counts
        self._names = Names(namespace)
        self._sessions: dict[str, Session] = {}
        self._days = Days()
        self._day = self._days.find(0)
        self._channel = 0
        self._phase: MarketState | None = None
        self._levels = 0
        self._prices = Prices()
        self._takers: dict[type, Callable[[Any], int]] = {
            QuoteUpdate: self._show,
            TradeReport: self._trade,
            PriceLevel: self._level,
            TradingStatus: self._status,
            OperationalHalt: self._halt,
            SystemEvent: self._event,
        }

    def open(self, segment: Segment) -> list[Message]:
        """Return the messages of a segment, to be given to :meth:`take` in their order."""
        # One damaged time of a message shall not begin another day.
        self._day = self._days.find(segment.sent_ns)
        self._channel = segment.channel
        if segment.is_fresh or segment.is_after_gap:
            for session in self._sessions.values():
                if session.channel == segment.channel:
                    self._levels -= session.clear_book() if segment.is_fresh else 0
                    session.doubt_book()
        return decode_segment(segment, self._counts, self._names)

    def take(self, message: Message) -> int:
        """Take a message; return what it changed: ``NOTHING``, ``BOOK`` or ``TRADE``."""
        return self._takers[type(message)](message)

    @property
    def day(self) -> Day:
        """The venue's day of the newest segment."""
        return self._day

    def quote(self, symbol: str) -> Quote | None:
        """Return the newest quote in the venue's time, ``None`` while there is no price."""
        session = self._sessions.get(symbol)
        if session is None:
            return None
        return session.quote(symbol, self._prices)

    def forget(self, symbol: str) -> None:
        """Let go of what is known of a symbol."""
        session = self._sessions.pop(symbol, None)
        if session is not None:
            self._levels -= session.clear_book()

    def _find(self, symbol: str) -> Session | None:
        session = self._sessions.get(symbol)
        if session is None:
            if len(self._sessions) >= _MAX_SESSIONS:
                self._counts.invalid += 1
                return None
            session = self._sessions[symbol] = Session(self._channel)
        if session.day is not self._day:
            session.begin(self._day)
        return session

    def _show(self, message: QuoteUpdate) -> int:
        session = self._find(message.symbol)
        if session is None or not session.show(message):
            return NOTHING
        session.state = self._state(message.time_ns, message.flags & _OUT_OF_SESSION)
        return BOOK

    def _trade(self, message: TradeReport) -> int:
        session = self._find(message.symbol)
        if session is None:
            return NOTHING
        if message.is_break:
            return TRADE if session.take_back(message) else NOTHING
        session.trade(message)
        session.state = self._state(message.time_ns, message.flags & _EXTENDED)
        return TRADE

    def _level(self, message: PriceLevel) -> int:
        session = self._find(message.symbol)
        book = None if session is None else session.level(message.sequence)
        if session is None or book is None:
            return NOTHING
        if self._levels >= _MAX_LEVELS and message.size:
            self._counts.invalid += 1
            return NOTHING
        self._levels += book.set(message.price, message.size, is_buy=message.is_buy)
        if not message.is_complete:
            return NOTHING
        self._levels -= book.settle(is_buy=message.is_buy)
        session.state = self._phase or session.state
        return BOOK if session.publish(message.time_ns) else NOTHING

    def _status(self, message: TradingStatus) -> int:
        session = self._find(message.symbol)
        if session is None:
            return NOTHING
        return BOOK if session.set_status(message.status, message.time_ns) else NOTHING

    def _halt(self, message: OperationalHalt) -> int:
        session = self._find(message.symbol)
        if session is None:
            return NOTHING
        changed = session.set_halt(message.time_ns, is_halted=message.is_halted)
        return BOOK if changed else NOTHING

    def _event(self, message: SystemEvent) -> int:
        self._phase = _PHASES.get(message.event, self._phase)
        return NOTHING

    def _state(self, time_ns: int, outside: int) -> MarketState:
        if not outside:
            return MarketState.REGULAR
        return MarketState.PRE if time_ns < self._day.noon_ns else MarketState.POST
