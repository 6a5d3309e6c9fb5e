"""An object under test, and what a case knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct

from tickloom.clock import Clock, SystemClock
from tickloom.errors import NoData, NotSupported, TickloomError
from tickloom.model import HistoricalData, Interval, PriceAdjustment, Quote
from tickloom.roles import (
    HistoryRequest,
    Notifier,
    Provider,
    ProviderInfo,
    QuoteStream,
    SeriesValidator,
    Validator,
)
from tickloom.testing.cases import Broken, Unproven, require, shown

PATIENCE_S = 1.0
"""How long to wait for what should happen at once."""
_REACHES = (timedelta(days=14), timedelta(days=370), timedelta(days=3_650))


class Trial(Protocol):
    """What every case may use of the object under test."""

    deadline: asyncio.Timeout | None
    secrets: tuple[str, ...]

    @property
    def subject(self) -> Any:
        """The object itself."""
        ...


async def _at_once() -> None:
    return


class ProviderTrial(Struct, kw_only=True):
    """A provider under test.

    Attributes:
        provider: The object.
        clock: The one that the provider was given.
        known: Symbols that it can serve now; empty = nobody told.
        unknown: A symbol that it cannot serve; empty = one is made up.
        days: First and last day with bars; ``None`` = they are looked for, back from today.
        query: A text that a search finds something for; empty = the first known symbol.
        secrets: Texts that must not be shown anywhere.
        take: Waits for a place in the vendor's budget; the time does not count.
        deadline: The time limit of the running case.
    """

    provider: Provider
    clock: Clock = SystemClock()
    known: tuple[str, ...] = ()
    unknown: str = ""
    days: tuple[date, date] | None = None
    query: str = ""
    secrets: tuple[str, ...] = ()
    take: Callable[[], Awaitable[None]] = _at_once
    deadline: asyncio.Timeout | None = None

    @property
    def subject(self) -> Provider:
        """The provider."""
        return self.provider

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares."""
        return self.provider.info

    @property
    def symbol(self) -> str:
        """The first known symbol."""
        return self.known[0]

    @property
    def stranger(self) -> str:
        """A symbol that the provider cannot serve."""
        return self.unknown or f"{self.info.namespace or ''}NOSUCH9"

    async def pace(self) -> None:
        """Wait until the vendor's budget has room; the case's time limit stands still meanwhile."""
        loop = asyncio.get_running_loop()
        left_s = None
        if self.deadline is not None and (when := self.deadline.when()) is not None:
            left_s = when - loop.time()
            self.deadline.reschedule(None)
        await self.take()
        if self.deadline is not None and left_s is not None:
            self.deadline.reschedule(loop.time() + left_s)

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Ask for quotes; the answer is a mapping."""
        await self.pace()
        answer = await self.provider.get_quotes(symbols)
        require(isinstance(answer, Mapping), f"get_quotes gave no mapping: {shown(answer)}")
        return answer

    async def quote(self, symbol: str = "") -> Quote:
        """Ask for one symbol, the first known one where none is named; the answer is a quote."""
        asked = symbol or self.symbol
        return quote_in(await self.quotes([asked]), asked)

    @property
    def interval(self) -> Interval:
        """Days where they are offered, else the longest interval."""
        offered = self.info.intervals
        return Interval.DAY if Interval.DAY in offered else max(offered, key=lambda i: i.duration)

    def today(self) -> date:
        """The day by the provider's clock, in UTC."""
        return self.clock.now().date()

    def question(self, **changes: Any) -> HistoryRequest:
        """Return a question for history of the first known symbol."""
        start, end = self.days or (self.today() - _REACHES[0], self.today())
        usual: dict[str, Any] = {
            "symbol": self.known[0] if self.known else self.stranger,
            "start": start,
            "end": end,
        }
        if "interval" not in changes:
            usual["interval"] = self.interval
        return HistoryRequest(**(usual | changes))

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Ask for bars."""
        await self.pace()
        answer = await self.provider.get_history(request)
        kind = type(answer).__name__
        require(isinstance(answer, HistoricalData), f"get_history gave a {kind}")
        return answer

    async def some_history(self) -> tuple[HistoryRequest, HistoricalData]:
        """Return a question that has bars, and its answer.

        Raises:
            Unproven: None was found.
        """
        today = self.today()
        ranges = [self.days] if self.days else [(today - reach, today) for reach in _REACHES]
        for adjustment in PriceAdjustment:
            for start, end in ranges:
                request = self.question(start=start, end=end, adjustment=adjustment)
                try:
                    history = await self.history(request)
                except NoData:
                    continue
                except NotSupported:
                    break
                if history.data_points:
                    return request, history
        raise Unproven(f"no bars of {self.symbol} were found since {ranges[-1][0]}")

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[QuoteStream]:
        """Open a stream, and close it at the end."""
        await self.pace()
        stream = await self.provider.open_stream()
        try:
            yield stream
        finally:
            await stream.aclose()


class NotifierTrial(Struct, kw_only=True):
    """A notifier under test.

    Attributes:
        notifier: The object.
        recipient: Somebody who may get test messages; empty = nobody told.
        bad_recipient: An address that the channel cannot have; empty = nobody told.
        received: Returns the texts that arrived so far, each with title and body in it; ``None`` =
            nobody can look.
        tells_twins: Whether the channel can tell by its key that a notification is the same.
        secrets: Texts that must not be shown anywhere.
        deadline: The time limit of the running case.
    """

    notifier: Notifier
    recipient: str = ""
    bad_recipient: str = ""
    received: Callable[[], Sequence[str]] | None = None
    tells_twins: bool = False
    secrets: tuple[str, ...] = ()
    deadline: asyncio.Timeout | None = None

    @property
    def subject(self) -> Notifier:
        """The notifier."""
        return self.notifier

    async def arrived(self, count: int) -> list[str]:
        """Return what arrived, once there are ``count`` texts or nothing more can be expected."""
        require(self.received is not None, "nobody can look at what arrived")
        look = self.received or tuple
        for _ in range(int(PATIENCE_S / 0.01)):
            if len(look()) >= count:
                break
            await asyncio.sleep(0.01)
        return list(look())


class ValidatorTrial(Struct, kw_only=True):
    """A validator under test.

    Attributes:
        validator: The object.
        good: Pairs of a quote and the one before it that must pass without quarantine.
        bad: Pairs that must draw a complaint; empty = nobody told.
        now: A time for the quotes that are made up.
        secrets: Texts that must not be shown anywhere.
        deadline: The time limit of the running case.
    """

    validator: Validator
    now: datetime
    good: tuple[tuple[Quote, Quote | None], ...] = ()
    bad: tuple[tuple[Quote, Quote | None], ...] = ()
    secrets: tuple[str, ...] = ()
    deadline: asyncio.Timeout | None = None

    @property
    def subject(self) -> Validator:
        """The validator."""
        return self.validator


class SeriesTrial(Struct, kw_only=True):
    """A validator of series under test.

    Attributes:
        validator: The object.
        good: Series that must pass without quarantine; empty = one is made up.
        bad: Series that must draw a complaint; empty = nobody told.
        now: A time for the series that are made up.
        secrets: Texts that must not be shown anywhere.
        deadline: The time limit of the running case.
    """

    validator: SeriesValidator
    now: datetime
    good: tuple[HistoricalData, ...] = ()
    bad: tuple[HistoricalData, ...] = ()
    secrets: tuple[str, ...] = ()
    deadline: asyncio.Timeout | None = None

    @property
    def subject(self) -> SeriesValidator:
        """The validator."""
        return self.validator


def quote_in(answer: Mapping[str, Quote | TickloomError], symbol: str) -> Quote:
    """Return the quote of a known symbol.

    Raises:
        Broken: There is none, or something else.
        TickloomError: The error that stands in its place.
    """
    found = answer.get(symbol)
    if isinstance(found, TickloomError):
        raise found
    if not isinstance(found, Quote):
        raise Broken(f"no quote for the known symbol {symbol}, but {shown(found)}")
    return found


async def turns(count: int = 20) -> None:
    """Let other tasks run until they wait."""
    for _ in range(count):
        await asyncio.sleep(0)
