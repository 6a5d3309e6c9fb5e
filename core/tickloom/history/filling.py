"""Answers questions for history from the store, and asks providers only for what it lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any

from loguru import logger
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import NoData, TickloomError
from tickloom.history.answer import HistoryAnswer, page_of
from tickloom.history.page import ALL, Page
from tickloom.model import HistoricalData, Interval, venue_mic
from tickloom.roles import HistoryRequest
from tickloom.store.history import HistoryStore, StoredHistory

Ask = Callable[[HistoryRequest], Awaitable[HistoricalData]]

_PAUSE_S = 15.0
# More gaps than that cost more questions than the whole.
_MOST_GAPS = 4
# Providers do not agree on which weeks and months a range has, so that theirs are passed on.
_ANSWERED = {interval for interval in Interval if interval.is_intraday} | {Interval.DAY}
# Tel Aviv opened on Sundays, India has special sessions on Saturdays.
_ANY_DAY = {"XTAE", "XBOM", "XNSE"}
# Until then some venues opened on Saturdays.
_FIVE_DAYS_SINCE = 2000
_SATURDAY = 5


def may_trade(symbol: str, day: date) -> bool:
    """False where the venue of a symbol is closed for the weekend; holidays are not known."""
    mic = venue_mic(symbol)
    if mic is None or mic in _ANY_DAY or day.year < _FIVE_DAYS_SINCE:
        return True
    return day.weekday() < _SATURDAY


class Histories:
    """History from the store where it has it, else from a provider; what comes is stored.

    A database that is away costs no answer: providers are asked for everything, and the database
    is tried again after 15 s.

    Args:
        store: Owned from now on.
        ask: Asks the providers.
        clock: For the pause.
    """

    def __init__(self, store: HistoryStore, ask: Ask, clock: Clock) -> None:
        self._store = store
        self._ask = ask
        self._clock = clock
        self._again_s = 0.0
        self._counts = {"from_store": 0, "in_part": 0, "from_providers": 0, "failures": 0}

    async def open(self, request: HistoryRequest, page: Page = ALL) -> HistoryAnswer:
        """Return an answer whose bars are read in pieces.

        Raises:
            RequestError: The page cannot be given.
            TickloomError: Why there are no bars.
        """
        return page_of(await self.history(request), request, page)

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return the bars that ``request`` asks for.

        Bars of several providers, or in several currencies, are never joined: one provider is
        then asked for all of them.

        Raises:
            TickloomError: Why there are none.
        """
        stored = await self._stored(request)
        if stored is None or not stored.ranges or len(stored.missing) > _MOST_GAPS:
            return await self._asked(request)
        answers = []
        for days in stored.missing:
            part = replace(request, start=max(days.first, request.start), end=days.last)
            try:
                answers.append(await self._ask_and_put(part))
            except NoData:
                # As before the first trade of today; the days that are stored are an answer.
                continue
        joined = _join(request, stored, answers)
        if joined is None:
            return await self._asked(request)
        self._counts["in_part" if answers else "from_store"] += 1
        return joined

    def stats(self) -> dict[str, Any]:
        """Return counts of answers by where they came from, of failures, and of bars."""
        return {**self._counts, "bars": self._store.stats()}

    async def aclose(self) -> None:
        """Let go of the database; may be called twice."""
        await self._store.aclose()

    async def _asked(self, request: HistoryRequest) -> HistoricalData:
        answer = await self._ask_and_put(request)
        self._counts["from_providers"] += 1
        return answer

    async def _stored(self, request: HistoryRequest) -> StoredHistory | None:
        if not self._is_used(request):
            return None
        try:
            return await self._store.get(request)
        except TickloomError as error:
            self._pause(error)
            return None

    async def _ask_and_put(self, request: HistoryRequest) -> HistoricalData:
        answer = await self._ask(request)
        if self._is_used(request):
            try:
                await self._store.put(answer)
            except TickloomError as error:
                self._pause(error)
        return answer

    def _is_used(self, request: HistoryRequest) -> bool:
        is_there = self._store.keeps and self._clock.monotonic() >= self._again_s
        return is_there and request.interval in _ANSWERED

    def _pause(self, error: TickloomError) -> None:
        self._counts["failures"] += 1
        self._again_s = self._clock.monotonic() + _PAUSE_S
        logger.warning("history is neither read from the database nor stored now: {}", error)


def _join(
    request: HistoryRequest, stored: StoredHistory, answers: Sequence[HistoricalData]
) -> HistoricalData | None:
    units = {(range_.provider, range_.currency) for range_ in stored.ranges}
    units |= {(answer.provider, answer.currency) for answer in answers}
    if len(units) > 1:
        return None
    first = stored.ranges[0]
    bars = {bar.timestamp: bar for bar in stored.bars}
    splits, dividends = list(stored.splits), list(stored.dividends)
    for answer in answers:
        bars.update((bar.timestamp, bar) for bar in answer.data_points)
        splits += answer.splits
        dividends += answer.dividends
    newest = [range_.received_at for range_ in stored.ranges]
    newest += [answer.received_at for answer in answers]
    return HistoricalData(
        symbol=request.symbol,
        interval=request.interval,
        start_date=request.start,
        end_date=request.end,
        provider=first.provider,
        received_at=max(newest),
        data_points=tuple(bars[timestamp] for timestamp in sorted(bars)),
        timeliness=first.timeliness,
        adjustment=request.adjustment,
        currency=first.currency,
        exchange=first.exchange,
        splits=tuple(sorted(splits, key=lambda split: split.day)),
        dividends=tuple(sorted(dividends, key=lambda dividend: dividend.day)),
    )
