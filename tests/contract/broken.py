"""A broken twin for each case of a provider: it fails this case and no other one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta, timezone
from decimal import Decimal

from loguru import logger
from msgspec.structs import replace

from contract.acme import INFO, KNOWN, Acme, AcmeStream
from tickloom.errors import NoData, NotSupported, ProviderUnavailable, TickloomError, UnknownSymbol
from tickloom.model import (
    Company,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quote,
    SymbolMatch,
)
from tickloom.roles import HistoryRequest, ProviderInfo

TWINS: dict[str, type[Acme]] = {}


def twin(number: str) -> Callable[[type[Acme]], type[Acme]]:
    def keep(kind: type[Acme]) -> type[Acme]:
        assert number not in TWINS
        TWINS[number] = kind
        return kind

    return keep


@twin("P01")
class Changing(Acme):
    asked = 0

    @property
    def info(self) -> ProviderInfo:
        self.asked += 1
        return replace(INFO, title=f"Acme {self.asked}")


@twin("P02")
class Floating(Acme):
    def make(self, symbol: str) -> Quote:
        return replace(super().make(symbol), open_price=10.25)

    async def open_stream(self) -> AcmeStream:
        stream = await super().open_stream()
        stream.make = super().make
        return stream


@twin("P03")
class Inventing(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        answer = dict(await super().get_quotes(symbols))
        return answer or {symbol: self.make(symbol) for symbol in symbols}


@twin("P04")
class Surprising(Acme):
    @property
    def info(self) -> ProviderInfo:
        return replace(INFO, has_company=False)


@twin("P05")
class ClosesOnce(Acme):
    async def aclose(self) -> None:
        if self.closed:
            raise ProviderUnavailable("closed already")
        await super().aclose()


@twin("P10")
class Elsewhere(Acme):
    def make(self, symbol: str) -> Quote:
        quote = super().make(symbol)
        zone = timezone(timedelta(hours=2))
        return replace(quote, timestamp=quote.timestamp.astimezone(zone))


@twin("P11")
class AllOrNothing(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        # The made-up symbols of a full batch stand behind the known ones.
        if len(symbols) > 1 and symbols[0] not in KNOWN:
            return {}
        return await super().get_quotes(symbols)


@twin("P12")
class ShortOfBreath(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        if len(symbols) > 5:
            raise ProviderUnavailable("too many at once")
        return await super().get_quotes(symbols)


@twin("P13")
class BackInTime(Acme):
    def make(self, symbol: str) -> Quote:
        quote = super().make(symbol)
        self.back = getattr(self, "back", timedelta()) + timedelta(hours=1)
        then = quote.received_at - self.back
        return replace(quote, received_at=then, timestamp=then)


@twin("P14")
class MixingUp(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        self.asked = symbols
        answer = await super().get_quotes(symbols)
        if len(symbols) > 1 or self.asked[0] not in KNOWN:
            return answer
        return {symbol: replace(quote, symbol=self.asked[0]) for symbol, quote in answer.items()}


@twin("P15")
class Deaf(Acme):
    async def wait(self) -> None:
        try:
            await super().wait()
        except asyncio.CancelledError:
            if not self.streams:
                await asyncio.sleep(1.5)


@twin("P16")
class Boasting(Acme):
    def make(self, symbol: str) -> Quote:
        return replace(super().make(symbol), is_real_time=True)


@twin("P17")
class Inexact(Acme):
    def make(self, symbol: str) -> Quote:
        return replace(super().make(symbol), current_price=Decimal(10.1))  # noqa: RUF032 - the float is the fault


@twin("P18")
class Prophetic(Acme):
    def make(self, symbol: str) -> Quote:
        quote = super().make(symbol)
        return replace(quote, timestamp=quote.timestamp + timedelta(hours=5))


@twin("P19")
class Pence(Acme):
    def make(self, symbol: str) -> Quote:
        return replace(super().make(symbol), currency="GBX")


@twin("P20")
class AnsweringAnother(Acme):
    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        history = await super().get_history(request)
        return replace(history, end_date=history.end_date - timedelta(days=1))


@twin("P21")
class NewestFirst(Acme):
    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        history = await super().get_history(request)
        return replace(history, data_points=history.data_points[::-1])


@twin("P22")
class Generous(Acme):
    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        history = await super().get_history(request)
        first = history.data_points[0]
        older = replace(first, timestamp=first.timestamp - timedelta(days=9))
        return replace(history, data_points=(older, *history.data_points))


@twin("P23")
class PromisingTooMuch(Acme):
    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        if request.interval is Interval.WEEK:
            raise NotSupported("no weeks after all")
        return await super().get_history(request)


@twin("P24")
class Substituting(Acme):
    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        if request.interval in INFO.intervals:
            return await super().get_history(request)
        days = replace(request, interval=Interval.DAY)
        return replace(await super().get_history(days), interval=request.interval)


@twin("P25")
class Unadjusted(Acme):
    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        if request.adjustment is PriceAdjustment.NONE:
            return await super().get_history(request)
        plain = replace(request, adjustment=PriceAdjustment.NONE)
        return await super().get_history(plain)


@twin("P26")
class Silent(Acme):
    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        try:
            return await super().get_history(request)
        except (UnknownSymbol, NoData):
            usual = replace(request, symbol=KNOWN[0], start=request.start - timedelta(days=500))
            history = await super().get_history(usual)
            return replace(history, symbol=request.symbol, data_points=())


@twin("P27")
class Nameless(Acme):
    async def get_company(self, symbol: str) -> Company:
        return replace(await super().get_company(symbol), name=" ")


@twin("P28")
class KnowingAll(Acme):
    async def get_company(self, symbol: str) -> Company:
        return replace(await super().get_company(KNOWN[0]), symbol=symbol)


@twin("P29")
class Endless(Acme):
    async def search(self, text: str, limit: int) -> Sequence[SymbolMatch]:
        found = await super().search(text, limit)
        return [one for match in found for one in [match] * (limit + 1)]


def streaming(kind: type[AcmeStream]) -> type[Acme]:
    class Streaming(Acme):
        async def open_stream(self) -> AcmeStream:
            stream = kind(self.make)
            self.streams.append(stream)
            return stream

    return Streaming


class WrongType(AcmeStream):
    async def __anext__(self) -> Sequence[Quote]:
        return [replace(quote, current_price=None) for quote in await super().__anext__()]


class Chatty(AcmeStream):
    async def __anext__(self) -> Sequence[Quote]:
        batch = await super().__anext__()
        # What was subscribed and is no more is not spoken of again.
        if len(self.symbols) == 1 and not getattr(self, "left", False):
            return [*batch, self.make("ACM.OTHER")]
        return batch

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        self.left = True
        await super().unsubscribe(symbols)


class Stubborn(AcmeStream):
    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Go on."""


class Touchy(AcmeStream):
    async def subscribe(self, symbols: Collection[str]) -> None:
        if set(symbols) & set(self.symbols):
            raise ProviderUnavailable("subscribed already")
        await super().subscribe(symbols)


class Fragile(AcmeStream):
    async def subscribe(self, symbols: Collection[str]) -> None:
        if not set(symbols) <= set(KNOWN):
            raise UnknownSymbol("one of them is unknown")
        await super().subscribe(symbols)


class Unending(AcmeStream):
    async def __anext__(self) -> Sequence[Quote]:
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            await asyncio.Event().wait()
            raise


class ClosingOnce(AcmeStream):
    async def aclose(self) -> None:
        # The provider closes what the cases leave open.
        if self.closed.is_set() and not self.symbols:
            raise ProviderUnavailable("closed already")
        await super().aclose()


for number, kind in {
    "P30": WrongType,
    "P31": Chatty,
    "P32": Stubborn,
    "P33": Touchy,
    "P34": Fragile,
    "P35": Unending,
}.items():
    twin(number)(streaming(kind))


@twin("P36")
class StreamClosesOnce(Acme):
    async def open_stream(self) -> AcmeStream:
        # It does not close its streams itself, so that nothing but the case does it twice.
        return ClosingOnce(self.make)


@twin("P37")
class OneStream(Acme):
    async def open_stream(self) -> AcmeStream:
        stream = await super().open_stream()
        if len(self.streams) > 1:

            async def never(symbols: Collection[str]) -> None:
                raise ProviderUnavailable("there was a stream already")

            stream.subscribe = never  # type: ignore[method-assign]
        return stream


@twin("P40")
class Resentful(Acme):
    hurt = False

    async def get_company(self, symbol: str) -> Company:
        self.hurt = self.hurt or symbol not in KNOWN
        return await super().get_company(symbol)

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        if self.hurt:
            raise ProviderUnavailable("you asked nonsense before")
        return await super().get_quotes(symbols)


@twin("P41")
class Crashing(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        if self.closed:
            raise RuntimeError("Cannot send a request, as the client has been closed.")
        return await super().get_quotes(symbols)


@twin("P42")
class LeavingTasks(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        self.refreshing = asyncio.ensure_future(asyncio.Event().wait())
        return await super().get_quotes(symbols)


@twin("P43")
class LeavingThreads(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        self.halt = getattr(self, "halt", threading.Event())
        threading.Thread(target=self.halt.wait, args=(2.5,), daemon=True).start()
        return await super().get_quotes(symbols)


@twin("P44")
class Telling(Acme):
    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        logger.debug("asking https://acme.example/quotes?key={}", self.key)
        return await super().get_quotes(symbols)
