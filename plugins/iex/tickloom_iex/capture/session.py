"""What is known of one symbol at one point of the captures, and its quote."""

from __future__ import annotations

from array import array
from copy import copy
from datetime import datetime
from decimal import Context, Decimal

from msgspec import Struct, structs

from tickloom.model import MarketState, Quote
from tickloom_iex.capture.book import EMPTY, Book, Top
from tickloom_iex.capture.days import Day
from tickloom_iex.capture.eligibility import Rank, rank_of
from tickloom_iex.capture.messages import QuoteFlag, QuoteUpdate, TradeReport
from tickloom_iex.capture.prices import Prices, time_of

PROVIDER = "iex_captures"
EXCHANGE = "IEX"
CURRENCY = "USD"
_RECENT = 32
# Trade id, price, size and rank.
_FIELDS = 4
_NEVER = time_of(0)
_NOT_ACTIVE = int(QuoteFlag.NOT_ACTIVE)
_PLACES = Decimal("0.0001")
_WIDE = Context(prec=60)
_STATUS = {"H": "halted", "O": "orders accepted", "P": "paused"}


class Tally(Struct, gc=False):
    """The trades of one day so far; prices in ten-thousandths of a dollar, 0 = none yet."""

    rank: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    last: int = 0
    last_size: int = 0
    volume: int = 0

    def add(self, price: int, size: int, rank: int) -> None:
        """Count a trade; prices of a lower rank give way to those of a higher one."""
        self.volume += size
        if rank > self.rank:
            self.rank = rank
            self.open = self.high = self.low = price
        elif not rank or rank < self.rank:
            return
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.last, self.last_size = price, size


class Session:
    """What is known of a symbol.

    The price is that of the last trade that may set one, else the middle of bid and ask, as it is
    before the first trade. The broken trade is taken back wholly where it is one of the last 32
    of the symbol; of an older one only the volume is.

    Attributes:
        channel: The venue's channel that tells of it.
        due_ns: Time of the newest message.
        day: The venue's day of the newest message.
        book: The price levels, where the capture is one of DEEP.
        state: Phase of the venue's day, as the newest message tells it; ``None`` = not told.
    """

    __slots__ = (
        *("_base", "_is_halted", "_old", "_previous", "_recent", "_status", "_tally", "_top"),
        *("_top_sequence", "book", "channel", "day", "due_ns", "state"),
    )

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.due_ns = 0
        self.book: Book | None = None
        self.state: MarketState | None = None
        self.day: Day | None = None
        # The quote without bid and ask; ``None`` = to be made anew.
        self._base: Quote | None = None
        self._status = "T"
        self._is_halted = False
        self._previous = 0
        self._tally = Tally()
        self._old = Tally()
        # Flat, since a tuple for each trade of each symbol would slow the garbage collector down.
        self._recent = array("q")
        self._top = EMPTY
        self._top_sequence = -1

    def begin(self, day: Day) -> None:
        """Go on to ``day``, where it is another one: the last price becomes the one before."""
        before, self.day = self.day, day
        if before is not None and before.day == day.day:
            return
        if self._tally.last:
            self._previous = self._tally.last
        self._tally, self._old, self._base = Tally(), Tally(), None
        del self._recent[:]

    def show(self, message: QuoteUpdate) -> bool:
        """Take bid and ask of TOPS; false where they are older than those at hand."""
        if message.sequence <= self._top_sequence:
            return False
        self._top_sequence, self.due_ns = message.sequence, message.time_ns
        if message.flags & _NOT_ACTIVE:
            self._top = EMPTY
        else:
            self._top = Top(message.bid, message.bid_size, message.ask, message.ask_size)
        return True

    def level(self, sequence: int) -> Book | None:
        """Return the book for a level of DEEP; ``None`` where the level is older than the book."""
        if sequence <= self._top_sequence:
            return None
        self._top_sequence = sequence
        if self.book is None:
            self.book = Book()
        return self.book

    def publish(self, time_ns: int) -> bool:
        """Take the best levels of the book, now that it is complete; true where they changed."""
        top = EMPTY if self.book is None else self.book.top()
        if top == self._top:
            return False
        self._top, self.due_ns = top, time_ns
        return True

    def clear_book(self) -> int:
        """Forget bid and ask, since the venue begins anew; return how many levels that were."""
        size = 0 if self.book is None else len(self.book)
        self.book, self._top, self._top_sequence = None, EMPTY, -1
        return size

    def doubt_book(self) -> None:
        """Take note that messages which removed levels may be missing."""
        if self.book is not None:
            self.book.is_doubtful = True

    def trade(self, message: TradeReport) -> None:
        """Take a trade."""
        price, size, rank = message.price, message.size, rank_of(message.flags)
        self._tally.add(price, size, rank)
        recent = self._recent
        if len(recent) == _RECENT * _FIELDS:
            self._old.add(*recent[1:_FIELDS])
            del recent[:_FIELDS]
        recent.extend((message.trade_id, price, size, rank))
        self.due_ns, self._base = message.time_ns, None

    def take_back(self, message: TradeReport) -> bool:
        """Take a trade back; false where there was no such trade this day."""
        recent = self._recent
        starts = range(0, len(recent), _FIELDS)
        place = next((start for start in starts if recent[start] == message.trade_id), None)
        if place is not None:
            del recent[place : place + _FIELDS]
        elif len(recent) == _RECENT * _FIELDS:
            self._old.volume = max(0, self._old.volume - message.size)
        else:
            return False
        self._tally = copy(self._old)
        for start in range(0, len(recent), _FIELDS):
            self._tally.add(*recent[start + 1 : start + _FIELDS])
        self.due_ns, self._base = message.time_ns, None
        return True

    def set_status(self, status: str, time_ns: int) -> bool:
        """Take the trading status; true where it is another one."""
        changed = status != self._status
        if changed:
            self._status, self.due_ns, self._base = status, time_ns, None
        return changed

    def set_halt(self, time_ns: int, *, is_halted: bool) -> bool:
        """Take whether the venue alone has halted the symbol; true where that changed."""
        changed = is_halted != self._is_halted
        if changed:
            self._is_halted, self.due_ns, self._base = is_halted, time_ns, None
        return changed

    def quote(self, symbol: str, prices: Prices) -> Quote | None:
        """Return the quote as of now in the venue's time, ``None`` while there is no price."""
        # Most messages change bid and ask alone, and a changed copy costs a third of a new quote.
        base = self._base
        if base is None:
            base = self._base = self._make_base(symbol, prices)
        top = self._top
        bid = prices[top.bid] if top.bid and top.bid_size else None
        ask = prices[top.ask] if top.ask and top.ask_size else None
        price = base.current_price
        if not price:
            if bid is None or ask is None:
                return None
            price = (bid + ask) / 2
        time = time_of(self.due_ns)
        return structs.replace(
            base,
            timestamp=time,
            received_at=time,
            current_price=price,
            bid=bid,
            ask=ask,
            bid_size=None if bid is None else top.bid_size,
            ask_size=None if ask is None else top.ask_size,
            market_state=self.state,
        )

    def _make_base(self, symbol: str, prices: Prices) -> Quote:
        tally = self._tally
        has_price = tally.rank > Rank.VOLUME
        previous = prices[self._previous] if self._previous else None
        price = prices[tally.last or self._previous]
        return Quote(
            symbol=symbol,
            provider=PROVIDER,
            timestamp=_NEVER,
            received_at=_NEVER,
            is_real_time=False,
            current_price=price,
            open_price=prices[tally.open] if has_price else None,
            high_price=prices[tally.high] if has_price else None,
            low_price=prices[tally.low] if has_price else None,
            previous_close=previous,
            volume=tally.volume or None,
            price_change=None if previous is None else price - previous,
            price_change_percent=None if previous is None else _percent(price, previous),
            last_size=tally.last_size or None,
            currency=CURRENCY,
            exchange=EXCHANGE,
            additional_data=self._remarks(),
        )

    def _remarks(self) -> dict[str, str] | None:
        status = "halted" if self._is_halted else _STATUS.get(self._status)
        return None if status is None else {"trading_status": status}


def _percent(price: Decimal, before: Decimal) -> Decimal:
    return ((price - before) / before * 100).quantize(_PLACES, context=_WIDE)


def stamp(quote: Quote, timestamp: datetime | None, received_at: datetime) -> Quote:
    """Return the quote as it is played.

    Args:
        quote: In the venue's time.
        timestamp: Time of the prices; ``None`` = the venue's.
        received_at: When it is played.
    """
    return structs.replace(quote, timestamp=timestamp or quote.timestamp, received_at=received_at)
