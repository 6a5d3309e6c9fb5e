"""The ticks of one instrument, as quotes."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import floor

from tickloom.model import MarketState, Quote
from tickloom_simulated.instrument import Instrument
from tickloom_simulated.price import to_percent, to_price
from tickloom_simulated.session import to_time
from tickloom_simulated.tape import Tape
from tickloom_simulated.walk import LOT, draw_from

PROVIDER = "simulated"
EXCHANGE = "SIM"
CURRENCY = "USD"
NANOSECONDS = 1_000_000_000
_ODD = 0.1
_INSIDE = 0.2
_AT_ASK = 0.6
_BREATH = 0.2
_SIZES = tuple(LOT * lots for lots in (1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 10, 15, 20, 50))
_SIZE_COUNT = len(_SIZES)


class Ticker:
    """Makes the quote of any tick; the next tick is made most cheaply.

    Tick ``number`` falls ``phase_ns + number * period_ns`` nanoseconds after 1970. Those of a
    second share its volume: the first one trades, a later one where a lot falls to it. The others
    move bid and ask only. The last price lies at the bid, at the ask or between, and within the
    bar of its second.

    Args:
        instrument: Whose ticks.
        period_ns: Nanoseconds from one tick to the next.
        now_ns: Nanoseconds since 1970, near which the first tick will be asked for.
    """

    def __init__(self, instrument: Instrument, period_ns: int, now_ns: int) -> None:
        self.symbol = instrument.symbol
        self.phase_ns = floor(instrument.phase * period_ns)
        self._period_ns = period_ns
        self._key = instrument.ticks_key
        self._widest = 2 + instrument.base // 8_000
        self._tape = Tape(instrument, now_ns // NANOSECONDS)
        self._enter(now_ns // NANOSECONDS)

    def newest(self, now_ns: int) -> int:
        """Return the number of the newest tick at a time in nanoseconds since 1970."""
        return (now_ns - self.phase_ns) // self._period_ns

    def quote(self, number: int, received_at: datetime) -> Quote:
        """Return the quote of a tick.

        Args:
            number: Which tick; going back is possible, and costs more than going on.
            received_at: What the quote shall say; not before the tick's own time.
        """
        at_ns = self.phase_ns + number * self._period_ns
        if not max(self._first, self._next - 1) <= number < self._end:
            self._enter(at_ns // NANOSECONDS)
        while self._next <= number:
            self._step()
        return Quote(
            symbol=self.symbol,
            provider=PROVIDER,
            timestamp=self._begin + timedelta(0, 0, at_ns % NANOSECONDS // 1_000),
            received_at=received_at,
            is_real_time=False,
            current_price=self._price,
            open_price=self._open,
            high_price=self._high,
            low_price=self._low,
            previous_close=self._previous_close,
            volume=self._volume,
            price_change=self._change,
            price_change_percent=self._percent,
            bid=to_price(self._bid),
            ask=to_price(self._bid + self._spread),
            bid_size=self._bid_size,
            ask_size=self._ask_size,
            last_size=self._last_size,
            currency=CURRENCY,
            exchange=EXCHANGE,
            market_state=MarketState.REGULAR,
        )

    def _enter(self, second: int) -> None:
        tape = self._tape
        tape.seek(second)
        # Rounded up: the first tick not before the second, and the first one after it.
        begin_ns = second * NANOSECONDS
        self._first = self._next = -((self.phase_ns - begin_ns) // self._period_ns)
        self._end = -((self.phase_ns - begin_ns - NANOSECONDS) // self._period_ns)
        self._count = self._end - self._first
        self._begin = to_time(second)
        self._draw = draw_from(self._key + second)
        self._spread = 1 + floor(self._draw() * (self._widest - 1))
        self._open = to_price(tape.session.open)
        self._previous_close = to_price(tape.previous_close)
        self._top, self._bottom = tape.seen.high, tape.seen.low
        self._high, self._low = to_price(self._top), to_price(self._bottom)
        self._volume_before = self._volume = tape.seen.lots * LOT
        self._lots = tape.second.lots
        self._volume_after = self._volume + self._lots * LOT

    def _step(self) -> None:
        draw = self._draw
        place = self._next - self._first
        self._next += 1
        if place == self._count - 1:
            volume = self._volume_after
        else:
            lots = int(self._lots * (place + draw()) / self._count)
            volume = self._volume_before + lots * LOT
            if volume > self._volume and draw() < _ODD:
                volume = max(self._volume + 1, volume - 1 - int(draw() * (LOT - 1)))
        if place == 0 and volume == self._volume:
            volume += LOT
        if volume > self._volume:
            self._last_size = volume - self._volume
            self._volume = volume
            self._trade((place + 1) / self._count)
        spread, breath = self._spread, draw()
        if breath < _BREATH:
            spread -= spread > 1
        elif breath < 2 * _BREATH:
            spread += spread < self._widest
        self._spread = spread
        inside = draw()
        if inside < _INSIDE:
            below = int(inside / _INSIDE * (spread + 1))
        else:
            # Most prices are at the ask or at the bid.
            below = spread if inside < _AT_ASK else 0
        self._bid = self._last - below
        self._bid_size = _SIZES[int(draw() * _SIZE_COUNT)]
        self._ask_size = _SIZES[int(draw() * _SIZE_COUNT)]

    def _trade(self, way: float) -> None:
        span, draw = self._tape.second, self._draw
        aim = span.open + (span.close - span.open) * way + (draw() - 0.5) * (span.high - span.low)
        last = self._last = min(max(int(aim + draw()), span.low), span.high)
        if last > self._top:
            self._top, self._high = last, to_price(last)
        if last < self._bottom:
            self._bottom, self._low = last, to_price(last)
        change = last - self._tape.previous_close
        self._price, self._change = to_price(last), to_price(change)
        self._percent = to_percent(change, self._tape.previous_close)
