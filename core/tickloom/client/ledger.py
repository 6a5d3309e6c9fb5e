"""Which price of each symbol came last, and what is missing before the next."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec import Struct

from tickloom.client.messages import Gap
from tickloom.model import is_glob, matches
from tickloom.stream.protocol import ResumePoint

# A symbol that moves between servers may return to numbers that it had before.
_MOST_EPOCHS = 4


class Verdict(Struct, frozen=True):
    """What a price is to those who wait for it.

    Attributes:
        gaps: What is missing before it.
        is_news: Whether it is to be handed over.
    """

    gaps: tuple[Gap, ...] = ()
    is_news: bool = True


_NEWS = Verdict()
_OLD = Verdict(is_news=False)


class _Place:
    __slots__ = ("begin", "epoch", "seen", "told", "was_told")

    def __init__(self, epoch: str, sequence: int) -> None:
        # Before this one none was handed over.
        self.begin = (epoch, sequence)
        self.epoch = ""
        # The highest number in each of the last epochs.
        self.seen: dict[str, int] = {}
        # What the server said to be missing since the last price.
        self.told = 0
        self.was_told = False

    def note(self, epoch: str, sequence: int) -> None:
        self.epoch = epoch
        self.seen.pop(epoch, None)
        self.seen[epoch] = sequence
        if len(self.seen) > _MOST_EPOCHS:
            del self.seen[next(iter(self.seen))]
        self.told, self.was_told = 0, False


class Ledger:
    """Finds prices that come twice and those that never came.

    Args:
        sees_start: Whether the newest price is asked for with a subscription; then a symbol that
            showed none had none.
    """

    def __init__(self, *, sees_start: bool) -> None:
        self.duplicates = 0
        self._sees_start = sees_start
        self._places: dict[str, _Place] = {}
        self._suspects: frozenset[str] = frozenset()

    def take(self, symbol: str, epoch: str, sequence: int, skipped: int) -> Verdict:
        """Note a price, and say what it is.

        A price without a number, 0, is news where nothing of its epoch came before.
        """
        place = self._places.get(symbol)
        if place is None:
            return self._begin(symbol, epoch, sequence, skipped)
        before = place.seen.get(epoch, 0)
        if sequence <= before or (sequence <= 0 and epoch in place.seen):
            return self._again(place, symbol, epoch, sequence)
        if sequence <= 0:
            return _NEWS
        missing = max(0, sequence - before - 1 - max(0, skipped) - place.told)
        is_new_epoch = epoch not in place.seen
        is_missing = missing > 0 or (is_new_epoch and not place.was_told)
        place.note(epoch, sequence)
        if not is_missing:
            return _NEWS
        gap = Gap(
            symbol=symbol,
            dropped=missing,
            last_sequence=sequence - 1,
            cause="restart" if is_new_epoch else "hole",
        )
        return Verdict((gap,))

    def _begin(self, symbol: str, epoch: str, sequence: int, skipped: int) -> Verdict:
        if sequence <= 0:
            return _NEWS
        self._places[symbol] = _Place(epoch, sequence)
        self._places[symbol].note(epoch, sequence)
        missing = sequence - 1 - max(0, skipped)
        if missing <= 0 or not any(fits(symbol, pattern) for pattern in self._suspects):
            return _NEWS
        dropped = missing if self._sees_start else 0
        gap = Gap(symbol=symbol, dropped=dropped, last_sequence=sequence - 1, cause="hole")
        return Verdict((gap,))

    def _again(self, place: _Place, symbol: str, epoch: str, sequence: int) -> Verdict:
        begin_epoch, begin = place.begin
        if epoch == begin_epoch and 0 < sequence < begin:
            # A newer one overtook it, as a snapshot may that is asked for in between. It is too
            # late for it, and nobody was told of it before.
            gap = Gap(symbol=symbol, dropped=1, last_sequence=sequence, cause="hole")
            return Verdict((gap,), is_news=False)
        self.duplicates += 1
        return _OLD

    def note(self, symbol: str, dropped: int) -> None:
        """Note how many the server says to be missing."""
        place = self._places.get(symbol)
        if place is not None:
            place.told += max(0, dropped)
            place.was_told = True

    def lost(self, patterns: Collection[str]) -> None:
        """Note that the connection broke.

        Args:
            patterns: Symbols and patterns that the server had accepted. A price of one of them
                that is the first to come, and not the first of its symbol, then follows others.
        """
        self._suspects |= frozenset(patterns)
        for place in self._places.values():
            # The server tells it again, if it is still so.
            place.told, place.was_told = 0, False

    def points(self) -> dict[str, ResumePoint]:
        """Return the last price of each symbol."""
        return {
            symbol: ResumePoint(epoch=place.epoch, sequence=place.seen[place.epoch])
            for symbol, place in self._places.items()
        }

    def begin(self, symbol: str, point: ResumePoint) -> None:
        """Go on after a price that another stream has seen."""
        place = self._places[symbol] = _Place("", 0)
        place.note(point.epoch, point.sequence)

    def forget(self, wants: Callable[[str], bool], patterns: Collection[str]) -> None:
        """Forget symbols that are no longer wanted.

        Args:
            wants: Of a symbol.
            patterns: All that are still wanted.
        """
        self._places = {symbol: one for symbol, one in self._places.items() if wants(symbol)}
        self._suspects &= frozenset(patterns)


def fits(symbol: str, pattern: str) -> bool:
    """True where a symbol is ``pattern``, or fits it."""
    return symbol == pattern or (is_glob(pattern) and matches(symbol, pattern))
