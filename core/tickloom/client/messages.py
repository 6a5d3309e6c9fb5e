"""What a stream hands over, and how a frame becomes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tickloom.model import DataType, MarketState, Quality, Quote
from tickloom.stream import protocol
from tickloom.stream.protocol import (
    Authenticated,
    Failure,
    LiveBar,
    Pong,
    Status,
    Subscribed,
    Welcome,
)

Wire: TypeAlias = Literal["json", "msgpack"]

UNREADABLE = 500
"""Code of the :class:`Failure` that stands for a message which cannot be read."""


class Tick(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag="market_data",
    omit_defaults=True,
    rename={"quote": "data"},
):
    """One price.

    Attributes:
        symbol: Canonical, in capitals.
        epoch: What ``sequence`` counts in; a restarted server begins another one.
        sequence: Number of the symbol's price in its epoch, from 1 without holes.
        quote: The price with all that is known beside it.
        skipped: Prices before it that were left out for ``interval_ms``.
        stored: True for a price of the past that ``since`` brought from the database, where numbers
            have holes.
    """

    symbol: str
    epoch: str
    sequence: int
    quote: Quote
    skipped: int = 0
    stored: bool = False


class PartialQuote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a quote that were asked for; the others are ``None``, as are unknown ones.

    Each field is what it is in :class:`tickloom.model.Quote`.
    """

    symbol: str | None = None
    provider: str | None = None
    timestamp: datetime | None = None
    received_at: datetime | None = None
    is_real_time: bool | None = None
    current_price: Decimal | None = None
    open_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    close_price: Decimal | None = None
    previous_close: Decimal | None = None
    volume: int | None = None
    market_cap: Decimal | None = None
    price_change: Decimal | None = None
    price_change_percent: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: int | None = None
    ask_size: int | None = None
    last_size: int | None = None
    currency: str | None = None
    exchange: str | None = None
    market_state: MarketState | None = None
    data_type: DataType | None = None
    fallback_from: str | None = None
    fallback_reason: str | None = None
    sequence: int | None = None
    quality: Quality | None = None
    quality_codes: tuple[str, ...] | None = None
    additional_data: dict[str, Any] | None = None


class PartialTick(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag="market_data",
    omit_defaults=True,
    rename={"quote": "data"},
):
    """One price of a stream that asked for some fields only; else as :class:`Tick`."""

    symbol: str
    epoch: str
    sequence: int
    quote: PartialQuote
    skipped: int = 0
    stored: bool = False


class Gap(Struct, frozen=True, kw_only=True):
    """Prices of a symbol are missing; it comes before the price that follows them.

    Attributes:
        symbol: Canonical.
        dropped: How many are known to be missing; 0 = nobody knows whether any are.
        last_sequence: Number of the newest of them.
        cause: ``server``: the server told it, since this client was too slow or came back too late.
            ``hole``: the client found it in the numbers. ``restart``: the numbers began anew, and
            what came last in the old ones is not known.
        channel: Of what kind they are, such as ``bars.1m``; ``None`` = prices.
    """

    symbol: str
    dropped: int
    last_sequence: int
    cause: Literal["server", "hole", "restart"]
    channel: str | None = None


class Connected(Struct, frozen=True, kw_only=True):
    """The server greeted.

    Attributes:
        url: Of the stream.
        server: Its name and version.
        epoch: Of the process that answers; another one than before means that it restarted.
        number: 1 = the first connection.
    """

    url: str
    server: str
    epoch: str
    number: int


class Disconnected(Struct, frozen=True, kw_only=True):
    """The connection broke, or another attempt failed; there will be one more.

    Attributes:
        reason: For people.
        code: The close code, ``None`` = none came.
        retry_in_s: Seconds until the next attempt.
    """

    reason: str
    code: int | None
    retry_in_s: float


class Unknown(Struct, frozen=True, kw_only=True):
    """A message of a type that this client does not know.

    Attributes:
        type: As the message says.
        symbol: What it is about; empty = it says nothing of a symbol.
        data: The message as it came.
    """

    type: str
    symbol: str
    data: bytes


ServerMessage: TypeAlias = (
    Welcome
    | Subscribed
    | Tick
    | PartialTick
    | LiveBar
    | Status
    | protocol.Gap
    | Pong
    | Authenticated
    | Failure
    | Unknown
)
Event: TypeAlias = Gap | LiveBar | Status | Failure | Connected | Disconnected | Unknown


class Message(Struct, frozen=True):
    """One message of the server as it came.

    Attributes:
        data: The JSON on one line, or the MessagePack.
        body: What it says. What cannot be read is a :class:`Failure` of code 500.
    """

    data: bytes
    body: ServerMessage


class _Kind(Struct):
    type: str
    symbol: str = ""


_Full: TypeAlias = (
    Welcome | Subscribed | Tick | LiveBar | Status | protocol.Gap | Pong | Authenticated | Failure
)
_Partial: TypeAlias = (
    Welcome
    | Subscribed
    | PartialTick
    | LiveBar
    | Status
    | protocol.Gap
    | Pong
    | Authenticated
    | Failure
)
_KNOWN = {
    "welcome", "subscribed", "market_data", "bar", "status", "gap", "pong", "authenticated",
    "error",
}  # fmt: skip


class Reader:
    """Reads frames.

    Args:
        wire: How the server writes.
        partial: Whether prices have some fields only.

    ``unreadable`` counts messages that could not be read.
    """

    def __init__(self, wire: Wire, *, partial: bool) -> None:
        body = _Partial if partial else _Full
        decoder_of: Any = msgspec.json.Decoder if wire == "json" else msgspec.msgpack.Decoder
        self.unreadable = 0
        self._body = decoder_of(body)
        self._kind = decoder_of(_Kind)
        self._array = decoder_of(list[msgspec.Raw])
        self._is_array = _is_json_array if wire == "json" else _is_msgpack_array

    def read(self, frame: bytes) -> Iterator[Message]:
        """Yield the messages of a frame; never fails."""
        if not self._is_array(frame):
            yield self._read_one(frame)
            return
        try:
            parts = self._array.decode(frame)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            yield self._unreadable(frame, error)
            return
        for part in parts:
            yield self._read_one(bytes(part))

    def _read_one(self, data: bytes) -> Message:
        try:
            return Message(data, self._body.decode(data))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            reason = error
        try:
            kind = self._kind.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return self._unreadable(data, reason)
        if kind.type in _KNOWN:
            return self._unreadable(data, reason)
        return Message(data, Unknown(type=kind.type, symbol=kind.symbol, data=data))

    def _unreadable(self, data: bytes, error: Exception) -> Message:
        self.unreadable += 1
        text = f"a message of the server cannot be read: {error}"
        return Message(data, Failure(code=UNREADABLE, message=text))


def _is_json_array(frame: bytes) -> bool:
    return frame[:1] == b"["


def _is_msgpack_array(frame: bytes) -> bool:
    # The first bytes of short and long arrays, as the MessagePack format names them.
    return bool(frame) and (frame[0] & 0xF0 == 0x90 or frame[0] in (0xDC, 0xDD))  # noqa: PLR2004
