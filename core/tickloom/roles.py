"""What a provider, a validator and a notifier is, and what a plugin is handed.

Every role is a Protocol: a plugin's object needs the methods, not the base class. Subclassing
:class:`Provider` explicitly gives the optional methods a default that raises ``NotSupported``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, NoReturn, Protocol, TypeVar, runtime_checkable

from msgspec import Meta, Struct

from tickloom.clock import Clock
from tickloom.errors import NotSupported, TickloomError
from tickloom.model import (
    Company,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quality,
    Quote,
    SymbolMatch,
    Timeliness,
)

T = TypeVar("T")


class Budget(Struct, frozen=True, kw_only=True):
    """How many requests a provider takes; ``None`` = no limit of this kind."""

    per_second: Annotated[int, Meta(ge=1)] | None = None
    per_minute: Annotated[int, Meta(ge=1)] | None = None
    per_day: Annotated[int, Meta(ge=1)] | None = None


class ProviderInfo(Struct, frozen=True, kw_only=True):
    """What a provider declares of itself.

    Attributes:
        name: Unique, lower case; settings, quotes and statistics use it.
        title: For people.
        timeliness: How fresh its values are. Only ``real_time`` may claim ``is_real_time``.
        max_batch: Most symbols in one call of ``get_quotes``.
        intervals: Bar intervals that ``get_history`` knows; empty = no history.
        has_actions: Whether its unadjusted daily bars come with all splits and dividends of their
            days, in the shares and the money of the day; the host then adjusts stored bars itself.
        has_company: Whether ``get_company`` is offered.
        has_search: Whether ``search`` is offered.
        has_stream: Whether ``open_stream`` is offered.
        namespace: Prefix such as ``SIM.`` that belongs to this provider alone: it serves no other
            symbol, and no other provider serves these. ``None`` = the common namespace.
        symbols: All symbols that it can serve; ``None`` = cannot be listed.
        budget: The most requests that the vendor allows.
        concurrency: The most requests that are open at the same time.
        credentials: Settings keys that hold secrets, for ``doctor`` and the documentation.
        notice: What a user must know before relying on it. Empty = nothing.
    """

    name: str
    title: str
    timeliness: Timeliness
    max_batch: int = 1
    intervals: tuple[Interval, ...] = ()
    has_actions: bool = False
    has_company: bool = False
    has_search: bool = False
    has_stream: bool = False
    namespace: str | None = None
    symbols: frozenset[str] | None = None
    budget: Budget = Budget()
    concurrency: Annotated[int, Meta(ge=1)] = 4
    credentials: tuple[str, ...] = ()
    notice: str = ""


class HistoryRequest(Struct, frozen=True, kw_only=True):
    """A question for bars.

    Attributes:
        symbol: Canonical, in capitals.
        start: First day, in the venue's calendar.
        end: Last day, inclusive.
        interval: Length of each bar.
        adjustment: What the prices shall account for; a provider that cannot raises
            ``NotSupported`` rather than answer otherwise.
        provider: Whose bars are wanted; ``None`` = of whoever has them. The host's business: a
            provider is never told.
    """

    symbol: str
    start: date
    end: date
    interval: Interval = Interval.DAY
    adjustment: PriceAdjustment = PriceAdjustment.NONE
    provider: str | None = None


class QuoteStream(Protocol):
    """One open upstream stream of a provider. Iterating gives batches of quotes, oldest first.

    The iteration ends when the stream is closed and raises an error of our tree when it breaks;
    the host opens a new one.
    """

    async def subscribe(self, symbols: Collection[str]) -> None:
        """Add symbols; those already there are ignored."""
        ...

    async def unsubscribe(self, symbols: Collection[str]) -> None:
        """Remove symbols; those not there are ignored."""
        ...

    def __aiter__(self) -> AsyncIterator[Sequence[Quote]]: ...

    async def aclose(self) -> None:
        """End the stream; calling it twice is allowed."""
        ...


@runtime_checkable
class Provider(Protocol):
    """Where prices come from.

    Every method raises errors of :mod:`tickloom.errors` only; anything else is reported as the
    plugin's fault. The host sets a time limit on each call and cancels it.
    """

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself; asked once, at start."""
        ...

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return for each symbol its newest quote, or the error that concerns it alone.

        ``symbols`` holds at most ``info.max_batch``. A symbol left out counts as unknown.

        Raises:
            Unavailable: The provider as a whole did not answer.
        """
        ...

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return the bars of a symbol, oldest first.

        Raises:
            UnknownSymbol: The provider does not know the symbol.
            NoData: It knows the symbol, but nothing in the range.
        """
        _not_supported(self, "history", request.symbol)

    async def get_company(self, symbol: str) -> Company:
        """Describe what stands behind a symbol.

        Raises:
            UnknownSymbol: The provider does not know the symbol.
        """
        _not_supported(self, "company information", symbol)

    async def search(self, text: str, limit: int) -> Sequence[SymbolMatch]:  # noqa: ARG002 - part of the role
        """Return at most ``limit`` symbols that fit ``text``, best first; none is no error."""
        _not_supported(self, "search", repr(text))

    async def open_stream(self) -> QuoteStream:
        """Open an upstream stream without symbols; they are added by its ``subscribe``."""
        _not_supported(self, "a stream", "any symbol")

    async def aclose(self) -> None:
        """Let go of connections, files and threads; calling it twice is allowed."""
        return


def _not_supported(provider: Provider, what: str, symbol: str) -> NoReturn:
    raise NotSupported(f"provider {provider.info.name} offers no {what} for {symbol}")


class Verdict(Struct, frozen=True):
    """What a validator says of a quote.

    Attributes:
        quality: ``flagged`` goes on with the codes on it, ``quarantined`` goes no further.
        code: Short and stable, such as ``crossed``.
        reason: A sentence with the values found.
        values: The numbers of the reason by name, for programs; empty = those of the quote.
    """

    quality: Quality
    code: str = ""
    reason: str = ""
    values: Mapping[str, Decimal] = {}


@runtime_checkable
class Validator(Protocol):
    """Judges every quote before anybody sees it. Runs on the hot path: no I/O, no waiting."""

    @property
    def name(self) -> str:
        """Unique, lower case."""
        ...

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        """Return a complaint, or ``None`` where there is none.

        ``previous`` is the symbol's last accepted quote, ``None`` for the first.
        """
        ...


class Finding(Struct, frozen=True, kw_only=True):
    """What a series validator says of one bar, or of what happened in it.

    Attributes:
        timestamp: That of the bar. A dividend or a split is told at the bar that it falls into.
        code: Short and stable, such as ``bar-unit``.
        reason: A sentence with the values found.
        quality: ``flagged``, or ``quarantined`` where it can be no bar.
        values: The numbers of the reason by name, for programs.
    """

    timestamp: datetime
    code: str
    reason: str
    quality: Quality = Quality.FLAGGED
    values: Mapping[str, Decimal] = {}


@runtime_checkable
class SeriesValidator(Protocol):
    """Judges the bars of one symbol together, with its splits and dividends.

    It runs off the hot path, possibly in a thread: no I/O, and no state between two calls.
    """

    @property
    def name(self) -> str:
        """Unique, lower case."""
        ...

    def check_series(self, history: HistoricalData) -> Sequence[Finding]:
        """Return every complaint, oldest bar first; empty where there is none.

        The bars are oldest first. One bar may draw several complaints.
        """
        ...


class Notification(Struct, frozen=True, kw_only=True):
    """A message to one recipient.

    Attributes:
        recipient: An address in the notifier's own form.
        title: One line of plain text.
        body: Plain text.
        key: The same key is the same notification: sending it again must not reach anybody twice
            where the channel can tell.
    """

    recipient: str
    title: str
    body: str
    key: str


@runtime_checkable
class Notifier(Protocol):
    """Carries a notification to a person."""

    @property
    def name(self) -> str:
        """Unique, lower case."""
        ...

    async def send(self, notification: Notification) -> None:
        """Deliver once.

        Raises:
            Unavailable: Try again later.
            ConfigError: The recipient or the channel's settings are wrong; do not try again.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections; calling it twice is allowed."""
        ...


class Secret:
    """A text that does not print."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself; only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class PluginSettings:
    """A plugin's own table of the settings, ``[plugins.<name>]``.

    Args:
        name: The plugin's name.
        clock: The host's clock; a plugin uses no other.
        convert: Turns the raw table into a typed struct and names the key in its errors.
    """

    def __init__(self, name: str, clock: Clock, convert: Callable[[Any], Any]) -> None:
        self.name = name
        self.clock = clock
        self._convert = convert

    def load(self, kind: type[T]) -> T:
        """Return the table as ``kind``, a ``msgspec.Struct`` whose fields are the known keys.

        A field of type :class:`Secret` takes ``{ env = "NAME" }`` or ``{ file = "path" }``; a
        field of type :class:`pathlib.Path` is resolved against the folder of the settings file.

        Raises:
            ConfigError: A key is unknown, a value has the wrong type, or a secret is missing.
        """
        converted: T = self._convert(kind)
        return converted
