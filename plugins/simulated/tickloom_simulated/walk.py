"""One symbol's live market: a walk around its fair price, with spread, sizes and a session."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from tickloom.model import MarketState, Quote
from tickloom_simulated.level import Level

_DAY_S = 86_400
_ANCHOR_S = 1.0
_PULL = 0.02


@lru_cache(maxsize=200_000)
def hundredths(count: int) -> Decimal:
    """Return ``count`` hundredths exactly; prices repeat, so most are at hand."""
    return Decimal(count).scaleb(-2)


class Walk:
    """Makes one tick after the other. Everything is counted in whole cents.

    A session is a day in UTC, and the market never closes. Each day opens at the last day's close.

    Args:
        symbol: With its prefix.
        seed: The same seed gives the same ticks for the same times.
    """

    def __init__(self, symbol: str, seed: int) -> None:
        self.symbol = symbol
        self.level = Level(symbol, seed)
        self._random = random.Random(f"{seed}/{symbol}")  # noqa: S311 - reproducible on purpose
        self._deviation = 0.0
        self._anchor = 0.0
        self._anchor_until_s = float("-inf")
        self._session_end_s = float("-inf")
        self._open = self._high = self._low = self._volume = 0

    def tick(self, at_s: float, received_at: datetime) -> Quote:
        """Return the quote of the next tick.

        Args:
            at_s: When it happens at the simulated venue, in seconds of the Unix epoch; not before
                the last tick.
            received_at: When the host gets it.
        """
        if at_s >= self._session_end_s:
            self._begin_session(at_s)
        if at_s >= self._anchor_until_s:
            self._anchor = self.level.cents(at_s)
            self._anchor_until_s = at_s + _ANCHOR_S
        chance = self._random
        spread_unit = self._anchor * 0.0001
        shock = (chance.random() + chance.random() + chance.random() - 1.5) * spread_unit
        self._deviation += shock - self._deviation * _PULL
        middle = max(2, round(self._anchor + self._deviation))
        draw = chance.random()
        half = 1 + int(draw * draw * spread_unit)
        bid, ask = max(1, middle - half), middle + int(draw * 7) % 2 + half - 1
        ask = max(ask, bid + 1)
        price = bid if chance.random() < 0.5 else ask  # noqa: PLR2004 - heads or tails
        size = 100 * (1 + int(20 * chance.random() ** 4))
        if draw < 0.1:  # noqa: PLR2004 - one trade in ten is an odd lot
            size = 1 + int(990 * draw)
        self._volume += size
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        return self._quote(at_s, received_at, price, bid, ask, size)

    def _quote(
        self, at_s: float, received_at: datetime, price: int, bid: int, ask: int, size: int
    ) -> Quote:
        change = price - self._open
        opened = hundredths(self._open)
        return Quote(
            symbol=self.symbol,
            provider="simulated",
            timestamp=datetime.fromtimestamp(at_s, UTC),
            received_at=received_at,
            is_real_time=False,
            current_price=hundredths(price),
            open_price=opened,
            high_price=hundredths(self._high),
            low_price=hundredths(self._low),
            previous_close=opened,
            volume=self._volume,
            price_change=hundredths(change),
            price_change_percent=hundredths((2 * change * 10_000 + self._open) // (2 * self._open)),
            bid=hundredths(bid),
            ask=hundredths(ask),
            bid_size=100 + size,
            ask_size=100 + 100 * (self._volume % 9),
            last_size=size,
            currency="USD",
            exchange="SIM",
            market_state=MarketState.REGULAR,
        )

    def _begin_session(self, at_s: float) -> None:
        start_s = at_s - at_s % _DAY_S
        self._session_end_s = start_s + _DAY_S
        self._open = self._high = self._low = max(1, round(self.level.cents(start_s)))
        self._volume = 0
