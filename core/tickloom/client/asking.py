"""The messages with which a client asks for symbols, each short enough for a server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count, islice

from msgspec import Struct

from tickloom.client.ledger import fits
from tickloom.model import is_glob
from tickloom.stream.protocol import ResumePoint, Subscribe, Unsubscribe

# Servers take 64 KiB unless they are told otherwise; sizes here are estimates.
_MOST_BYTES = 48_000
_POINT_BYTES = 48
# A server takes 5,000 symbols a connection unless it is told otherwise.
_MOST_LEARNED = 4_000


class Options(Struct, frozen=True, kw_only=True):
    """How symbols are wanted; streams with the same options share a connection.

    Attributes:
        snapshot: Whether to begin with the newest price, however old.
        interval_ms: At most one price of each symbol in so many milliseconds; ``None`` = all.
        fields: The only fields wanted of quotes; ``None`` = all.
        channels: What is wanted of these symbols; ``None`` = prices.
        since: Begin with all prices from this time on, aware; ``None`` = with the newest.
    """

    snapshot: bool = True
    interval_ms: int | None = None
    fields: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    since: datetime | None = None


class Asking:
    """Writes requests, each with a number of its own.

    Args:
        options: Of all of them.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._numbers = count(1)
        self._since = options.since

    def subscribe(
        self, patterns: Sequence[str], points: Mapping[str, ResumePoint], *, again: bool = False
    ) -> list[Subscribe | Unsubscribe]:
        """Return the requests for symbols and patterns, in the order to send.

        Args:
            patterns: Canonical.
            points: Where each symbol that came before is to go on, named or not. Those of names
                that are not in ``patterns`` serve the patterns that they fit.
            again: Whether all of it was asked for before; then the past is not.
        """
        self._since = None if again else self._options.since
        names = [one for one in patterns if not is_glob(one)]
        globs = [one for one in patterns if is_glob(one)]
        requests = self._by_name(names, points)
        if not globs:
            return requests
        learned = {
            symbol: point
            for symbol, point in points.items()
            if any(fits(symbol, glob) for glob in globs)
        }
        if _size(globs, learned) <= _MOST_BYTES:
            return [*requests, self._request(globs, learned)]
        # By name each symbol is subscribed and resumed in one step, so that nothing new can come
        # before what was missed. The names go again once the patterns are there.
        named = set(names)
        others = list(islice((one for one in learned if one not in named), _MOST_LEARNED))
        requests += self._by_name(others, learned)
        requests.append(self._request(globs, {}))
        return [*requests, *self.unsubscribe(others)]

    def unsubscribe(self, patterns: Collection[str]) -> list[Subscribe | Unsubscribe]:
        """Return the requests that give symbols and patterns back."""
        return [
            Unsubscribe(symbols=list(part), id=next(self._numbers))
            for part in _parts(patterns, {})
        ]  # fmt: skip

    def _by_name(
        self, names: Collection[str], points: Mapping[str, ResumePoint]
    ) -> list[Subscribe | Unsubscribe]:
        return [
            self._request(part, {name: points[name] for name in part if name in points})
            for part in _parts(names, points)
        ]

    def _request(self, symbols: Sequence[str], resume: dict[str, ResumePoint]) -> Subscribe:
        options = self._options
        return Subscribe(
            symbols=list(symbols),
            id=next(self._numbers),
            snapshot=options.snapshot,
            resume=resume,
            since=self._since,
            interval_ms=options.interval_ms,
            fields=None if options.fields is None else list(options.fields),
            channels=None if options.channels is None else list(options.channels),
        )


def _parts(
    names: Collection[str], points: Mapping[str, ResumePoint]
) -> Iterator[list[str]]:  # fmt: skip
    part: list[str] = []
    size = 0
    for name in names:
        size += _size_of(name, points.get(name))
        if part and size > _MOST_BYTES:
            yield part
            part, size = [], _size_of(name, points.get(name))
        part.append(name)
    if part:
        yield part


def _size(names: Collection[str], points: Mapping[str, ResumePoint]) -> int:
    named = sum(_size_of(name, None) for name in names)
    return named + sum(_size_of(name, point) for name, point in points.items())


def _size_of(name: str, point: ResumePoint | None) -> int:
    if point is None:
        return len(name) + 3
    return 2 * len(name) + len(point.epoch) + _POINT_BYTES
