"""What one client may say, and what it is answered; knows no sockets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import (
    AlreadyAuthenticated,
    InvalidMessage,
    InvalidSymbol,
    MessageTooLarge,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestError,
    TickloomError,
    TooManyConnections,
    TooManySymbols,
    verbatim,
)
from tickloom.model import Quote, is_glob, matches, parse_glob
from tickloom.stream.connection import Connection
from tickloom.stream.hub import Hub
from tickloom.stream.protocol import (
    PROTOCOL_VERSION,
    Auth,
    Authenticated,
    ClientMessage,
    Failure,
    Gap,
    Ping,
    Pong,
    Rejected,
    ResumePoint,
    Status,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
    decode_client_message,
    message_id,
)
from tickloom.stream.tick import Tick

_CODES: dict[type[TickloomError], int] = {
    NotAuthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    TooManySymbols: 405,
    TooManyConnections: 406,
    AlreadyAuthenticated: 409,
    MessageTooLarge: 413,
    RequestError: 400,
}
# Each is matched against every symbol; a client with real symbols needs few.
MAX_PATTERNS = 50
_PLANNED_OPTIONS = ("interval_ms", "batch", "fields")


def stream_code(error: TickloomError) -> int:
    """Return the code of the stream protocol for an error; 500 = our fault."""
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return 500


class SessionRules(Struct, frozen=True, kw_only=True):
    """What the server's other rooms say to a session.

    Attributes:
        server: Name and version for ``welcome``.
        clock: For the limit of messages a second.
        snapshot: The newest quote of a symbol, ``None`` = none yet.
        known: All symbols that have a newest quote.
        refuse: Why nobody can serve a symbol, ``None`` = somebody can.
        troubles: The state of each feed of these symbols that is not live.
        authenticate: The user of a key, ``None`` = unknown key. ``None`` instead of a function =
            no authentication.
        max_symbols: Most symbols and patterns of one connection.
        max_message_bytes: Longest message.
        messages_per_s: Most messages in one second.
    """

    server: str
    clock: Clock
    snapshot: Callable[[str], Quote | None]
    known: Callable[[], Iterable[str]]
    refuse: Callable[[str], TickloomError | None]
    troubles: Callable[[Collection[str]], list[Status]]
    authenticate: Callable[[str], str | None] | None
    max_symbols: int
    max_message_bytes: int
    messages_per_s: int


class Session:
    """One client's conversation.

    Args:
        hub: Where subscriptions are kept.
        connection: Where answers go.
        rules: What the rest of the server says.
        user: Who the handshake already proved the client to be; ``None`` = not proved.
    """

    def __init__(
        self, hub: Hub, connection: Connection, rules: SessionRules, user: str | None = None
    ) -> None:
        self._hub = hub
        self._connection = connection
        self._rules = rules
        self._window_s = 0.0
        self._in_window = 0
        connection.user = user

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

    def close(self) -> None:
        """Give back all that the client held; calling it twice is allowed."""
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
        self._connection.user = user
        self._connection.send(Authenticated(user=user))

    def _subscribe(self, message: Subscribe) -> None:
        self._check_options(message)
        rejected = []
        added: list[str] = []
        for raw in message.symbols:
            try:
                added.append(self._admit(raw))
            except TickloomError as error:
                rejected.append(_rejected(raw, error))
        recovered = {}
        resume = {symbol.upper(): point for symbol, point in message.resume.items()}
        missed: list[tuple[Quote, ResumePoint | None]] = []
        for symbol in self._symbols_of(added):
            quote = self._rules.snapshot(symbol)
            point = resume.get(symbol)
            if point is not None:
                recovered[symbol] = quote is not None and _is_next(point, quote, self._hub.epoch)
            if quote is not None and (message.snapshot or point is not None):
                missed.append((quote, point))
        self._tell_set(message.id, rejected, recovered)
        for status in self._rules.troubles(added):
            self._connection.send(status)
        for quote, point in missed:
            self._send_snapshot(quote, point)

    def _check_options(self, message: Subscribe) -> None:
        if not message.symbols:
            raise InvalidMessage(
                "subscribe names no symbol", found=[], expected='"symbols":["AAPL"]'
            )
        for option in _PLANNED_OPTIONS:
            if getattr(message, option) not in (None, False):
                raise InvalidMessage(f"the option {option} is not offered by this server yet")
        for channel in message.channels or ():
            if channel not in {"quotes", "status"}:
                raise InvalidMessage("unknown channel", found=channel, expected="quotes or status")

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
        self._hub.subscribe(self._connection, pattern)
        return pattern

    def _symbols_of(self, patterns: list[str]) -> dict[str, None]:
        symbols = dict.fromkeys(pattern for pattern in patterns if not is_glob(pattern))
        globs = [pattern for pattern in patterns if is_glob(pattern)]
        if globs:
            for symbol in self._rules.known():
                if any(matches(symbol, pattern) for pattern in globs):
                    symbols[symbol] = None
        return symbols

    def _send_snapshot(self, quote: Quote, point: ResumePoint | None) -> None:
        epoch = self._hub.epoch
        if point is not None:
            if point.epoch == epoch and point.sequence >= quote.sequence:
                return
            if not _is_next(point, quote, epoch):
                seen = point.sequence if point.epoch == epoch else 0
                self._connection.send(
                    Gap(
                        symbol=quote.symbol,
                        dropped=max(0, quote.sequence - 1 - seen),
                        last_sequence=quote.sequence - 1,
                    )
                )
        self._connection.offer(Tick(quote, epoch))

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
        self._tell_set(message.id, rejected, {})

    def _tell_set(
        self, identity: str | int | None, rejected: list[Rejected], recovered: dict[str, bool]
    ) -> None:
        self._connection.send(
            Subscribed(
                symbols=sorted(self._connection.patterns),
                id=identity,
                recovered=recovered,
                rejected=rejected,
            )
        )


def _is_next(point: ResumePoint, quote: Quote, epoch: str) -> bool:
    # Without a ring only "nothing" or "just the newest one" was missed for certain.
    return point.epoch == epoch and quote.sequence - 1 <= point.sequence <= quote.sequence


def _rejected(raw: object, error: TickloomError) -> Rejected:
    shown = raw if isinstance(raw, str) else repr(raw)
    return Rejected(symbol=shown[:80], code=stream_code(error), message=str(error))
