"""A numbered quote as a message."""

from __future__ import annotations

from msgspec.structs import replace

from tickloom.model import Quote
from tickloom.stream.item import Item, WireFormat
from tickloom.stream.protocol import Gap, MarketData, PartialMarketData


class Tick(Item):
    """One ``market_data`` message.

    Args:
        quote: Numbered.
        epoch: What its number counts in.
        position: Its number within this process.
        encoded: The message as JSON, where it is at hand.
        stored: It comes from the store, where of several ticks with one time the last is kept.
    """

    __slots__ = ("epoch", "quote", "stored")

    def __init__(
        self,
        quote: Quote,
        epoch: str,
        position: int = 0,
        encoded: bytes | None = None,
        *,
        stored: bool = False,
    ) -> None:
        super().__init__(quote.symbol, quote.symbol, quote.sequence, position)
        self.quote = quote
        self.epoch = epoch
        self.stored = stored
        if encoded is not None:
            self._framed = WireFormat.JSON.framed(encoded)

    def gap(self, dropped: int) -> Gap:
        """Return the notice that this tick and ``dropped`` - 1 before it are left out."""
        return replace(super().gap(dropped), epoch=self.epoch)

    def message(
        self, skipped: int, fields: tuple[str, ...] | None
    ) -> MarketData | PartialMarketData:
        """Return the message itself; fields without a value are left out of its data."""
        quote, epoch = self.quote, self.epoch
        if fields is None:
            return MarketData(
                symbol=quote.symbol,
                epoch=epoch,
                sequence=quote.sequence,
                skipped=skipped,
                stored=self.stored,
                data=quote,
            )
        values = {name: getattr(quote, name) for name in fields}
        return PartialMarketData(
            symbol=quote.symbol,
            epoch=epoch,
            sequence=quote.sequence,
            skipped=skipped,
            stored=self.stored,
            data={name: value for name, value in values.items() if value is not None},
        )
