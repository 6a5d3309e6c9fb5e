"""Folds the events of one symbol into the quote that a live feed would have shown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal

from msgspec import structs

from tickloom.model import Bar, Quality, Quote
from tickloom_replay.event import DAY, Book, Event
from tickloom_replay.factors import Factors

PROVIDER = "replay"
_PERCENT_PLACES = Decimal("0.0001")
# Room for the four places however small the price before was.
_WIDE = Context(prec=60)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Session:
    """What is known of a symbol at the point that the playback has reached.

    Args:
        step: Length of the bars that it takes, zero = ticks.
        factors: Split factors, so that the close before a split compares with the day after.

    The price is that of the last trade; before the first trade it is the middle of bid and ask.
    ``due`` is the recorded time of the newest event, ``played_at`` when it was played, ``None``
    where quotes carry their recorded times.
    """

    def __init__(self, step: timedelta, factors: Factors | None) -> None:
        self.due = _NEVER
        self.played_at: datetime | None = None
        self._closes = step >= DAY
        self._factors = factors
        self._day: date | None = None
        self._bar: Bar | None = None
        self._last: Decimal | None = None
        self._last_size: int | None = None
        self._previous_close: Decimal | None = None
        self._book = Book()
        self._recorded: Quote | None = None

    def take(self, event: Event) -> None:
        """Add an event."""
        self.due = event.due
        if event.quote is not None:
            self._recorded = event.quote
            return
        if event.session != self._day:
            self._begin(event.session)
        if event.bar is not None:
            self._bar = event.bar if self._bar is None else join_bars(self._bar, event.bar)
            self._last, self._last_size = event.bar.close_price, event.last_size
        if event.book is not None:
            self._book = _join_books(self._book, event.book)

    def _begin(self, day: date) -> None:
        if self._last is not None and self._day is not None:
            close = self._last
            if self._factors is not None:
                close = self._factors.carry(close, self._day, day)
            self._previous_close = self._last = close
        self._day, self._bar, self._last_size = day, None, None

    def quote(self, symbol: str, timestamp: datetime | None, received_at: datetime) -> Quote | None:
        """Return the quote as of now, ``None`` while there is no price.

        Args:
            symbol: Canonical, in capitals.
            timestamp: Time of the prices; ``None`` = as recorded.
            received_at: When they were played.
        """
        if self._recorded is not None:
            return structs.replace(
                self._recorded,
                provider=PROVIDER,
                timestamp=timestamp or self._recorded.timestamp,
                received_at=received_at,
                is_real_time=False,
                fallback_from=None,
                fallback_reason=None,
                sequence=0,
                quality=Quality.OK,
                quality_codes=(),
            )
        price, bar, book = self._price(), self._bar, self._book
        if price is None:
            return None
        change, percent = _change(price, self._previous_close)
        return Quote(
            symbol=symbol,
            provider=PROVIDER,
            timestamp=timestamp or self.due,
            received_at=received_at,
            is_real_time=False,
            current_price=price,
            open_price=bar.open_price if bar else None,
            high_price=bar.high_price if bar else None,
            low_price=bar.low_price if bar else None,
            close_price=bar.close_price if bar and self._closes else None,
            previous_close=self._previous_close,
            volume=bar.volume if bar else None,
            price_change=change,
            price_change_percent=percent,
            bid=book.bid,
            ask=book.ask,
            bid_size=book.bid_size,
            ask_size=book.ask_size,
            last_size=self._last_size,
        )

    def _price(self) -> Decimal | None:
        if self._last is not None:
            return self._last
        if self._book.bid is None or self._book.ask is None:
            return None
        return (self._book.bid + self._book.ask) / 2


def join_bars(earlier: Bar, later: Bar) -> Bar:
    """Return one bar over both, with the begin of ``earlier``; unknown volume counts as none."""
    volume = earlier.volume
    if later.volume is not None:
        volume = later.volume + (volume or 0)
    return Bar(
        timestamp=earlier.timestamp,
        open_price=earlier.open_price,
        high_price=max(earlier.high_price, later.high_price),
        low_price=min(earlier.low_price, later.low_price),
        close_price=later.close_price,
        volume=volume,
    )


def _join_books(old: Book, new: Book) -> Book:
    if not new.partial:
        return new
    bid = old if new.bid is None else new
    ask = old if new.ask is None else new
    return Book(bid=bid.bid, bid_size=bid.bid_size, ask=ask.ask, ask_size=ask.ask_size)


def _change(price: Decimal, before: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
    if before is None:
        return None, None
    change = price - before
    if not before:
        return change, None
    return change, (change / before * 100).quantize(_PERCENT_PLACES, context=_WIDE)
