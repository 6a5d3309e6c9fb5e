"""Brings the ticks of other replicas to our clients, and ours to theirs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import msgspec

from tickloom.cache import QuoteCache
from tickloom.clock import Clock
from tickloom.cluster import Replicas, View
from tickloom.errors import BadRecord, NotFound, TickloomError, UnknownSymbol
from tickloom.model import Quote, decode_json, encode_json, is_glob
from tickloom.relay.messages import (
    Answer,
    Ask,
    Beat,
    FeedStatus,
    Message,
    Offer,
    SymbolFailure,
    Ticks,
    WishesChanged,
    decode,
)
from tickloom.relay.outbox import Outbox
from tickloom.stream import Hub, Status, StatusState, Tick, WireFormat
from tickloom.stream.protocol import MarketData

_SYMBOLS_A_MESSAGE = 1_000
_TICKS_A_MESSAGE = 500
_MOST_NEW = 500
_REFUSED_S = 60.0
_MOST_REFUSED = 10_000
_NEVER = ("", 0)

_market_data = msgspec.json.Decoder(MarketData).decode


class Relay:
    """What one replica says to the others and hears of them.

    A tick is taken from the owner of its symbol alone, in its order. Where something is missing,
    because the wire was down or the owner changed, the owner is asked; what it no longer has, our
    clients are told as a gap.

    Args:
        hub: Ours.
        cache: Ours; ticks of the others keep it fresh.
        replicas: Who owns what.
        outbox: What we say.
        channel_of: The channel on which a replica alone listens.
        accept: The pipeline, for quotes that others fetched or released for us.
        wanted: The symbols and patterns that our clients want.
        clock: For what is remembered for a while.
    """

    def __init__(
        self,
        hub: Hub,
        cache: QuoteCache,
        replicas: Replicas,
        outbox: Outbox,
        channel_of: Callable[[str], str],
        accept: Callable[[Quote], object],
        wanted: Callable[[], Collection[str]],
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._cache = cache
        self._replicas = replicas
        self._outbox = outbox
        self._channel_of = channel_of
        self._accept = accept
        self._wanted = wanted
        self._clock = clock
        self._me = replicas.view.me
        self._numbers: dict[str, int] = {}
        self._statuses: dict[tuple[str, str], Status] = {}
        self._refused: dict[str, tuple[float, TickloomError]] = {}
        self._handlers: dict[type[Message], Callable[[Any], None]] = {
            Ticks: self._take_ticks,
            Beat: self._take_beat,
            Answer: lambda answer: self._take(answer.sender, answer.ticks),
            Ask: self._answer,
            Offer: self._accept_offer,
            FeedStatus: self._take_status,
            SymbolFailure: self._take_failure,
            WishesChanged: lambda _: self._replicas.hurry(),
        }
        self.relayed = 0
        self.foreign = 0
        self.asked = 0
        self.unreadable = 0

    def owns(self, symbol: str) -> bool:
        """True where this replica numbers and stores a symbol."""
        return self._replicas.owns(symbol)

    def send(self, tick: Tick) -> None:
        """Let the other replicas have a tick of a symbol that is ours."""
        self._outbox.put_tick(tick)

    def offer(self, quote: Quote) -> None:
        """Let the owner of a symbol have a quote that we fetched."""
        owner = self._replicas.view.owner_of(quote.symbol)
        self._outbox.put(Offer(self._me, encode_json(quote)), self._channel_of(owner))

    def confirm(self, symbol: str) -> None:
        """Let the others know that the last quote of a symbol still holds."""
        self._outbox.confirm(symbol)

    def publish_status(
        self,
        provider: str,
        state: StatusState,
        since: datetime,
        symbols: Collection[str],
        reason: str = "",
    ) -> None:
        """Tell the state of a feed of ours to our clients and to those of the others."""
        self._hub.publish_status(provider, state, since, symbols, reason)
        status = Status(
            provider=provider, state=state, since=since, symbols=sorted(symbols), reason=reason
        )
        self._outbox.put(FeedStatus(self._me, status))

    def publish_alert(
        self, provider: str, since: datetime, symbols: Collection[str], reason: str
    ) -> None:
        """Tell of bad data to our clients and to those of the others; the feed itself goes on."""
        self._hub.publish_status(provider, "live", since, symbols, reason)
        status = Status(
            provider=provider, state="live", since=since, symbols=sorted(symbols), reason=reason
        )
        self._outbox.put(FeedStatus(self._me, status, is_alert=True))

    def publish_failure(self, symbol: str, code: int, message: str) -> None:
        """Tell the trouble of a symbol to our clients and to those of the others."""
        self._hub.publish_failure(symbol, code, message)
        self._outbox.put(SymbolFailure(self._me, symbol, code, message))

    def troubles(self, symbols: Collection[str]) -> list[Status]:
        """Return a status for each feed of another replica that is not live."""
        view = self._replicas.view
        found = []
        for (sender, _), status in self._statuses.items():
            theirs = [one for one in status.symbols if one in symbols]
            theirs = [one for one in theirs if view.owner_of(one) == sender]
            if theirs:
                found.append(msgspec.structs.replace(status, symbols=theirs))
        return found

    def refusal(self, symbol: str) -> TickloomError | None:
        """Return what the owner of a symbol last said of it where nobody knows it."""
        until_s, error = self._refused.get(symbol, (0.0, None))
        return error if self._clock.monotonic() < until_s else None

    def tell_wishes(self) -> None:
        """Let the others know that our clients want something else, and ask for what is new."""
        self._outbox.put(WishesChanged(self._me))
        known = self._hub.symbols()
        new = [one for one in self._wanted() if one not in known and not is_glob(one)]
        for member in self._replicas.view.members:
            self._ask(member, new)

    def heard_again(self) -> None:
        """Ask every other replica for what came while the wire was down."""
        self._numbers.clear()
        for member in self._replicas.view.members:
            self._ask(member)

    def moved(self, before: View, after: View) -> None:
        """Follow a change of the living: what changed hands is asked for or counted anew."""
        for key in [key for key in self._statuses if key[0] not in after.members]:
            del self._statuses[key]
        gained: dict[str, list[str]] = {}
        for symbol in list(self._hub.symbols()):
            was, owner = before.owner_of(symbol), after.owner_of(symbol)
            if was == owner:
                continue
            if was == self._me:
                self._hub.renew(symbol)
            if owner != self._me:
                gained.setdefault(owner, []).append(symbol)
        for owner, symbols in gained.items():
            self._ask(owner, symbols)

    def count_anew(self) -> None:
        """Count all that is ours under other epochs: the others had it meanwhile."""
        for symbol in list(self._hub.symbols()):
            if self._replicas.owns(symbol):
                self._hub.renew(symbol)

    def _ask(self, owner: str, symbols: Collection[str] | None = None) -> None:
        if owner == self._me:
            return
        view = self._replicas.view
        wanted = self._hub.symbols() if symbols is None else symbols
        theirs = [symbol for symbol in wanted if view.owner_of(symbol) == owner]
        self.asked += len(theirs)
        for start in range(0, len(theirs), _SYMBOLS_A_MESSAGE):
            seen = {one: self._seen(one) for one in theirs[start : start + _SYMBOLS_A_MESSAGE]}
            self._outbox.put(Ask(self._me, seen), self._channel_of(owner))

    def _seen(self, symbol: str) -> tuple[str, int]:
        newest = self._hub.newest(symbol)
        return (newest.epoch, newest.sequence) if newest is not None else _NEVER

    def receive(self, data: bytes) -> None:
        """Take a message of the bus."""
        message: Message = decode(data)
        if message.sender != self._me:
            self._handlers[type(message)](message)

    def _take_ticks(self, message: Ticks) -> None:
        self._follow(message.sender, message.number - 1)
        self._numbers[message.sender] = message.number
        self._take(message.sender, message.ticks)

    def _take_beat(self, message: Beat) -> None:
        self._follow(message.sender, message.number)
        for symbol in message.confirmed:
            self._cache.confirm(symbol)

    def _follow(self, sender: str, before: int) -> None:
        known = self._numbers.setdefault(sender, before)
        if known != before:
            self._numbers[sender] = before
            self._ask(sender)

    def _take(self, sender: str, ticks: list[bytes]) -> None:
        view = self._replicas.view
        for encoded in ticks:
            try:
                message = _market_data(encoded)
            except msgspec.MsgspecError:
                # Of a replica of another version, for example; the others of its message are good.
                self.unreadable += 1
                continue
            if view.owner_of(message.symbol) != sender:
                # One of us does not know yet that the symbol changed hands; it will be asked for.
                self.foreign += 1
                continue
            if not self._hub.is_news(message.data, message.epoch):
                continue
            self._cache.put(message.data, share=False)
            self._hub.relay(message.data, message.epoch, encoded)
            self.relayed += 1

    def _answer(self, ask: Ask) -> None:
        found: list[bytes] = []
        for symbol, (epoch, sequence) in ask.seen.items():
            newest = self._hub.newest(symbol)
            if newest is None or not self._replicas.owns(symbol):
                continue
            if epoch != newest.epoch and epoch and self._is_outdated(newest):
                # It is older than what the other has seen of who had the symbol meanwhile.
                continue
            missed = self._hub.missed(symbol, epoch, sequence)
            if missed is None and epoch and newest.sequence <= _MOST_NEW:
                # The other has not heard of the new epoch yet, which is young enough to tell whole.
                missed = self._hub.missed(symbol, newest.epoch, 0)
            ticks = [newest] if missed is None else missed
            found += [tick.encoded(WireFormat.JSON) for tick in ticks]
        for start in range(0, len(found), _TICKS_A_MESSAGE):
            answer = Answer(self._me, found[start : start + _TICKS_A_MESSAGE])
            self._outbox.put(answer, self._channel_of(ask.sender))

    def _is_outdated(self, tick: Tick) -> bool:
        is_ours = tick.epoch.partition(".")[0] == self._hub.epoch
        return is_ours and tick.epoch != self._hub.epoch_of(tick.symbol)

    def _accept_offer(self, offer: Offer) -> None:
        try:
            quote: Quote = decode_json(offer.quote, Quote)
        except BadRecord:
            return
        if self._replicas.owns(quote.symbol):
            self._accept(quote)

    def _take_status(self, message: FeedStatus) -> None:
        status = message.status
        if message.is_alert:
            self._hub.publish_status(
                status.provider, status.state, status.since, status.symbols, status.reason
            )
            return
        view = self._replicas.view
        theirs = [one for one in status.symbols if view.owner_of(one) == message.sender]
        self._statuses.pop((message.sender, status.provider), None)
        if status.state != "live":
            self._statuses[message.sender, status.provider] = status
        self._hub.publish_status(status.provider, status.state, status.since, theirs, status.reason)

    def _take_failure(self, message: SymbolFailure) -> None:
        if self._replicas.view.owner_of(message.symbol) != message.sender:
            return
        if len(self._refused) >= _MOST_REFUSED:
            self._refused.clear()
        error: NotFound = UnknownSymbol(message.message)
        self._refused[message.symbol] = (self._clock.monotonic() + _REFUSED_S, error)
        self._hub.publish_failure(message.symbol, message.code, message.message)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start."""
        return {
            "ticks_relayed": self.relayed,
            "ticks_foreign": self.foreign,
            "ticks_unreadable": self.unreadable,
            "symbols_asked_for": self.asked,
            **self._outbox.stats(),
        }
