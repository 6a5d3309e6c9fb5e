"""The answer to a question for history, which may be too large to be held at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from msgspec.structs import replace

from tickloom.model import Bar, HistoricalData

Pieces = Callable[[], AsyncIterator[Sequence[Bar]]]

_PIECE_BARS = 2_000


class HistoryAnswer:
    """What is known before the first bar, and the bars in pieces.

    Attributes:
        head: The answer without its bars.

    Args:
        head: As above.
        pieces: Begins to yield the bars in the order asked for, some thousand at a time.
    """

    def __init__(self, head: HistoricalData, pieces: Pieces) -> None:
        self.head = head
        self._pieces = pieces

    def pieces(self) -> AsyncIterator[Sequence[Bar]]:
        """Yield the bars in the order asked for; what fails in between is raised here."""
        return self._pieces()

    async def whole(self) -> HistoricalData:
        """Return the answer with all of its bars."""
        bars = [bar async for piece in self.pieces() for bar in piece]
        return replace(self.head, data_points=tuple(bars))


def at_hand(history: HistoricalData) -> HistoryAnswer:
    """Return an answer whose bars are in memory already."""

    async def pieces() -> AsyncIterator[Sequence[Bar]]:
        for start in range(0, len(history.data_points), _PIECE_BARS):
            yield history.data_points[start : start + _PIECE_BARS]

    return HistoryAnswer(replace(history, data_points=()), pieces)
