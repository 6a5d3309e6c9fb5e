"""What the server's other rooms say to a session, and how errors are told to clients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import (
    AlreadyAuthenticated,
    MessageTooLarge,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestError,
    TickloomError,
    TooManyConnections,
    TooManySymbols,
)
from tickloom.model import Quote
from tickloom.stream.catchup import ReadPast
from tickloom.stream.connection import Connection
from tickloom.stream.protocol import Status

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
        snapshot: The newest quote of a symbol that was not published here, ``None`` = none.
        known: All symbols that have a newest quote.
        refuse: Why nobody can serve a symbol, ``None`` = somebody can.
        troubles: The state of each feed of these symbols that is not live.
        authenticate: The user of a key, ``None`` = unknown key. ``None`` instead of a function =
            no authentication.
        max_user_connections: Most connections of one user.
        max_symbols: Most symbols and patterns of one connection.
        max_message_bytes: Longest message.
        messages_per_s: Most messages in one second.
        read_past: Reads stored quotes; ``None`` = nothing is stored.
        bring_bar: Lets a connection have the newest bar of a symbol and channel; ``None`` = no
            bars are built.
    """

    server: str
    clock: Clock
    snapshot: Callable[[str], Quote | None]
    known: Callable[[], Iterable[str]]
    refuse: Callable[[str], TickloomError | None]
    troubles: Callable[[Collection[str]], list[Status]]
    authenticate: Callable[[str], str | None] | None
    max_user_connections: int
    max_symbols: int
    max_message_bytes: int
    messages_per_s: int
    read_past: ReadPast | None = None
    bring_bar: Callable[[Connection, str, str], object] | None = None
