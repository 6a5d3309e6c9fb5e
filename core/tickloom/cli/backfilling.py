"""Stores the history of many symbols, piece by piece, so that a break costs one piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta

from msgspec import Struct
from msgspec.structs import replace

from tickloom.errors import NoData, NoSession, StoreUnavailable, TickloomError, Unavailable
from tickloom.manager import MarketDataManager
from tickloom.model import HistoricalData, Interval
from tickloom.roles import HistoryRequest

_DAY = timedelta(days=1)
_TRIES = 5
_FIRST_PAUSE_S = 2.0
# Whoever has to wait longer had better come back later.
_LONGEST_WAIT_S = 120.0
# Answers are not stored for 15 s after the database failed.
_DATABASE_PAUSE_S = 16.0


class Filled(Struct):
    """What became of one symbol.

    Attributes:
        bars: In all answers, also those that were stored before.
        pieces: Stretches that were answered.
        empty: Stretches for which nobody has a bar.
        closed: Those of them on which the venue has no session.
        error: Why the rest was given up; ``None`` = it was not.
    """

    bars: int = 0
    pieces: int = 0
    empty: int = 0
    closed: int = 0
    error: TickloomError | None = None


class Backfill:
    """Asks for one piece after the other; what is stored already costs no call of a provider.

    Args:
        manager: Asks and stores; it need not be initialized, which would make it a replica.
        requests: One for each symbol.
        concurrency: Most pieces at a time.
        ended: Told each piece that came to an end, good or bad.
    """

    def __init__(
        self,
        manager: MarketDataManager,
        requests: Sequence[HistoryRequest],
        concurrency: int,
        ended: Callable[[HistoryRequest, Filled], None],
    ) -> None:
        self._manager = manager
        self._clock = manager.clock
        self._requests = requests
        self._concurrency = concurrency
        self._ended = ended
        self._failures = 0
        self._not_before_s = 0.0
        self.filled: dict[str, Filled] = {request.symbol: Filled() for request in requests}

    async def run(self) -> None:
        """Fill all symbols; an error of one of them does not stop the others.

        Raises:
            StoreUnavailable: The database is away, and stays away.
        """
        pieces = (piece for request in self._requests for piece in cut_up(request))
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._concurrency):
                    workers.create_task(self._work(pieces), name="backfill")
        except* StoreUnavailable as errors:
            raise errors.exceptions[0] from None
        for filled in self.filled.values():
            is_closed = filled.closed and not filled.pieces and filled.closed == filled.empty
            if filled.error is None and not filled.bars and not is_closed:
                filled.error = NoData("no provider has bars of these days")

    async def _work(self, pieces: Iterator[HistoryRequest]) -> None:
        for piece in pieces:
            filled = self.filled[piece.symbol]
            if filled.error is None:
                try:
                    answer = await self._fill(piece)
                except NoData as error:
                    filled.empty += 1
                    filled.closed += isinstance(error, NoSession)
                except StoreUnavailable:
                    raise
                except TickloomError as error:
                    filled.error = error
                else:
                    filled.pieces += 1
                    filled.bars += len(answer.data_points)
            self._ended(piece, filled)

    async def _fill(self, piece: HistoryRequest) -> HistoricalData:
        for number in range(1, _TRIES + 1):
            failures = await self._wait_for_database()
            try:
                answer = await self._manager.histories.history(piece)
            except Unavailable as error:
                wait_s = error.retry_after_s or _FIRST_PAUSE_S * 2.0 ** (number - 1)
                if number == _TRIES or wait_s > _LONGEST_WAIT_S:
                    raise
                await self._clock.sleep(wait_s)
                continue
            if self._failed() == failures:
                return answer
            # It may not have been stored, so that it is asked for again.
        raise StoreUnavailable(
            "bars cannot be stored: the database is away",
            fix="Start again when it is back; what was stored is not asked for again.",
        )

    async def _wait_for_database(self) -> int:
        failures = self._failed()
        if failures != self._failures:
            self._failures = failures
            self._not_before_s = self._clock.monotonic() + _DATABASE_PAUSE_S
        wait_s = self._not_before_s - self._clock.monotonic()
        if wait_s > 0:
            await self._clock.sleep(wait_s)
        return self._failed()

    def _failed(self) -> int:
        return int(self._manager.histories.stats()["failures"])


def cut_up(request: HistoryRequest) -> list[HistoryRequest]:
    """Return the same days in pieces of the calendar, oldest first.

    A year of days or hours, a month of minutes, a day of seconds: a few thousand bars each, and
    the same pieces whenever the same days are asked for.
    """
    pieces = []
    first = request.start
    while first <= request.end:
        last = min(_end_of(request.interval, first), request.end)
        pieces.append(replace(request, start=first, end=last))
        if last == date.max:
            break
        first = last + _DAY
    return pieces


def _end_of(interval: Interval, day: date) -> date:
    if interval.duration < Interval.MINUTE.duration:
        return day
    if interval.duration < Interval.HOUR.duration:
        after = (day.replace(day=1) + 32 * _DAY).replace(day=1)
        return after - _DAY
    return day.replace(month=12, day=31)
