"""Reads the bars of a question from where they are, and computes those that are asked for."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from tickloom.calendars import Calendar
from tickloom.history.adjusting import Factors
from tickloom.history.rolling import Roller, period_of
from tickloom.model import Bar, Interval, Timeliness, begin_of, day_of
from tickloom.roles import HistoryRequest
from tickloom.store.bars import BarQuery
from tickloom.store.days import Days
from tickloom.store.keeping import bounds

Read = Callable[[BarQuery], AsyncIterator[Sequence[Bar]]]

_PIECE_BARS = 2_000
# Of the first stretch from the end, and of the longest one where there is little.
_FIRST_BARS = 250
_SPARSE_BARS = 8_000
# Bars that are computed before other tasks may run.
_TURN_BARS = 200
_time = attrgetter("timestamp")


class Stretch(Struct, frozen=True, kw_only=True):
    """Bars of consecutive days that came from one provider.

    Attributes:
        days: Which ones.
        provider: Who gave them.
        received_at: When, aware UTC.
        timeliness: How fresh they were.
        currency: Of the prices; ``None`` = not stated.
        exchange: The venue as the provider names it; ``None`` = not stated.
        is_stale: Their ``adjusted_close`` is that of an earlier day, and is left out.
        has_actions: All splits and dividends of these days are stored; false = that is not known.
        bars: Those that the provider just gave, oldest first; ``None`` = they are in the store.
    """

    days: Days
    provider: str
    received_at: datetime
    timeliness: Timeliness
    currency: str | None = None
    exchange: str | None = None
    is_stale: bool = False
    has_actions: bool = False
    bars: tuple[Bar, ...] | None = None


class Recipe(Struct, frozen=True, kw_only=True):
    """What the bars of an answer are made of, and how.

    Attributes:
        days: Those whose bars are wanted; whole weeks or months where the bars are that long.
        interval: Of the bars that are made.
        source: Symbol, interval and adjustment of the bars that they are made of.
        stretches: Those bars, in order, no day twice.
        calendar: Says where longer bars begin.
        factors: Of the adjustment that is computed; ``None`` = none is.
    """

    days: Days
    interval: Interval
    source: HistoryRequest
    stretches: tuple[Stretch, ...]
    calendar: Calendar
    factors: Factors | None = None

    @property
    def is_rolled(self) -> bool:
        """True where longer bars are made of shorter ones."""
        return self.interval is not self.source.interval

    def queries(self) -> tuple[BarQuery, ...] | None:
        """Return which stored bars, unchanged, these are; ``None`` = it takes more than reading."""
        is_plain = not self.is_rolled and self.factors is None
        if not is_plain or any(one.bars is not None or one.is_stale for one in self.stretches):
            return None
        return tuple(self._query(one, one.days) for one in self.stretches)

    def counted(self) -> tuple[BarQuery, ...] | None:
        """Return of which stored bars one bar each is made; ``None`` = others are needed too."""
        if self.is_rolled or any(one.bars is not None for one in self.stretches):
            return None
        return tuple(self._query(one, one.days) for one in self.stretches)

    def _query(self, stretch: Stretch, days: Days) -> BarQuery:
        source = self.source
        since, until = bounds(source.symbol, days)
        return BarQuery(
            symbol=source.symbol,
            interval=source.interval,
            adjustment=source.adjustment,
            since=since,
            until=until,
            provider=stretch.provider,
        )

    async def bars(self, days: Days, read: Read) -> AsyncIterator[Sequence[Bar]]:
        """Yield the bars of whole days, weeks or months, oldest first."""
        since, until = bounds(self.source.symbol, days)
        async for piece in self._between(since, until, read):
            yield piece

    async def backwards(self, days: Days, read: Read) -> AsyncIterator[Sequence[Bar]]:
        """Yield the bars of whole days, weeks or months, newest first.

        Databases give them oldest first, so that stretches of time are turned round in memory. The
        first ones are short, so that something is soon there; where there is little they grow.
        """
        since, until = bounds(self.source.symbol, days)
        count = _FIRST_BARS
        while until > since:
            begin = self._begin_before(since, until, count)
            newest = [bar async for piece in self._between(begin, until, read) for bar in piece]
            newest.reverse()
            for start in range(0, len(newest), _PIECE_BARS):
                yield newest[start : start + _PIECE_BARS]
            most = _PIECE_BARS if len(newest) >= _FIRST_BARS else _SPARSE_BARS
            count = min(2 * count, most)
            until = begin

    def _begin_before(self, since: datetime, until: datetime, count: int) -> datetime:
        """Return when a stretch of so many source bars begins; no bar that is made is cut by it."""
        span = count * self.source.interval.duration
        begin = until - span if until - since > span else since
        if self.is_rolled:
            symbol = self.source.symbol
            day = day_of(symbol, begin)
            if not self.interval.is_intraday:
                day = period_of(self.interval, day)[0]
            begin = max(begin_of(symbol, day), since)
        return begin

    async def _between(
        self, since: datetime, until: datetime, read: Read
    ) -> AsyncIterator[Sequence[Bar]]:
        roller = None
        if self.is_rolled:
            roller = Roller(self.source.symbol, self.interval, self.calendar.open_of)
        async for piece in self._sources(since, until, read):
            if self.factors is None and roller is None:
                yield piece
                continue
            for start in range(0, len(piece), _TURN_BARS):
                part: Sequence[Bar] = piece[start : start + _TURN_BARS]
                if self.factors is not None:
                    part = self._adjusted(part, self.factors)
                made = part if roller is None else roller.add(part)
                if made:
                    yield made
                await asyncio.sleep(0)
        if roller is not None and (last := roller.end()):
            yield last

    def _adjusted(self, bars: Sequence[Bar], factors: Factors) -> list[Bar]:
        symbol = self.source.symbol
        return [factors.adjust(bar, day_of(symbol, bar.timestamp)) for bar in bars]

    async def sources(self, days: Days, read: Read) -> AsyncIterator[Sequence[Bar]]:
        """Yield the bars of which those of some days are made, oldest first."""
        async for piece in self._sources(*bounds(self.source.symbol, days), read):
            yield piece

    async def _sources(
        self, since: datetime, until: datetime, read: Read
    ) -> AsyncIterator[Sequence[Bar]]:
        for stretch in self.stretches:
            query = self._query(stretch, stretch.days)
            query = replace(query, since=max(query.since, since), until=min(query.until, until))
            if query.since >= query.until:
                continue
            if stretch.bars is not None:
                for piece in _cut(stretch.bars, query.since, query.until):
                    yield piece
                    await asyncio.sleep(0)
                continue
            async for stored in read(query):
                yield _without_adjusted_close(stored) if stretch.is_stale else stored


def _cut(bars: Sequence[Bar], since: datetime, until: datetime) -> Iterator[Sequence[Bar]]:
    first = bisect_left(bars, since, key=_time)
    last = bisect_left(bars, until, lo=first, key=_time)
    for start in range(first, last, _PIECE_BARS):
        yield bars[start : min(start + _PIECE_BARS, last)]


def _without_adjusted_close(bars: Sequence[Bar]) -> list[Bar]:
    return [
        bar if bar.adjusted_close is None else replace(bar, adjusted_close=None) for bar in bars
    ]
