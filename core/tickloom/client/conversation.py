"""What is said to one server and what that means for each stream; knows no sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

from msgspec.structs import replace

from tickloom.client.asking import Asking, Options
from tickloom.client.ledger import Ledger, fits
from tickloom.client.messages import (
    Connected,
    Disconnected,
    Gap,
    Message,
    PartialTick,
    Reader,
    Tick,
    Unknown,
    Wire,
)
from tickloom.errors import (
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestError,
    TickloomError,
    TooManySymbols,
)
from tickloom.stream import protocol
from tickloom.stream.protocol import (
    Failure,
    LiveBar,
    Pong,
    ResumePoint,
    Status,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)

M = TypeVar("M")
Requests: TypeAlias = list[Subscribe | Unsubscribe]
Parcel: TypeAlias = Message | Gap | Failure | Connected | Disconnected | TickloomError
"""What goes to a stream; an error ends it, a bare failure tells of one refused symbol."""

_ERRORS: dict[int, type[TickloomError]] = {
    400: RequestError,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    405: TooManySymbols,
}


class _Member:
    """One stream's part of the subscriptions."""

    __slots__ = ("is_accepted", "patterns", "undecided")

    def __init__(self) -> None:
        self.patterns: dict[str, None] = {}
        self.undecided: set[str] = set()
        self.is_accepted = False


class Conversation(Generic[M]):
    """Counts who wants what, asks the server for it, and sorts what comes.

    Args:
        options: How symbols are wanted.
        wire: How the server writes.
    """

    def __init__(self, options: Options, wire: Wire) -> None:
        self._asking = Asking(options)
        self._reader = Reader(wire, partial=bool(options.fields))
        self._ledger = Ledger(sees_start=options.snapshot)
        # Bars have numbers of their own; nothing resumes them.
        self._bars = Ledger(sees_start=False)
        self._members: dict[M, _Member] = {}
        self._holders: Counter[str] = Counter()
        self._accepted: set[str] = set()
        self._asked: dict[int, list[str]] = {}
        self._audiences: dict[str, tuple[M, ...]] = {}
        self._newest: dict[str, Message] = {}
        self._was_greeted = False

    @property
    def members(self) -> tuple[M, ...]:
        """All streams."""
        return tuple(self._members)

    @property
    def unreadable(self) -> int:
        """Messages that could not be read; each was told as a failure."""
        return self._reader.unreadable

    @property
    def duplicates(self) -> int:
        """Prices and bars that came again and were left out."""
        return self._ledger.duplicates + self._bars.duplicates

    def begin(self, points: Mapping[str, ResumePoint]) -> None:
        """Go on where another conversation ended; before anything came."""
        for symbol, point in points.items():
            self._ledger.begin(symbol, point)

    def greeted(self) -> Requests:
        """Return all that a server which knows nothing of us has to be asked."""
        self._asked.clear()
        self._accepted.clear()
        again, self._was_greeted = self._was_greeted, True
        return self._ask(list(self._holders), again=again)

    def lost(self) -> None:
        """Note that the connection broke."""
        self._ledger.lost(self._accepted)
        self._bars.lost(())

    def join(self, member: M, patterns: Collection[str]) -> tuple[Requests, list[Message]]:
        """Add symbols and patterns to those of a stream.

        Returns:
            What to ask the server, and the newest prices that are known already.
        """
        state = self._members.setdefault(member, _Member())
        fresh = [one for one in dict.fromkeys(patterns) if one not in state.patterns]
        shown = [
            message
            for symbol, message in self._newest.items()
            if any(fits(symbol, one) for one in fresh)
            and not any(fits(symbol, one) for one in state.patterns)
        ]
        for pattern in fresh:
            state.patterns[pattern] = None
            self._holders[pattern] += 1
            if pattern in self._accepted:
                state.is_accepted = True
            else:
                state.undecided.add(pattern)
        self._audiences.clear()
        asked = {one for patterns in self._asked.values() for one in patterns}
        missing = [one for one in fresh if one not in self._accepted and one not in asked]
        return self._ask(missing), shown

    def leave(self, member: M, patterns: Collection[str] | None = None) -> Requests:
        """Remove symbols and patterns from those of a stream; ``None`` = all, and the stream.

        Returns:
            What to ask the server.
        """
        state = self._members.get(member)
        if state is None:
            return []
        leaving = [one for one in patterns or state.patterns if one in state.patterns]
        free = []
        for pattern in leaving:
            del state.patterns[pattern]
            state.undecided.discard(pattern)
            self._holders[pattern] -= 1
            if not self._holders[pattern]:
                del self._holders[pattern]
                self._accepted.discard(pattern)
                free.append(pattern)
        if patterns is None:
            del self._members[member]
        self._audiences.clear()
        if not free:
            return []
        self._ledger.forget(self._is_wanted, self._holders)
        self._bars.forget(lambda key: self._is_wanted(key.partition(" ")[0]), ())
        self._newest = {name: one for name, one in self._newest.items() if self._is_wanted(name)}
        return self._asking.unsubscribe(free)

    def take(self, frame: bytes) -> Iterator[tuple[tuple[M, ...], Parcel]]:
        """Yield what a frame brings, each with the streams that it is for."""
        for message in self._reader.read(frame):
            yield from self._sort(message)

    def _ask(self, patterns: list[str], *, again: bool = False) -> Requests:
        if not patterns:
            return []
        requests = self._asking.subscribe(patterns, self._ledger.points(), again=again)
        wanted = set(patterns)
        for request in requests:
            named = [one for one in request.symbols or () if one in wanted]
            if isinstance(request, Subscribe) and named:
                self._asked[int(request.id or 0)] = named
        return requests

    def _sort(self, message: Message) -> Iterator[tuple[tuple[M, ...], Parcel]]:
        match message.body:
            case Tick() | PartialTick():
                yield from self._sort_tick(message, message.body)
            case LiveBar() as bar:
                yield from self._sort_bar(message, bar)
            case protocol.Gap() as gap:
                self._note(gap)
                yield self._audience(gap.symbol), message
            case Status(symbols=symbols):
                wanting = {one: None for symbol in symbols for one in self._audience(symbol)}
                yield tuple(wanting), message
            case Subscribed() as answer:
                yield self.members, message
                reasons = {one.symbol: one.message for one in answer.rejected}
                codes = {one.symbol: one.code for one in answer.rejected}
                yield from self._settle(answer.id, reasons, codes)
            case Failure() as failure:
                yield self._audience(failure.symbol) if failure.symbol else self.members, message
                yield from self._settle_failure(failure)
            case Unknown(symbol=symbol):
                yield self._audience(symbol) if symbol else self.members, message
            case Welcome():
                yield self.members, message
            case Pong():
                pass

    def _sort_tick(
        self, message: Message, tick: Tick | PartialTick
    ) -> Iterator[tuple[tuple[M, ...], Parcel]]:
        audience = self._audience(tick.symbol)
        if not audience:
            return
        if tick.stored:
            yield audience, message
            return
        verdict = self._ledger.take(tick.symbol, tick.epoch, tick.sequence, tick.skipped)
        if verdict.is_news:
            self._newest[tick.symbol] = message
        for gap in verdict.gaps:
            yield audience, gap
        if verdict.is_news:
            yield audience, message

    def _sort_bar(self, message: Message, bar: LiveBar) -> Iterator[tuple[tuple[M, ...], Parcel]]:
        audience = self._audience(bar.symbol)
        if not audience:
            return
        channel = f"bars.{bar.interval}"
        verdict = self._bars.take(
            _bar_key(bar.symbol, channel), bar.epoch, bar.sequence, bar.skipped
        )
        for gap in verdict.gaps:
            yield audience, replace(gap, symbol=bar.symbol, channel=channel)
        if verdict.is_news:
            yield audience, message

    def _note(self, gap: protocol.Gap) -> None:
        if gap.channel is None:
            self._ledger.note(gap.symbol, gap.dropped)
        else:
            self._bars.note(_bar_key(gap.symbol, gap.channel), gap.dropped)

    def _settle_failure(self, failure: Failure) -> Iterator[tuple[tuple[M, ...], Parcel]]:
        asked = self._asked.get(failure.id, ()) if isinstance(failure.id, int) else ()
        reasons = dict.fromkeys(asked, failure.message)
        yield from self._settle(failure.id, reasons, dict.fromkeys(asked, failure.code))

    def _settle(
        self, number: str | int | None, reasons: dict[str, str], codes: dict[str, int]
    ) -> Iterator[tuple[tuple[M, ...], Parcel]]:
        asked = self._asked.pop(number, []) if isinstance(number, int) else []
        self._accepted.update(one for one in asked if one in self._holders and one not in reasons)
        for member, state in list(self._members.items()):
            theirs = [one for one in asked if one in state.patterns]
            refused = [one for one in theirs if one in reasons]
            for pattern in refused:
                yield (
                    (member,),
                    Failure(code=codes[pattern], message=reasons[pattern], symbol=pattern),
                )
            state.undecided.difference_update(theirs)
            state.is_accepted = state.is_accepted or len(refused) < len(theirs)
            if refused and not state.undecided and not state.is_accepted:
                kind = _ERRORS.get(codes[refused[0]], RequestError)
                why = "; ".join(dict.fromkeys(reasons[one] for one in refused))
                yield (member,), kind(f"the server accepts none of the symbols: {why}")

    def _is_wanted(self, symbol: str) -> bool:
        return symbol in self._holders or any(fits(symbol, one) for one in self._holders)

    def _audience(self, symbol: str) -> tuple[M, ...]:
        found = self._audiences.get(symbol)
        if found is None:
            found = tuple(
                member
                for member, state in self._members.items()
                if symbol in state.patterns or any(fits(symbol, one) for one in state.patterns)
            )
            # Only what somebody wants is kept, whatever a server sends.
            if found:
                self._audiences[symbol] = found
        return found


def _bar_key(symbol: str, channel: str) -> str:
    # No symbol contains a space.
    return f"{symbol} {channel}"
