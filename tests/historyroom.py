"""Histories with a vendor whose bars a test can foresee."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from barsamples import answer, bar
from tickloom.calendars import Calendars
from tickloom.clock import Clock, FakeClock
from tickloom.errors import NoData, TickloomError
from tickloom.history import Histories
from tickloom.history.asking import Ask
from tickloom.history.planning import Look
from tickloom.history.rolling import period_of
from tickloom.history.supply import Supply
from tickloom.model import Bar, HistoricalData, Interval, PriceAdjustment, begin_of, encode_history
from tickloom.roles import HistoryRequest
from tickloom.store import HistoryStore, open_backend
from tickloom.store.keeping import asked_days

if TYPE_CHECKING:
    from databases import Database

TODAY = date(2026, 11, 24)  # a Tuesday
_HALF_PAST_NINE = timedelta(hours=9, minutes=30)


class Vendor:
    """Gives bars for each weekday, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[date, date]] = []
        self.requests: list[HistoryRequest] = []
        self.failure: TickloomError | None = None
        self.fields: dict[str, Any] = {}
        self.bar_fields: dict[str, Any] = {}
        self.price = "10.5"
        self.minutes = 390
        self.early = self.late = 0
        """Days more than it was asked for, before and after."""

    async def __call__(self, request: HistoryRequest) -> HistoricalData:
        self.requests.append(request)
        self.asked.append((request.start, request.end))
        if self.failure is not None:
            raise self.failure
        first = request.start - timedelta(days=self.early)
        last = min(request.end, TODAY) + timedelta(days=self.late)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        bars = self._bars(request, [day for day in days if day.weekday() < 5])
        if not bars:
            raise NoData("there is none")
        values = {
            "start_date": request.start,
            "end_date": request.end,
            "interval": request.interval,
            "adjustment": request.adjustment,
            "exchange": "NMS",
        }
        return answer(bars, **(values | self.fields))

    def _bars(self, request: HistoryRequest, days: list[date]) -> list[Bar]:
        symbol, interval = request.symbol, request.interval
        if interval.is_intraday:
            step = interval.duration
            count = timedelta(minutes=self.minutes) // step
            begins = [
                begin_of(symbol, day) + _HALF_PAST_NINE + n * step
                for day in days
                for n in range(count)
            ]
        elif interval in (Interval.WEEK, Interval.MONTH):
            firsts = sorted({period_of(interval, day)[0] for day in days})
            begins = [begin_of(symbol, day) for day in firsts]
        else:
            begins = [begin_of(symbol, day) for day in days]
        return [bar(begin, self.price_of(begin), **self.bar_fields) for begin in begins]

    def price_of(self, begin: datetime) -> str:
        return self.price


def ask(
    first: date,
    last: date,
    interval: Interval = Interval.DAY,
    adjustment: PriceAdjustment = PriceAdjustment.NONE,
) -> HistoryRequest:
    return HistoryRequest(
        symbol="AAPL", start=first, end=last, interval=interval, adjustment=adjustment
    )


async def look(store: HistoryStore, request: HistoryRequest, clock: Clock) -> Look:
    """What is stored of a question, and what is missing, as answers find it."""

    async def nobody(_: HistoryRequest) -> HistoricalData:
        raise AssertionError("nobody is to be asked")

    supply = Supply(store, nobody, clock, Calendars(), lambda _provider: False)
    return await supply.look(request, asked_days(request.interval, request.start, request.end))


async def bars_of(store: HistoryStore, found: Look) -> tuple[Bar, ...]:
    """The stored bars that an answer would have, in its order."""
    queries = found.recipe().queries()
    assert queries is not None
    return tuple([one for query in queries async for piece in store.read(query) for one in piece])


def encoded(history: HistoricalData) -> bytes:
    return b"".join(encode_history(history))


@asynccontextmanager
async def opened(
    database: Database, vendor: Ask, clock: FakeClock, *tellers: str, able: Sequence[str] = ()
) -> AsyncIterator[Histories]:
    """Histories whose ``tellers`` tell all splits and dividends; ``able`` may be asked."""
    calendars = Calendars()
    store = HistoryStore(open_backend(database.url), clock, calendars.is_session)
    histories = Histories(
        store,
        vendor,
        clock,
        calendars,
        tellers.__contains__,
        lambda _: able,
        lambda _symbol: tellers,
    )
    yield histories
    await histories.aclose()
