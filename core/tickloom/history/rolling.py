"""Longer bars out of shorter ones. Pure.

Of the bars of one bucket the first gives the open, the last the close, and the extremes high and
low; volumes and trade counts are added, and the average price is weighted by volume. Opens and
closes are never averaged or filled, so that a roll-up of a roll-up is the roll-up.

Buckets below a day are counted from the begin of the venue's session, as vendors do: hours of New
York begin at 9:30. What trades before it is counted backwards from there. Where no session is
known, as for currencies, crypto and invented symbols, they are counted from the begin of the
venue's day. A bucket never crosses into another day, and its last one may be shorter.
Weeks begin on Monday and months on their first day, whether the venue is open then or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal

from tickloom.model import Bar, Interval, begin_of, day_of

OpenOf = Callable[[date], datetime | None]
"""When the session of a day begins, aware UTC; ``None`` = there is none, or it is not known."""

FINER: dict[Interval, Interval] = {
    Interval.MINUTES_2: Interval.MINUTE,
    Interval.MINUTES_5: Interval.MINUTE,
    Interval.MINUTES_15: Interval.MINUTE,
    Interval.MINUTES_30: Interval.MINUTE,
    Interval.HOUR: Interval.MINUTE,
    Interval.WEEK: Interval.DAY,
    Interval.MONTH: Interval.DAY,
}
"""Out of which bars longer ones can be made exactly.

Days are not made of minutes: the close of a venue's day comes from its auction, and its volume
counts trades that no minute has.
"""

_DAY = timedelta(days=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
# Enough for the digits of a price and those of a volume.
_WIDE = Context(prec=40)
_AVERAGE_PLACES = Decimal("0.000001")


class Roller:
    """Takes the bars of one symbol oldest first and gives longer ones as soon as they are over.

    Args:
        symbol: Canonical.
        interval: Of the bars that are made; one of :data:`FINER`.
        open_of: See above; asked for every day once.
    """

    def __init__(self, symbol: str, interval: Interval, open_of: OpenOf) -> None:
        self._symbol = symbol
        self._interval = interval
        self._open_of = open_of
        self._begin = self._day_end = self._bucket_end = _NEVER
        self._anchor = self._day_begin = _NEVER
        self._bucket: list[Bar] = []

    def add(self, bars: Sequence[Bar]) -> list[Bar]:
        """Take bars; return those that are over now."""
        over = []
        for bar in bars:
            if bar.timestamp >= self._bucket_end:
                over += self.end()
                self._turn(bar.timestamp)
            self._bucket.append(bar)
        return over

    def end(self) -> list[Bar]:
        """Return the last bar, if there is one."""
        if not self._bucket:
            return []
        bar = join_bars(self._begin, self._bucket)
        self._bucket = []
        return [bar]

    def _turn(self, moment: datetime) -> None:
        if not self._interval.is_intraday:
            first, after = period_of(self._interval, day_of(self._symbol, moment))
            self._begin = begin_of(self._symbol, first)
            self._bucket_end = begin_of(self._symbol, after)
            return
        if moment >= self._day_end:
            day = day_of(self._symbol, moment)
            self._day_begin = begin_of(self._symbol, day)
            self._day_end = begin_of(self._symbol, day + _DAY)
            self._anchor = self._open_of(day) or self._day_begin
        length = self._interval.duration
        begin = self._anchor + (moment - self._anchor) // length * length
        self._begin = max(begin, self._day_begin)
        self._bucket_end = min(begin + length, self._day_end)


def period_of(interval: Interval, day: date) -> tuple[date, date]:
    """Return the first day of the week or month of ``day``, and the first day after it."""
    if interval is Interval.WEEK:
        first = day - _DAY * day.weekday()
        return first, first + 7 * _DAY
    first = day.replace(day=1)
    return first, (first + 32 * _DAY).replace(day=1)


def join_bars(begin: datetime, bars: Sequence[Bar]) -> Bar:
    """Return one bar of several, which are in order and at least one."""
    return Bar(
        timestamp=begin,
        open_price=bars[0].open_price,
        high_price=max(bar.high_price for bar in bars),
        low_price=min(bar.low_price for bar in bars),
        close_price=bars[-1].close_price,
        volume=_total([bar.volume for bar in bars]),
        adjusted_close=bars[-1].adjusted_close,
        trade_count=_total([bar.trade_count for bar in bars]),
        vwap=_average(bars),
    )


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _average(bars: Sequence[Bar]) -> Decimal | None:
    if len(bars) == 1:
        return bars[0].vwap
    paid, units = Decimal(0), 0
    for bar in bars:
        # A bar in which nothing was traded has no weight, and needs no average.
        if bar.volume == 0:
            continue
        if bar.volume is None or bar.vwap is None:
            return None
        paid = _WIDE.add(paid, _WIDE.multiply(bar.vwap, Decimal(bar.volume)))
        units += bar.volume
    if not units:
        return None
    return _WIDE.divide(paid, Decimal(units)).quantize(_AVERAGE_PLACES, context=_WIDE)
