"""What one client wants of which symbols."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from tickloom.model import is_glob, matcher, matches

QUOTES = "quotes"


class Wish(Struct, frozen=True, kw_only=True):
    """How a client wants one symbol or pattern.

    Attributes:
        channels: Of which kinds of messages; ``quotes``, ``bars.1m`` and so on.
        interval_s: At most one quote of each symbol in so many seconds; 0 = all of them.
        fields: The only fields of quotes; ``None`` = all.
    """

    channels: frozenset[str] = frozenset({QUOTES})
    interval_s: float = 0.0
    fields: tuple[str, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """True where quotes go out as they are."""
        return not self.interval_s and self.fields is None


PLAIN = Wish()


class Wanted(dict[str, Wish]):
    """Symbols and patterns with the wish for each.

    A symbol that was named has its own wish; one that only fits patterns has that of the pattern
    that was named first.
    """

    __slots__ = ("_found", "_special")

    def __init__(self) -> None:
        super().__init__()
        self._special = 0
        self._found: dict[str, Wish | None] = {}

    def put(self, pattern: str, wish: Wish) -> None:
        """Add a symbol or pattern, or change its wish."""
        before = self.get(pattern, PLAIN)
        self._special += before.is_plain - wish.is_plain
        self[pattern] = wish
        self._found.clear()

    def drop(self, pattern: str) -> None:
        """Remove a symbol or pattern."""
        self._special -= not self.pop(pattern).is_plain
        self._found.clear()

    def wish_for(self, symbol: str) -> Wish | None:
        """Return how a symbol is wanted, ``None`` where it is not."""
        wish = self.get(symbol)
        if wish is not None:
            return wish
        if symbol not in self._found:
            fitting = (one for pattern, one in self.items() if _fits(symbol, pattern))
            self._found[symbol] = next(fitting, None)
        return self._found[symbol]

    def followed(self, channel: str = QUOTES) -> Callable[[str], bool]:
        """Return what tells of a symbol whether a channel of it is wanted as of now."""
        patterns = {pattern for pattern, wish in self.items() if channel in wish.channels}
        fits = matcher(filter(is_glob, patterns))
        return lambda symbol: symbol in patterns or fits(symbol)

    @property
    def is_plain(self) -> bool:
        """True where no wish is special."""
        return not self._special


def _fits(symbol: str, pattern: str) -> bool:
    return is_glob(pattern) and matches(symbol, pattern)
