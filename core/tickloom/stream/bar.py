"""A bar as a message, and the channels that carry bars."""

from __future__ import annotations

from msgspec.structs import replace

from tickloom.model import Interval
from tickloom.stream.item import Item
from tickloom.stream.protocol import Gap, LiveBar

BAR_INTERVALS = (
    Interval.SECOND,
    Interval.MINUTE,
    Interval.MINUTES_5,
    Interval.HOUR,
    Interval.DAY,
)
"""Of which bars are built live."""
BAR_CHANNELS = {f"bars.{interval}": interval for interval in BAR_INTERVALS}
"""Name of the channel to the length of its bars."""


def bar_key(symbol: str, channel: str) -> str:
    """Return what the bars of a symbol are counted by; no symbol contains a space."""
    return f"{symbol} {channel}"


class BarItem(Item):
    """One ``bar`` message.

    Args:
        bar: Numbered.
        channel: That it goes out on.
    """

    __slots__ = ("bar", "channel", "is_conflatable")

    def __init__(self, bar: LiveBar, channel: str) -> None:
        super().__init__(bar.symbol, bar_key(bar.symbol, channel), bar.sequence, 0)
        self.bar = bar
        self.channel = channel
        # A closed bar is told once; a newer one does not replace it.
        self.is_conflatable = bar.state == "forming"

    def message(self, skipped: int, fields: tuple[str, ...] | None) -> LiveBar:  # noqa: ARG002 - fields are those of quotes
        """Return the message itself."""
        return replace(self.bar, skipped=skipped) if skipped else self.bar

    def gap(self, dropped: int) -> Gap:
        """Return the notice that this bar and ``dropped`` - 1 messages before it are left out."""
        return Gap(
            symbol=self.symbol,
            dropped=dropped,
            last_sequence=self.sequence,
            channel=self.channel,
            epoch=self.bar.epoch,
        )
