"""The options of a subscription, and what a client that subscribes has missed."""

from __future__ import annotations

from datetime import UTC

from msgspec import Struct

from tickloom.errors import InvalidMessage
from tickloom.model import Quote
from tickloom.stream.bar import BAR_CHANNELS
from tickloom.stream.protocol import Gap, ResumePoint, Subscribe
from tickloom.stream.tick import Tick
from tickloom.stream.wanted import PLAIN, QUOTES, Wish

STATUS = "status"
CHANNELS = (QUOTES, STATUS, *BAR_CHANNELS)
_FIELDS = frozenset(Quote.__struct_fields__)
_LONGEST_MS = 86_400_000
_MS = 1_000


def check_options(message: Subscribe) -> None:
    """Refuse options that cannot be used.

    Raises:
        InvalidMessage: It names the option, what was found and what was expected.
    """
    if not message.symbols:
        raise InvalidMessage("subscribe names no symbol", found=[], expected='"symbols":["AAPL"]')
    for channel in message.channels or ():
        if channel not in CHANNELS:
            raise InvalidMessage("unknown channel", found=channel, expected=" or ".join(CHANNELS))
    interval = message.interval_ms
    if interval is not None and not 0 <= interval <= _LONGEST_MS:
        raise InvalidMessage(
            "interval_ms cannot be used", found=interval, expected=f"0 to {_LONGEST_MS}"
        )
    if message.since is not None:
        try:
            message.since.astimezone(UTC)
        except OverflowError:
            raise InvalidMessage(
                "since cannot be used",
                found=message.since.isoformat(),
                expected="a time that exists in UTC",
            ) from None
    for field in message.fields or ():
        if field not in _FIELDS:
            raise InvalidMessage(
                "unknown field", found=field, expected="fields of a quote, such as current_price"
            )


def read_wish(message: Subscribe, before: Wish | None) -> Wish:
    """Return how a client wants what it names; what it does not say stays as it was before."""
    earlier = before or PLAIN
    channels = earlier.channels
    if message.channels is not None:
        named = frozenset(message.channels) - {STATUS}
        channels = named | (before.channels if before is not None else frozenset())
    interval_s = earlier.interval_s
    if message.interval_ms is not None:
        interval_s = message.interval_ms / _MS
    fields = earlier.fields
    if message.fields is not None:
        # None named = all of them again.
        fields = tuple(dict.fromkeys(message.fields)) or None
    return Wish(channels=channels, interval_s=interval_s, fields=fields)


class Past(Struct, frozen=True):
    """What a client that subscribes has to be told of a symbol first.

    Attributes:
        symbol: Canonical.
        missed: All that it did not see; ``None`` = nobody knows any more.
        newest: The newest tick, ``None`` where there is none.
        point: Where the client was.
    """

    symbol: str
    missed: list[Tick] | None
    newest: Tick | None
    point: ResumePoint | None

    @property
    def is_whole(self) -> bool:
        """True where the client misses nothing."""
        return self.missed is not None

    def gap(self) -> Gap | None:
        """Return the notice of what is missing before the newest tick."""
        if self.newest is None or self.point is None:
            return None
        before = self.newest.sequence - 1
        seen = self.point.sequence if self.point.epoch == self.newest.epoch else 0
        return Gap(
            symbol=self.symbol,
            dropped=max(0, before - seen),
            last_sequence=max(0, before),
            epoch=self.newest.epoch,
        )
