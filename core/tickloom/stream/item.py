"""One message on its way to many, encoded and framed once for each form that somebody reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from tickloom.model import encode_json, encode_msgpack
from tickloom.stream.frames import BINARY, TEXT, frame_of
from tickloom.stream.protocol import Gap

_MOST_FORMS = 6


class WireFormat(StrEnum):
    """How a connection wants its messages."""

    JSON = "json"
    MSGPACK = "msgpack"

    def encoded(self, message: Any) -> bytes:
        """Return one message in this form."""
        return encode_json(message) if self is WireFormat.JSON else encode_msgpack(message)

    def framed(self, data: bytes) -> bytes:
        """Return an encoded message as a WebSocket frame."""
        return frame_of(TEXT if self is WireFormat.JSON else BINARY, data)

    def joined(self, messages: list[bytes]) -> bytes:
        """Return encoded messages as one array."""
        if self is WireFormat.JSON:
            return b"[" + b",".join(messages) + b"]"
        count = len(messages)
        # Arrays of up to 15, 65,535 and more items, as the MessagePack format names them.
        if count < 16:  # noqa: PLR2004
            head = bytes((0x90 | count,))
        elif count < 65_536:  # noqa: PLR2004
            head = b"\xdc" + count.to_bytes(2)
        else:
            head = b"\xdd" + count.to_bytes(4)
        return head + b"".join(messages)


# Looking it up in its class takes longer than framing.
_JSON = WireFormat.JSON


class Item:
    """A numbered message about a symbol. Nobody pays for a form that nobody reads.

    Attributes:
        symbol: What it is about.
        key: What a newer one of replaces it: the symbol, with its channel where that is not quotes.
        sequence: Its number within ``key``.
        position: Its number within this process.
        missing: How many of the same key just before it never came here.
    """

    __slots__ = ("_framed", "_others", "key", "missing", "position", "sequence", "symbol")
    is_conflatable = True
    """Whether a newer one of the same key makes it worthless."""

    def __init__(self, symbol: str, key: str, sequence: int, position: int) -> None:
        self.symbol = symbol
        self.key = key
        self.sequence = sequence
        self.position = position
        self.missing = 0
        self._framed: bytes | None = None
        self._others: dict[Any, bytes] | None = None

    def message(self, skipped: int, fields: tuple[str, ...] | None) -> Any:
        """Return the message itself.

        Args:
            skipped: Earlier ones that the receiver did not want for its interval.
            fields: The only ones wanted of its data; ``None`` = all.
        """
        raise NotImplementedError

    def gap(self, dropped: int) -> Gap:
        """Return the notice that this item and ``dropped`` - 1 before it are left out."""
        return Gap(symbol=self.symbol, dropped=dropped, last_sequence=self.sequence)

    def gap_before(self, dropped: int) -> Gap:
        """Return the notice that ``dropped`` items just before this one are left out."""
        return replace(self.gap(dropped), last_sequence=self.sequence - 1)

    def encoded(
        self, form: WireFormat, skipped: int = 0, fields: tuple[str, ...] | None = None
    ) -> bytes:
        """Return the message in ``form``; the same bytes for those who read the common forms."""
        if self._others is None:
            self._others = {}
        which = (form, skipped, fields)
        found = self._others.get(which)
        if found is None:
            found = form.encoded(self.message(skipped, fields))
            # The ring keeps items; each client may choose other fields in another order.
            if len(self._others) < _MOST_FORMS:
                self._others[which] = found
        return found

    def frame(self, form: WireFormat) -> bytes:
        """Return the whole message as a WebSocket frame; the same bytes for everybody.

        Where items are missing before it, the frame of their gap comes first.
        """
        if form is not _JSON:
            return self._gap_frame(form) + form.framed(self.encoded(form))
        if self._framed is None:
            self._framed = frame_of(TEXT, encode_json(self.message(0, None)))
        return self._gap_frame(form) + self._framed if self.missing else self._framed

    def _gap_frame(self, form: WireFormat) -> bytes:
        return form.framed(form.encoded(self.gap_before(self.missing))) if self.missing else b""
