"""Asks for wanted symbols again and again, for what no stream brings."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from typing import Protocol

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import NotFound, TickloomError, Unavailable
from tickloom.feeds.reader import Reader
from tickloom.feeds.sessions import Sessions
from tickloom.feeds.source import Source
from tickloom.model import Quote

# A poll waits so long for its place in a budget before the next provider is asked instead.
_PATIENCE_S = 60.0
# A vendor may err for a moment; an unknown symbol is asked for again after this time.
_UNKNOWN_S = 60.0
# Delayed prices arrive up to twenty minutes after the close.
_SETTLE_S = 1_200.0
_CLOSED_LOOK_S = 60.0
_SOONEST_S = 0.01
_BUSY_S = 1.0
_EARLY = 0.1


class Told(Protocol):
    """Who hears what polls find."""

    def found(self, quote: Quote, *, news: bool) -> None:
        """Take an answer; without ``news`` it is the same as the last one."""
        ...

    def refused(self, symbol: str, error: TickloomError) -> None:
        """Take note that nobody knows the symbol."""
        ...

    def settled(self) -> None:
        """Take note that the health of the providers is known anew."""
        ...


class PollFeed:
    """Asks one provider, and those behind it, for each wanted symbol at its own interval.

    The longest overdue symbols come first, joined into the largest batch that the provider takes,
    so none starves however small the budget. Symbols asked for before are spread over the budget;
    new ones go at once where it allows. A closed venue is asked once more after its prices have
    settled, and then left alone until it opens.

    Args:
        source: The provider that is asked first.
        reader: Asks with failover.
        told: Hears the answers.
        sessions: Whether a venue is open; ``None`` = they are always.
        clock: For the intervals.
    """

    def __init__(
        self, source: Source, reader: Reader, told: Told, sessions: Sessions | None, clock: Clock
    ) -> None:
        self._source = source
        self._reader = reader
        self._told = told
        self._sessions = sessions
        self._clock = clock
        self._interval_s: Mapping[str, float] = {}
        self._due: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []
        self._answered_at: dict[str, float] = {}
        self._unknown: dict[str, tuple[float, TickloomError]] = {}
        self._last: dict[str, tuple[object, ...]] = {}
        self._next_repeat_s = 0.0
        self._batches: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Task[None] | None = None
        self.rounds = 0

    async def want(self, symbols: Mapping[str, float]) -> None:
        """Make ``symbols`` the whole set that is polled, each with its interval in seconds."""
        now_s = self._clock.monotonic()
        for symbol, interval_s in symbols.items():
            before_s = self._interval_s.get(symbol)
            if before_s is None:
                self._put(symbol, max(now_s, self._due.get(symbol, now_s)))
            elif interval_s < before_s and symbol in self._due:
                self._put(symbol, min(self._due[symbol], now_s + interval_s))
        self._interval_s = symbols
        for kept in (self._due, self._answered_at, self._unknown, self._last):
            for symbol in kept.keys() - symbols.keys():
                del kept[symbol]
        if not symbols:
            await self.aclose()
            return
        if self._timer is None:
            self._timer = asyncio.create_task(self._run(), name=f"poll {self._source.name}")
        self._dispatch()

    async def aclose(self) -> None:
        """Stop asking and wait until no task is left."""
        timer, self._timer = self._timer, None
        tasks = [*self._batches, *([timer] if timer is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._interval_s = {}
        self._due.clear()
        self._queue.clear()

    def unknown(self, symbol: str) -> TickloomError | None:
        """Return why a symbol is not asked for at the moment, ``None`` where it is."""
        until_s, error = self._unknown.get(symbol, (0.0, None))
        return error if self._clock.monotonic() < until_s else None

    def _put(self, symbol: str, due_s: float) -> None:
        self._due[symbol] = due_s
        heapq.heappush(self._queue, (due_s, symbol))

    async def _run(self) -> None:
        while True:
            next_s = self._queue[0][0] if self._queue else self._clock.monotonic() + 1.0
            if self._next_repeat_s > next_s and self._is_repeat(self._queue[0][1]):
                next_s = self._next_repeat_s
            # Where all places are taken, the next answer goes on before the timer does.
            least_s = _SOONEST_S if len(self._batches) < self._most() else _BUSY_S
            await self._clock.sleep(max(least_s, next_s - self._clock.monotonic()))
            self._dispatch()

    def _most(self) -> int:
        # In a small budget the order of those who wait for a place is the order of their turns.
        scarce = self._source.budget.poll_gap_s >= 1
        return 1 if scarce else self._source.info.concurrency

    def _dispatch(self) -> None:
        while len(self._batches) < self._most():
            batch = self._take_batch()
            if not batch:
                return
            task = asyncio.create_task(self._ask(batch), name=f"ask {self._source.name}")
            self._batches.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if self._timer is not None:
            self._dispatch()

    def _is_repeat(self, symbol: str) -> bool:
        return symbol in self._answered_at

    def _take_batch(self) -> list[str]:
        now_s = self._clock.monotonic()
        paced = self._next_repeat_s > now_s
        batch: list[str] = []
        back: list[tuple[float, str]] = []
        while self._queue and len(batch) < max(1, self._source.info.max_batch):
            due_s, symbol = self._queue[0]
            # Who is nearly due goes along: larger batches cost less than punctual ones.
            early_s = self._interval_s.get(symbol, 0.0) * _EARLY if batch else 0.0
            if due_s - early_s > now_s:
                break
            heapq.heappop(self._queue)
            if self._due.get(symbol) != due_s:
                continue
            if paced and self._is_repeat(symbol):
                back.append((due_s, symbol))
            elif self._rests(symbol):
                self._put(symbol, now_s + _CLOSED_LOOK_S)
            else:
                del self._due[symbol]
                batch.append(symbol)
        for item in back:
            heapq.heappush(self._queue, item)
        if any(self._is_repeat(symbol) for symbol in batch):
            self._next_repeat_s = now_s + self._source.budget.poll_gap_s
        return batch

    def _rests(self, symbol: str) -> bool:
        closed_s = self._sessions.closed_at(symbol) if self._sessions is not None else None
        if closed_s is None:
            return False
        answered_s = self._answered_at.get(symbol)
        now_s = self._clock.now().timestamp()
        settled = now_s >= closed_s + _SETTLE_S
        return answered_s is not None and (answered_s >= closed_s + _SETTLE_S or not settled)

    async def _ask(self, batch: Sequence[str]) -> None:
        answers: Mapping[str, Quote | TickloomError] = {}
        try:
            answers = await self._reader.quotes(batch, _PATIENCE_S)
            self.rounds += 1
            for symbol in batch:
                if symbol in self._interval_s:
                    self._take(symbol, answers[symbol])
            self._told.settled()
        except Exception as error:  # noqa: BLE001 - one bad round must not end the polling
            logger.opt(exception=error).error("a round of polls failed")
        finally:
            now_s = self._clock.monotonic()
            for symbol in batch:
                interval_s = self._interval_s.get(symbol)
                if interval_s is not None and symbol not in self._due:
                    self._put(symbol, now_s + max(interval_s, self._pause_s(answers.get(symbol))))

    def _pause_s(self, answer: Quote | TickloomError | None) -> float:
        if isinstance(answer, NotFound):
            return _UNKNOWN_S
        if isinstance(answer, Unavailable) and self._source.breaker.state == "closed":
            return min(answer.retry_after_s or 0.0, _PATIENCE_S)
        return 0.0

    def _take(self, symbol: str, answer: Quote | TickloomError) -> None:
        if isinstance(answer, Quote):
            self._answered_at[symbol] = self._clock.now().timestamp()
            self._told.found(answer, news=self._is_news(answer))
        elif isinstance(answer, NotFound):
            self._unknown[symbol] = (self._clock.monotonic() + _UNKNOWN_S, answer)
            self._told.refused(symbol, answer)

    def _is_news(self, quote: Quote) -> bool:
        # A poll that finds what the last one found is no tick.
        seen = (quote.timestamp, quote.current_price, quote.volume, quote.bid, quote.ask)
        if self._last.get(quote.symbol) == (quote.provider, *seen):
            return False
        self._last[quote.symbol] = (quote.provider, *seen)
        return True
