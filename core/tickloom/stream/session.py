"""What one client may say, and what it is answered; knows no sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec.structs import replace

from tickloom.errors import (
    AlreadyAuthenticated,
    InvalidMessage,
    InvalidSymbol,
    NotAuthenticated,
    TickloomError,
    TooManyConnections,
    TooManySymbols,
    verbatim,
)
from tickloom.model import is_glob, matcher, parse_glob
from tickloom.stream.bar import BAR_CHANNELS
from tickloom.stream.catchup import CatchUp
from tickloom.stream.connection import Connection
from tickloom.stream.hub import Hub
from tickloom.stream.protocol import (
    PROTOCOL_VERSION,
    Auth,
    Authenticated,
    ClientMessage,
    Failure,
    Ping,
    Pong,
    Rejected,
    ResumePoint,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
    decode_client_message,
    message_id,
)
from tickloom.stream.rules import SessionRules, stream_code
from tickloom.stream.subscribing import Past, check_options, read_wish
from tickloom.stream.tick import Tick
from tickloom.stream.wanted import QUOTES

# Each is matched against every symbol; a client with real symbols needs few.
MAX_PATTERNS = 50


class Session:
    """One client's conversation.

    Args:
        hub: Where subscriptions are kept.
        connection: Where answers go.
        rules: What the rest of the server says.
        user: Who the handshake already proved the client to be; ``None`` = not proved.

    Raises:
        TooManyConnections: The user has as many as it may.
    """

    __slots__ = ("_catch_up", "_connection", "_hub", "_in_window", "_rules", "_window_s")

    def __init__(
        self, hub: Hub, connection: Connection, rules: SessionRules, user: str | None = None
    ) -> None:
        self._hub = hub
        self._connection = connection
        self._rules = rules
        self._window_s = 0.0
        self._in_window = 0
        self._catch_up: CatchUp | None = None
        if user is not None:
            self._enter(user)

    @property
    def needs_authentication(self) -> bool:
        """True until the client has said who it is, where that is asked for."""
        return self._rules.authenticate is not None and self._connection.user is None

    def open(self) -> None:
        """Greet the client and begin to count it."""
        self._hub.attach(self._connection)
        self._connection.send(
            Welcome(
                version=PROTOCOL_VERSION,
                server=self._rules.server,
                epoch=self._hub.epoch,
                auth_required=self.needs_authentication,
            )
        )

    def subscribe_after(self, patterns: list[str], epoch: str, position: int | None) -> None:
        """Subscribe a client that can say nothing itself, such as one of Server-Sent Events.

        Args:
            patterns: Canonical symbols and patterns.
            epoch: That of the last message it has seen.
            position: Of the last message it has seen; ``None`` = it has seen none.
        """
        message = Subscribe(symbols=list(patterns), snapshot=position is None)
        if position is None:
            self._subscribe(message)
            return
        if epoch != self._hub.epoch:
            # What it has seen was numbered by another process; it must learn that there is a hole.
            lost = ResumePoint(epoch=epoch, sequence=0)
            self._subscribe(
                replace(message, resume=dict.fromkeys(self._symbols_of(patterns), lost))
            )
            return
        self._subscribe(message)
        pasts = []
        for symbol in self._symbols_of(patterns):
            missed = self._hub.missed_after(symbol, position)
            if missed and missed[0].missing:
                self._connection.send(missed[0].gap_before(missed[0].missing))
            point = ResumePoint(epoch=epoch, sequence=0)
            pasts.append(Past(symbol, missed, self._hub.newest(symbol), point))
        self._bring(pasts)

    def close(self) -> None:
        """Give back all that the client held; calling it twice is allowed."""
        if self._catch_up is not None:
            self._catch_up.close()
        self._hub.detach(self._connection)

    def handle(self, data: str | bytes) -> bool:
        """Answer one message of the client, a mistake with an ``error`` message.

        Returns:
            Whether the conversation may go on; ``False`` after far too many messages.
        """
        if self._over_rate():
            limit = self._rules.messages_per_s
            self._connection.send(
                Failure(code=429, message=f"too many messages: expected at most {limit} a second")
            )
            return self._in_window < 2 * limit
        try:
            self._answer(decode_client_message(data, self._rules.max_message_bytes))
        except TickloomError as error:
            self._connection.send(
                Failure(
                    code=stream_code(error),
                    message=str(error),
                    id=message_id(data, self._rules.max_message_bytes),
                )
            )
        except RecursionError:
            # It could be read, but not shown: each of these has its own depth.
            failure = Failure(code=400, message="the message cannot be used: it is nested too deep")
            self._connection.send(failure)
        return True

    def _over_rate(self) -> bool:
        now = self._rules.clock.monotonic()
        if now - self._window_s >= 1.0:
            self._window_s, self._in_window = now, 0
        self._in_window += 1
        return self._in_window > self._rules.messages_per_s

    def _answer(self, message: ClientMessage) -> None:
        match message:
            case Ping():
                self._connection.send(Pong(id=message.id))
            case Auth():
                self._authenticate(message)
            case Subscribe():
                self._require_user("subscribe")
                self._subscribe(message)
            case Unsubscribe():
                self._require_user("unsubscribe")
                self._unsubscribe(message)

    def _require_user(self, what: str) -> None:
        if self.needs_authentication:
            raise NotAuthenticated(
                f"{what} needs authentication",
                fix='Send {"type":"auth","token":"…"} first, or the key in the X-API-Key header.',
            )

    def _authenticate(self, message: Auth) -> None:
        if not self.needs_authentication:
            raise AlreadyAuthenticated("this connection needs no further authentication")
        assert self._rules.authenticate is not None  # noqa: S101 - needs_authentication says so
        user = self._rules.authenticate(message.token)
        if user is None:
            raise NotAuthenticated("the key is not known")
        self._enter(user)
        self._connection.send(Authenticated(user=user))

    def _enter(self, user: str) -> None:
        if self._rules.authenticate is not None:
            theirs = sum(one.user == user for one in self._hub.connections)
            if theirs >= self._rules.max_user_connections:
                raise TooManyConnections(
                    f"the user {user} holds as many connections as it may",
                    expected=f"at most {self._rules.max_user_connections}",
                    fix="Close others first; one connection takes many symbols.",
                )
        self._connection.user = user

    def _subscribe(self, message: Subscribe) -> None:
        check_options(message)
        connection = self._connection
        followed = connection.patterns.followed()
        charted = {
            channel: connection.patterns.followed(channel)
            for channel in message.channels or ()
            if channel in BAR_CHANNELS
        }
        rejected = []
        renamed: dict[str, str] = {}
        added: list[str] = []
        for raw in message.symbols:
            try:
                pattern = self._admit(raw)
                wish = read_wish(message, connection.patterns.get(pattern))
                self._hub.subscribe(connection, pattern, wish)
                added.append(pattern)
                if pattern != raw:
                    renamed[raw] = pattern
            except TickloomError as error:
                rejected.append(_rejected(raw, error))
        if message.batch is not None:
            connection.set_batch(batch=message.batch)
        connection.end_waiting()
        resume = {
            renamed.get(named, named.upper()): point for named, point in message.resume.items()
        }
        past = [self._past_of(symbol, resume.get(symbol)) for symbol in self._symbols_of(added)]
        recovered = {one.symbol: one.is_whole for one in past if one.symbol in resume}
        self._tell_set(message.id, rejected, recovered, renamed)
        for status in self._rules.troubles(added):
            connection.send(status)
        if message.since is not None:
            wanted = connection.patterns.followed()
            symbols = [one.symbol for one in past if wanted(one.symbol)]
            self._bring_stored(symbols, message.since)
        else:
            # What the client follows already comes in its order; the newest would overtake it.
            self._bring(
                one
                for one in past
                if one.symbol in resume or (message.snapshot and not followed(one.symbol))
            )
        if message.snapshot:
            self._bring_bars(past, charted)

    def _past_of(self, symbol: str, point: ResumePoint | None) -> Past:
        hub = self._hub
        newest = hub.newest(symbol)
        if newest is None:
            quote = self._rules.snapshot(symbol)
            newest = Tick(quote, hub.epoch) if quote is not None else None
        if point is not None:
            missed = hub.missed(symbol, point.epoch, point.sequence)
            return Past(symbol, missed, newest, point)
        return Past(symbol, [newest] if newest is not None else [], newest, None)

    def _bring(self, pasts: Iterable[Past]) -> None:
        connection = self._connection
        items: list[Tick] = []
        for past in pasts:
            wish = connection.patterns.wish_for(past.symbol)
            if wish is None or QUOTES not in wish.channels:
                continue
            if past.point is not None:
                connection.forget_quotes(past.symbol)
            if past.missed is not None:
                items += past.missed
            elif past.newest is not None:
                gap = past.gap()
                if gap is not None:
                    connection.send(gap)
                items.append(past.newest)
            elif past.point is not None:
                connection.resume_unknown(past.symbol, past.point)
        # In the order in which they were published, so that a position says what was seen before.
        items.sort(key=lambda tick: tick.position)
        connection.replay(items)

    def _bring_stored(self, symbols: list[str], since: datetime) -> None:
        if self._rules.read_past is None:
            raise InvalidMessage("this server stores nothing, so since cannot be used")
        if self._catch_up is None:
            self._catch_up = CatchUp(self._hub, self._connection, self._rules.read_past)
        self._catch_up.begin(symbols, since)

    def _bring_bars(self, pasts: Iterable[Past], charted: dict[str, Callable[[str], bool]]) -> None:
        bring, patterns = self._rules.bring_bar, self._connection.patterns
        if bring is None:
            return
        for past in pasts:
            wish = patterns.wish_for(past.symbol)
            for channel in sorted(charted):
                is_wanted = wish is not None and channel in wish.channels
                if is_wanted and not charted[channel](past.symbol):
                    bring(self._connection, past.symbol, channel)

    def _admit(self, raw: object) -> str:
        pattern = parse_glob(raw)
        wanted = self._connection.patterns
        if pattern in wanted:
            return pattern
        if len(wanted) >= self._rules.max_symbols:
            raise TooManySymbols(
                "too many symbols on this connection",
                found=verbatim(f"{len(wanted) + 1} symbols"),
                expected=f"at most {self._rules.max_symbols}",
            )
        if is_glob(pattern):
            globs = sum(map(is_glob, wanted))
            if globs >= MAX_PATTERNS:
                raise TooManySymbols(
                    "too many patterns on this connection",
                    found=verbatim(f"{globs + 1} patterns"),
                    expected=f"at most {MAX_PATTERNS}",
                    fix="Name the symbols.",
                )
        else:
            refusal = self._rules.refuse(pattern)
            if refusal is not None:
                raise refusal
        return pattern

    def _symbols_of(self, patterns: list[str]) -> dict[str, None]:
        symbols = dict.fromkeys(pattern for pattern in patterns if not is_glob(pattern))
        globs = [pattern for pattern in patterns if is_glob(pattern)]
        if globs:
            symbols |= dict.fromkeys(filter(matcher(globs), self._rules.known()))
        return symbols

    def _unsubscribe(self, message: Unsubscribe) -> None:
        connection = self._connection
        rejected = []
        leaving: set[str] = set()
        if message.symbols is None:
            leaving = set(connection.patterns)
        for raw in message.symbols or ():
            try:
                leaving.add(parse_glob(raw))
            except InvalidSymbol as error:
                rejected.append(_rejected(raw, error))
        for pattern in leaving:
            self._hub.unsubscribe(connection, pattern)
        connection.forget()
        self._tell_set(message.id, rejected, {}, {})

    def _tell_set(
        self,
        identity: str | int | None,
        rejected: list[Rejected],
        recovered: dict[str, bool],
        renamed: dict[str, str],
    ) -> None:
        self._connection.send(
            Subscribed(
                symbols=sorted(self._connection.patterns),
                id=identity,
                recovered=recovered,
                rejected=rejected,
                renamed=renamed,
            )
        )


def _rejected(raw: object, error: TickloomError) -> Rejected:
    shown = raw if isinstance(raw, str) else repr(raw)
    return Rejected(symbol=shown[:80], code=stream_code(error), message=str(error))
