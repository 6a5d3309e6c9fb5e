"""The messages of the stream, version 1, and how a client's text becomes one of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tickloom.errors import InvalidMessage, MessageTooLarge, UnknownMessage, verbatim
from tickloom.model import Quote

PROTOCOL_VERSION = 1

StatusState = Literal["live", "stale", "down", "closed"]
BarState = Literal["forming", "closed", "corrected"]


# MessagePack carries no larger number back.
_MOST_ID = 2**63 - 1
Identity = str | Annotated[int, Meta(ge=-_MOST_ID, le=_MOST_ID)] | None
"""What a client calls a message, so that it knows the answer; ``None`` = nothing."""


class ResumePoint(Struct, frozen=True, kw_only=True):
    """The last message of a symbol that a client has seen."""

    epoch: Annotated[str, Meta(max_length=64)]
    sequence: int


class Auth(Struct, frozen=True, kw_only=True, tag_field="type", tag="auth"):
    """A client says who it is."""

    token: str


class Subscribe(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """A client adds symbols or patterns.

    ``symbols`` stays raw here: each is judged by itself, so that one bad symbol does not cost the
    others.
    """

    symbols: list[Any]
    id: Identity = None
    snapshot: bool = True
    resume: dict[str, ResumePoint] = {}
    interval_ms: int | None = None
    batch: bool | None = None
    fields: list[str] | None = None
    channels: list[str] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None


class Unsubscribe(Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribe"):
    """A client removes symbols or patterns; without ``symbols`` all of them."""

    symbols: list[Any] | None = None
    id: Identity = None


class Ping(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """A client asks whether the server is there."""

    id: Identity = None


ClientMessage = Auth | Subscribe | Unsubscribe | Ping
_TYPES: dict[str, type[ClientMessage]] = {
    "auth": Auth,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "ping": Ping,
}


class Welcome(Struct, frozen=True, kw_only=True, tag_field="type", tag="welcome"):
    """The server's first message."""

    version: int
    server: str
    epoch: str
    auth_required: bool


class Rejected(Struct, frozen=True, kw_only=True):
    """One symbol of a subscription that was refused."""

    symbol: str
    code: int
    message: str


class Subscribed(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed", omit_defaults=True
):
    """The whole set of symbols and patterns after a change.

    ``renamed`` has the canonical form of what the client wrote in another way.
    """

    symbols: list[str]
    id: Identity = None
    recovered: dict[str, bool] = {}
    rejected: list[Rejected] = []
    renamed: dict[str, str] = {}


class MarketData(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="market_data", omit_defaults=True
):
    """One tick.

    ``skipped`` counts the ticks before it that the receiver did without for its interval.
    ``stored`` says that it is of the past and comes from the database, where numbers have holes.
    """

    symbol: str
    epoch: str
    sequence: int
    data: Quote
    skipped: int = 0
    stored: bool = False


class PartialMarketData(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="market_data", omit_defaults=True
):
    """One tick for a receiver that wants some fields only; those without a value are left out."""

    symbol: str
    epoch: str
    sequence: int
    data: dict[str, Any]
    skipped: int = 0
    stored: bool = False


class LiveBar(Struct, frozen=True, kw_only=True, tag_field="type", tag="bar", omit_defaults=True):
    """What the ticks of one interval of a symbol have come to.

    Attributes:
        symbol: Canonical.
        interval: ``1s``, ``1m``, ``5m``, ``1h`` or ``1d``.
        timestamp: Begin of the interval by the venue's times, aware UTC.
        state: ``forming`` while ticks are expected, ``closed`` once, ``corrected`` after that.
        open: First price, in ``currency``.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        ticks: Number of ticks; one that was told again does not count.
        epoch: What ``sequence`` counts in.
        sequence: Number of the message among those of its symbol and interval, without holes.
        volume: Units traded; ``None`` where the provider tells none.
        currency: ISO 4217 code, or GBp, ILA, ZAc; ``None`` = not stated.
        partial: True where the server has not watched since the begin of the interval.
        skipped: Forming ones before it that the receiver did without for its interval.
    """

    symbol: str
    interval: str
    timestamp: datetime
    state: BarState
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int
    epoch: str
    sequence: int
    volume: int | None = None
    currency: str | None = None
    partial: bool = False
    skipped: int = 0


class Status(Struct, frozen=True, kw_only=True, tag_field="type", tag="status", omit_defaults=True):
    """A feed changed its state; ``symbols`` are those of the receiver that depend on it."""

    provider: str
    state: StatusState
    since: datetime
    symbols: list[str]
    reason: str = ""


class Gap(Struct, frozen=True, kw_only=True, tag_field="type", tag="gap", omit_defaults=True):
    """Items of a symbol were left out; ``last_sequence`` is the newest of them.

    ``channel`` is missing where they are quotes, ``epoch`` where it is not known.
    """

    symbol: str
    dropped: int
    last_sequence: int
    channel: str | None = None
    epoch: str | None = None


class Pong(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong", omit_defaults=True):
    """The answer to ``ping``."""

    id: Identity = None


class Authenticated(Struct, frozen=True, kw_only=True, tag_field="type", tag="authenticated"):
    """The answer to ``auth``."""

    user: str


class Failure(Struct, frozen=True, kw_only=True, tag_field="type", tag="error", omit_defaults=True):
    """A request failed, or one symbol of the receiver has trouble."""

    code: int
    message: str
    id: Identity = None
    symbol: str | None = None


def decode_client_message(data: str | bytes, max_bytes: int) -> ClientMessage:
    """Return the message that a client sent, as JSON text or MessagePack bytes.

    Raises:
        MessageTooLarge: It has more than ``max_bytes`` bytes.
        UnknownMessage: Its ``type`` is none of the protocol's.
        InvalidMessage: It is not JSON or MessagePack, or lacks what its type needs.
    """
    size = len(data) if isinstance(data, bytes) else len(data.encode(errors="surrogatepass"))
    if size > max_bytes:
        raise MessageTooLarge(
            "the message is too large",
            found=verbatim(f"{size} bytes"),
            expected=f"at most {max_bytes} bytes",
            fix="Split the symbols over several messages.",
        )
    raw = _parse(data)
    if not isinstance(raw, dict):
        raise InvalidMessage(
            "not a message",
            found=verbatim(f"a JSON {_json_name(raw)}"),
            expected='an object such as {"type":"subscribe","symbols":["AAPL"]}',
        )
    kind = raw.get("type")
    known = _TYPES.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise UnknownMessage(
            "unknown message type", found=kind, expected="one of " + ", ".join(_TYPES)
        )
    try:
        return msgspec.convert(raw, type=known)
    except msgspec.ValidationError as error:
        raise InvalidMessage(f"the {kind} message cannot be used: {error}") from None


def message_id(data: str | bytes, max_bytes: int) -> str | int | None:
    """Return the ``id`` of a message that could not be used, so that the answer can carry it."""
    if len(data) > max_bytes // 4:
        # It may be too large in bytes, and so would be the answer.
        return None
    try:
        raw = _parse(data)
    except InvalidMessage:
        return None
    found = raw.get("id") if isinstance(raw, dict) else None
    is_usable = isinstance(found, str) or (isinstance(found, int) and abs(found) <= _MOST_ID)
    return found if is_usable else None


def _parse(data: str | bytes) -> Any:
    name = "JSON" if isinstance(data, str) else "MessagePack"
    try:
        return msgspec.json.decode(data) if isinstance(data, str) else msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidMessage(f"not {name}: {error}", found=data[:80]) from None


def _json_name(value: Any) -> str:
    names = {str: "text", bool: "truth value", int: "number", float: "number", list: "array"}
    return names.get(type(value), "null")
