"""The stream that the host subscribes to."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from operator import attrgetter

from loguru import logger

from tickloom.clock import Clock
from tickloom.model import Quote
from tickloom_simulated.session import now_in_nanoseconds, to_microseconds
from tickloom_simulated.ticker import NANOSECONDS, Ticker

_USUAL_BATCH = 256
# Ticks that fall so close together are given out at once: it saves wake-ups.
_SLICE_NS = 10_000_000
_LONGEST_DEBT_NS = NANOSECONDS
# The wall clock may be set while we sleep.
_LONGEST_SLEEP_NS = NANOSECONDS
_phase_of = attrgetter("phase_ns")


class SimulatedStream:
    """One open stream: all ticks of the subscribed symbols from the subscription on.

    Whoever iterates sets the pace. One that falls more than a second behind the clock goes on with
    the begin of the present second; the ticks left out are counted and told in the log.

    Args:
        make_ticker: Gives a ticker of its own for a symbol, ``None`` = not a symbol of ours.
        period_ns: Nanoseconds from one tick of a symbol to its next.
        clock: When a tick is due.
        on_close: Told once when the stream is closed.

    Attributes:
        skipped_ticks: How many ticks were left out so far.
    """

    def __init__(
        self,
        *,
        make_ticker: Callable[[str], Ticker | None],
        period_ns: int,
        clock: Clock,
        on_close: Callable[[SimulatedStream], None],
    ) -> None:
        self.skipped_ticks = 0
        self._told = 0
        self._make_ticker = make_ticker
        self._period_ns = period_ns
        self._clock = clock
        self._on_close = on_close
        self._closed = False
        # In order of the phase, which is the order of their ticks in every period.
        self._tickers: list[Ticker] = []
        self._phases: list[int] = []
        self._reached_ns = 0
        self._sleepers: set[asyncio.Task[None]] = set()

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Add symbols; those not simulated are told in the log and stay silent."""
        found = []
        for symbol in sorted(set(symbols)):
            ticker = self._make_ticker(symbol)
            if ticker is None:
                logger.warning("simulated: {} is not simulated and stays silent", symbol)
            else:
                found.append(ticker)
            # Finding where a symbol stands takes about half a millisecond.
            await self._clock.sleep(0)
        if not self._tickers:
            self._reached_ns = now_in_nanoseconds(self._clock)
        known = {ticker.symbol for ticker in self._tickers}
        self._keep([*self._tickers, *(one for one in found if one.symbol not in known)])
        self._wake()

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Remove symbols; those not there are ignored."""
        self._keep([ticker for ticker in self._tickers if ticker.symbol not in symbols])

    def _keep(self, tickers: list[Ticker]) -> None:
        self._tickers = sorted(tickers, key=_phase_of)
        self._phases = [ticker.phase_ns for ticker in self._tickers]

    def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        return self

    async def __anext__(self) -> Sequence[Quote]:
        """Wait for the next batch, oldest first."""
        # A reader with a debt would never wait otherwise.
        await self._clock.sleep(0)
        while not self._closed:
            batch = self._take()
            if batch:
                return batch
            await self._rest()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the iteration."""
        if not self._closed:
            self._closed = True
            self._wake()
            self._on_close(self)

    def _take(self) -> list[Quote]:
        now = self._clock.now()
        now_ns = to_microseconds(now) * 1_000
        batch: list[Quote] = []
        if not self._tickers:
            return batch
        self._limit_debt(now_ns)
        slice_ns = _USUAL_BATCH * self._period_ns // len(self._tickers) + 1
        while not batch and self._reached_ns + _SLICE_NS <= now_ns:
            begin_ns = self._reached_ns
            self._reached_ns = min(now_ns, begin_ns + slice_ns)
            due = self._due(begin_ns, self._reached_ns)
            batch = [ticker.quote(number, now) for ticker, number in due]
        return batch

    def _due(self, after_ns: int, until_ns: int) -> Iterator[tuple[Ticker, int]]:
        period_ns, phases, tickers = self._period_ns, self._phases, self._tickers
        for number in range(after_ns // period_ns, until_ns // period_ns + 1):
            first = bisect_right(phases, after_ns - number * period_ns)
            last = bisect_right(phases, until_ns - number * period_ns)
            for place in range(first, last):
                yield tickers[place], number

    def _limit_debt(self, now_ns: int) -> None:
        # A whole second: a ticker finds its begin without making the ticks before it.
        oldest_ns = now_ns // NANOSECONDS * NANOSECONDS
        if self._reached_ns > now_ns + _LONGEST_DEBT_NS:
            # The clock was set back; its new time counts.
            self._reached_ns = now_ns
        elif self._reached_ns < now_ns - _LONGEST_DEBT_NS:
            self.skipped_ticks += sum(
                ticker.newest(oldest_ns) - ticker.newest(self._reached_ns)
                for ticker in self._tickers
            )
            self._reached_ns = oldest_ns
            if self.skipped_ticks > 2 * self._told:
                self._told = self.skipped_ticks
                logger.warning(
                    "simulated: {} ticks left out so far, because they are taken too slowly",
                    self.skipped_ticks,
                )

    async def _rest(self) -> None:
        sleeper = asyncio.create_task(self._clock.sleep(self._pause_ns() / NANOSECONDS))
        self._sleepers.add(sleeper)
        try:
            await asyncio.wait([sleeper])
        finally:
            self._sleepers.discard(sleeper)
            sleeper.cancel()

    def _pause_ns(self) -> int:
        if not self._tickers:
            return _LONGEST_SLEEP_NS
        number, passed_ns = divmod(self._reached_ns, self._period_ns)
        place = bisect_right(self._phases, passed_ns)
        number += place // len(self._phases)
        due_ns = number * self._period_ns + self._phases[place % len(self._phases)]
        pause_ns = max(due_ns, self._reached_ns + _SLICE_NS) - now_in_nanoseconds(self._clock)
        # Clocks count microseconds: rounded up, or we would wake before the tick.
        return min(max(0, -(-pause_ns // 1_000)) * 1_000, _LONGEST_SLEEP_NS)

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            sleeper.cancel()
