"""Where a server is, and how one is spoken to."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit, urlunsplit

from msgspec import Struct

from tickloom.client.messages import Wire
from tickloom.errors import RequestError

_REST = "/api/v1/market-data"
_STREAMS = (f"{_REST}/stream", "/ws")
Authentication: TypeAlias = Literal["header", "message"]


class Target(Struct, frozen=True, kw_only=True):
    """Where to connect.

    Attributes:
        stream: Address of the stream, ``ws://…`` or ``wss://…``.
        rest: Begin of all REST addresses, without a slash at its end.
        key: The API key, ``None`` = none. It stands in no error.
        authentication: Whether the key goes as a header of the handshake or as the first message.
        wire: How messages come.
        is_local: Whether the server is on this machine; then no proxy is asked.
    """

    stream: str
    rest: str
    key: str | None
    authentication: Authentication
    wire: Wire
    is_local: bool

    def __repr__(self) -> str:
        return f"Target({self.stream!r})"


def find_target(
    url: str, key: str | None, authentication: Authentication, wire: Wire
) -> Target:  # fmt: skip
    """Return the addresses that belong to ``url``.

    Args:
        url: Of the server or of its stream: ``ws``, ``wss``, ``http`` or ``https``.
        key: The API key.
        authentication: How it goes.
        wire: How messages are wanted.

    Raises:
        RequestError: The address cannot be used.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), ""
    secure = parts.scheme in ("wss", "https")
    if not host or parts.scheme not in ("ws", "wss", "http", "https") or parts.username:
        shown = url.rpartition("@")[2]
        raise RequestError(
            "not the address of a server", found=shown, expected="such as ws://127.0.0.1:8000"
        )
    path = parts.path.rstrip("/")
    prefix = path
    for known in _STREAMS:
        prefix = prefix.removesuffix(known)
    if parts.scheme in ("http", "https"):
        path = f"{prefix.removesuffix(_REST)}/ws"
        prefix = prefix.removesuffix(_REST)
    query = parts.query
    if wire != "json":
        query = f"{query}&format={wire}" if query else f"format={wire}"
    return Target(
        stream=urlunsplit(("wss" if secure else "ws", parts.netloc, path or "/", query, "")),
        rest=urlunsplit(("https" if secure else "http", parts.netloc, prefix + _REST, "", "")),
        key=key,
        authentication=authentication,
        wire=wire,
        is_local=_is_local(host),
    )


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
