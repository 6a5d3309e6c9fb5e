"""A numbered quote on its way to many, encoded once for each form that somebody reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from tickloom.model import Quote, encode_json, encode_msgpack
from tickloom.stream.protocol import MarketData


class WireFormat(StrEnum):
    """How a connection wants its messages."""

    JSON = "json"
    MSGPACK = "msgpack"

    def encoded(self, message: Any) -> bytes:
        """Return one message in this form."""
        return encode_json(message) if self is WireFormat.JSON else encode_msgpack(message)


class Tick:
    """One ``market_data`` message. Nobody pays for a form that nobody reads."""

    __slots__ = ("_json", "_msgpack", "epoch", "quote")

    def __init__(self, quote: Quote, epoch: str) -> None:
        self.quote = quote
        self.epoch = epoch
        self._json: bytes | None = None
        self._msgpack: bytes | None = None

    def encoded(self, form: WireFormat) -> bytes:
        """Return the message in ``form``; the same bytes for everybody."""
        if form is WireFormat.JSON:
            if self._json is None:
                self._json = encode_json(self._message())
            return self._json
        if self._msgpack is None:
            self._msgpack = encode_msgpack(self._message())
        return self._msgpack

    def _message(self) -> MarketData:
        quote = self.quote
        return MarketData(
            symbol=quote.symbol, epoch=self.epoch, sequence=quote.sequence, data=quote
        )
