"""A provider that does what a test tells it, and a quote to play with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tickloom.errors import TickloomError
from tickloom.model import Bar, Company, HistoricalData, Interval, Quote, SymbolMatch, Timeliness
from tickloom.roles import HistoryRequest, Provider, ProviderInfo

NOON = datetime(2026, 1, 2, 17, 0, tzinfo=UTC)


def make_quote(symbol: str = "AAPL", price: str = "189.41", **fields: Any) -> Quote:
    values: dict[str, Any] = {
        "provider": "scripted",
        "timestamp": NOON,
        "received_at": NOON,
        "is_real_time": False,
    }
    return Quote(symbol=symbol, current_price=Decimal(price), **(values | fields))


class ScriptedStream:
    """An upstream stream that yields what :meth:`push` is given."""

    def __init__(self) -> None:
        self.symbols: set[str] = set()
        self.closed = False
        self._queue: asyncio.Queue[Sequence[Quote] | Exception | None] = asyncio.Queue()

    def push(self, *quotes: Quote) -> None:
        self._queue.put_nowait(quotes)

    def fail(self, error: Exception) -> None:
        self._queue.put_nowait(error)

    async def subscribe(self, symbols: Collection[str]) -> None:
        self.symbols |= set(symbols)

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        self.symbols -= set(symbols)

    async def __aiter__(self) -> AsyncIterator[Sequence[Quote]]:
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def aclose(self) -> None:
        self.closed = True
        self._queue.put_nowait(None)


class ScriptedProvider(Provider):
    """Answers from ``answers``, a mapping or a function; counts its calls."""

    def __init__(
        self,
        name: str = "scripted",
        answers: Mapping[str, Quote | TickloomError] | Callable[[str], Any] | None = None,
        **info: Any,
    ) -> None:
        values: dict[str, Any] = {"timeliness": Timeliness.DELAYED, "max_batch": 100}
        self._info = ProviderInfo(name=name, title=name.title(), **(values | info))
        self.answers = answers or (lambda symbol: make_quote(symbol, provider=name))
        self.calls: list[tuple[str, ...]] = []
        self.failure: BaseException | None = None
        self.gate: asyncio.Event | None = None
        self.streams: list[ScriptedStream] = []
        self.closed = False

    @property
    def info(self) -> ProviderInfo:
        return self._info

    async def _wait(self, *call: str) -> None:
        self.calls.append(call)
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure

    async def get_quotes(self, symbols: Sequence[str]) -> dict[str, Quote | TickloomError]:
        await self._wait(*symbols)
        if isinstance(self.answers, Mapping):
            return {symbol: self.answers[symbol] for symbol in symbols if symbol in self.answers}
        return {symbol: self.answers(symbol) for symbol in symbols}

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        await self._wait("history", request.symbol)
        price = Decimal("189.41")
        bar = Bar(
            timestamp=NOON, open_price=price, high_price=price, low_price=price, close_price=price
        )
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider=self._info.name,
            received_at=NOON,
            data_points=(bar,),
            timeliness=self._info.timeliness,
        )

    async def get_company(self, symbol: str) -> Company:
        await self._wait("company", symbol)
        return Company(symbol=symbol, name="Scripted Inc", provider="scripted", received_at=NOON)

    async def search(self, text: str, limit: int) -> list[SymbolMatch]:
        await self._wait("search", text)
        name = self._info.name
        return [SymbolMatch(symbol=f"S{number}", name=text, provider=name) for number in range(20)]

    async def open_stream(self) -> ScriptedStream:
        await self._wait("stream")
        self.streams.append(ScriptedStream())
        return self.streams[-1]

    async def aclose(self) -> None:
        self.closed = True


EVERYTHING: dict[str, Any] = {
    "intervals": (Interval.DAY, Interval.MINUTE),
    "has_company": True,
    "has_search": True,
    "has_stream": True,
}
