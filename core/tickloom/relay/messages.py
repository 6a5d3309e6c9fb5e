"""What replicas tell each other, as MessagePack."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tickloom.stream.protocol import Status


class _Message(Struct, frozen=True, tag_field="type"):
    """All have a ``sender``, the replica that says it."""

    sender: str


class Ticks(_Message, frozen=True, tag="ticks"):
    """Numbered quotes of symbols that the sender owns, each a ``market_data`` message as JSON.

    ``number`` counts the messages of this kind by this sender, so that a lost one is noticed.
    """

    number: int
    ticks: list[bytes]


class Beat(_Message, frozen=True, tag="beat"):
    """The wire works; the last quotes of ``confirmed`` symbols still hold."""

    number: int
    confirmed: list[str]


class FeedStatus(_Message, frozen=True, tag="status"):
    """A feed of the sender changed its state.

    Where ``is_alert`` it did not: what the sender found of these symbols, whoever owns them, is
    wrong or right again.
    """

    status: Status
    is_alert: bool = False


class SymbolFailure(_Message, frozen=True, tag="failure"):
    """A symbol that the sender owns has trouble."""

    symbol: str
    code: int
    message: str


class WishesChanged(_Message, frozen=True, tag="wishes"):
    """The clients of the sender want something else now; it is to be read in Redis."""


class Ask(_Message, frozen=True, tag="ask"):
    """The sender wants what came after these epochs and sequences of symbols."""

    seen: dict[str, tuple[str, int]]


class Answer(_Message, frozen=True, tag="answer"):
    """What was asked for, in order; a hole that cannot be filled is left open."""

    ticks: list[bytes]


class Offer(_Message, frozen=True, tag="offer"):
    """A quote, as JSON, that the sender fetched although the receiver owns its symbol."""

    quote: bytes


Message = Ticks | Beat | FeedStatus | SymbolFailure | WishesChanged | Ask | Answer | Offer

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Message).decode
