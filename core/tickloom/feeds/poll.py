"""Asks for wanted symbols again and again, for providers that do not push."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import NotFound, TickloomError
from tickloom.feeds.intake import Intake
from tickloom.feeds.reader import Reader
from tickloom.model import Quote

# A vendor may err for a moment; the symbol is asked for again after this time.
_UNKNOWN_S = 60.0


class PollFeed:
    """One loop over the symbols that are read at one interval.

    Args:
        reader: Asks with failover.
        intake: Where quotes go.
        refuse: Told which symbol turned out to be unknown, and why.
        settled: Called after each round, when the health of the providers is known anew.
        clock: For the interval.
        interval_s: Time from the end of one round to the begin of the next, in seconds.
        name: Names the task.
    """

    def __init__(
        self,
        reader: Reader,
        intake: Intake,
        refuse: Callable[[str, TickloomError], None],
        settled: Callable[[], None],
        clock: Clock,
        interval_s: float,
        name: str,
    ) -> None:
        self._reader = reader
        self._intake = intake
        self._refuse = refuse
        self._settled = settled
        self._clock = clock
        self._interval_s = interval_s
        self._name = name
        self._wanted: set[str] = set()
        self._unknown: dict[str, tuple[float, TickloomError]] = {}
        self._last: dict[str, tuple[object, ...]] = {}
        self._task: asyncio.Task[None] | None = None
        self.rounds = 0

    async def want(self, symbols: set[str]) -> None:
        """Make ``symbols`` the whole set that is polled; an empty set stops the loop."""
        self._wanted = symbols
        self._unknown = {
            symbol: since for symbol, since in self._unknown.items() if symbol in symbols
        }
        self._last = {symbol: seen for symbol, seen in self._last.items() if symbol in symbols}
        if not symbols:
            await self.aclose()
        elif self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"poll {self._name}")

    async def aclose(self) -> None:
        """Stop the loop and wait until its task is gone."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._round(self._due())
            except Exception as error:  # noqa: BLE001 - one bad round must not end the polling
                logger.opt(exception=error).error("a round of polls failed")
            await self._clock.sleep(self._interval_s)

    def unknown(self, symbol: str) -> TickloomError | None:
        """Return why a symbol is not asked for at the moment, ``None`` where it is."""
        until_s, error = self._unknown.get(symbol, (0.0, None))
        return error if self._clock.monotonic() < until_s else None

    def _due(self) -> list[str]:
        return sorted(symbol for symbol in self._wanted if self.unknown(symbol) is None)

    async def _round(self, symbols: Iterable[str]) -> None:
        answers = await self._reader.quotes(list(symbols))
        self.rounds += 1
        for symbol, answer in answers.items():
            if isinstance(answer, Quote):
                if self._is_news(answer):
                    self._intake.accept(answer)
                else:
                    self._intake.confirm(symbol)
            elif isinstance(answer, NotFound):
                self._unknown[symbol] = (self._clock.monotonic() + _UNKNOWN_S, answer)
                self._refuse(symbol, answer)
        self._settled()

    def _is_news(self, quote: Quote) -> bool:
        # A poll that finds what the last one found is no tick.
        seen = (quote.timestamp, quote.current_price, quote.volume, quote.bid, quote.ask)
        if self._last.get(quote.symbol) == (quote.provider, *seen):
            return False
        self._last[quote.symbol] = (quote.provider, *seen)
        return True
