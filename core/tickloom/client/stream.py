"""What a user iterates over: the prices of some symbols, and what happens to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast

from msgspec.structs import replace

from tickloom.client.conversation import Parcel
from tickloom.client.inbox import Inbox
from tickloom.client.ledger import fits
from tickloom.client.link import StreamInbox
from tickloom.client.messages import (
    Connected,
    Disconnected,
    Event,
    Gap,
    Message,
    PartialTick,
    Tick,
    Unknown,
)
from tickloom.errors import RequestError
from tickloom.model import parse_glob
from tickloom.stream import protocol
from tickloom.stream.protocol import Failure, LiveBar, ResumePoint, Status

T = TypeVar("T")
_EVENTS = (Gap, LiveBar, Status, Failure, Connected, Disconnected, Unknown)


class Line(Protocol):
    """The connection that a stream shares with others."""

    async def join(self, inbox: StreamInbox, patterns: Sequence[str]) -> None:
        """Add symbols and patterns."""
        ...

    async def leave(self, inbox: StreamInbox, patterns: Sequence[str] | None = None) -> None:
        """Remove symbols and patterns, ``None`` = all."""
        ...


class Stream(Generic[T]):
    """Live prices: ``async with`` it, then ``async for``. :meth:`Client.stream` makes it.

    What is no price goes to the callbacks, in its place among the prices, while somebody iterates
    or waits to: a gap is told before the price that follows it. An error that a callback raises
    comes out of the iteration.

    At most ``buffer`` items wait here. While they do, the socket is not read; the server then
    leaves prices out, keeps the newest of each symbol, and tells a gap.

    Attributes:
        on_gap: Called with a :class:`Gap`.
        on_bar: Called with a ``LiveBar``, where ``channels`` ask for bars.
        on_status: Called with a ``Status``: a feed became live, stale, down or closed.
        on_error: Called with a ``Failure``, such as a symbol that the server refused.
        on_connection: Called with :class:`Connected` or :class:`Disconnected`.
        received: Prices handed over.
        missed: Prices that are known to be missing.
        skipped: Prices left out because ``interval_ms`` asked for it.
    """

    def __init__(
        self, symbols: Sequence[str], buffer: int, enter: Callable[[], Line], *, raw: bool
    ) -> None:
        self.on_gap: Callable[[Gap], object] | None = None
        self.on_bar: Callable[[LiveBar], object] | None = None
        self.on_status: Callable[[Status], object] | None = None
        self.on_error: Callable[[Failure], object] | None = None
        self.on_connection: Callable[[Connected | Disconnected], object] | None = None
        self.received = 0
        self.missed = 0
        self.skipped = 0
        self._patterns = dict.fromkeys(parse_glob(symbol) for symbol in symbols)
        self._enter = enter
        self._raw = raw
        self._inbox: StreamInbox = Inbox(buffer)
        self._line: Line | None = None
        self._last: dict[str, Tick | PartialTick] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols and patterns that were asked for, in canonical form."""
        return tuple(self._patterns)

    @property
    def waiting(self) -> int:
        """Items that came and were not handed over yet."""
        return len(self._inbox)

    @property
    def positions(self) -> dict[str, ResumePoint]:
        """The last price of each symbol that was handed over.

        Another stream goes on behind them, in a later process too, where it gets them as
        ``resume``.
        """
        return {
            symbol: ResumePoint(epoch=tick.epoch, sequence=tick.sequence)
            for symbol, tick in self._last.items()
            if tick.sequence > 0
        }

    async def __aenter__(self) -> Self:
        if self._line is not None or self._inbox.is_over:
            raise RequestError("a stream is entered once", fix="Make another one.")
        self._line = self._enter()
        try:
            await self._line.join(self._inbox, self.symbols)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give all symbols back; calling it twice is allowed."""
        self._inbox.close()
        line, self._line = self._line, None
        if line is not None:
            await line.leave(self._inbox)

    def end(self) -> None:
        """End the iteration at once; may be called by a signal handler of the event loop."""
        self._inbox.close()

    async def add(self, *symbols: str) -> None:
        """Subscribe more symbols or patterns; one that is refused is told as an error.

        Raises:
            InvalidSymbol: One of them can be no symbol.
        """
        fresh = [one for one in map(parse_glob, symbols) if one not in self._patterns]
        self._patterns.update(dict.fromkeys(fresh))
        if self._line is not None and fresh:
            await self._line.join(self._inbox, fresh)

    async def remove(self, *symbols: str) -> None:
        """Give symbols or patterns back; those that were not subscribed are ignored.

        What came before may still be handed over.

        Raises:
            InvalidSymbol: One of them can be no symbol.
        """
        leaving = [one for one in map(parse_glob, symbols) if one in self._patterns]
        for one in leaving:
            del self._patterns[one]
        if self._line is not None and leaving:
            await self._line.leave(self._inbox, leaving)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while await self._wait():
            item = self._take()
            if isinstance(item, _EVENTS):
                self._tell(item)
            elif item is not None:
                return item
        raise StopAsyncIteration

    async def events(self) -> AsyncIterator[T | Event]:
        """Yield prices and everything else as it came, without callbacks.

        Raises:
            TickloomError: The server refuses for good.
        """
        while await self._wait():
            item = self._take()
            if item is not None:
                yield item

    async def take(self) -> list[T | Event]:
        """Wait for something and return all that came, without callbacks; empty = it ended.

        Raises:
            TickloomError: The server refuses for good.
        """
        found: list[T | Event] = []
        while not found and await self._wait():
            items = (self._take() for _ in range(len(self._inbox)))
            found = [item for item in items if item is not None]
        return found

    async def _wait(self) -> bool:
        if self._line is None and not self._inbox.is_over:
            raise RequestError(
                "the stream was not entered", expected="async with client.stream(…) as ticks"
            )
        return await self._inbox.wait()

    def _take(self) -> T | Event | None:
        parcel = self._inbox.take()
        event = self._event_of(parcel)
        if isinstance(event, Tick | PartialTick):
            self.received += 1
            self.skipped += event.skipped
            self._last[event.symbol] = event
        elif isinstance(event, Gap) and event.channel is None:
            self.missed += event.dropped
        if not self._raw or isinstance(parcel, Gap | Connected | Disconnected):
            return cast("T | Event | None", event)
        return cast("T | None", parcel if isinstance(parcel, Message) else None)

    def _event_of(self, parcel: Parcel) -> Any:
        if not isinstance(parcel, Message):
            return parcel
        match parcel.body:
            case protocol.Gap() as gap:
                return Gap(
                    symbol=gap.symbol,
                    dropped=gap.dropped,
                    last_sequence=gap.last_sequence,
                    cause="server",
                    channel=gap.channel,
                )
            case Tick() | PartialTick() | LiveBar() | Failure() | Unknown() as event:
                return event
            case Status() as status:
                return replace(status, symbols=list(self._ours(status.symbols)))
        return None

    def _ours(self, symbols: Iterable[str]) -> Iterable[str]:
        return (one for one in symbols if any(fits(one, pattern) for pattern in self._patterns))

    def _tell(self, event: Event) -> None:
        match event:
            case Gap() if self.on_gap is not None:
                self.on_gap(event)
            case LiveBar() if self.on_bar is not None:
                self.on_bar(event)
            case Status() if self.on_status is not None:
                self.on_status(event)
            case Failure() if self.on_error is not None:
                self.on_error(event)
            case Connected() | Disconnected() if self.on_connection is not None:
                self.on_connection(event)
