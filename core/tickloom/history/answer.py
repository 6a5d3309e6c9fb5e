"""The answer to a question for history, which may be too large to be held at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from msgspec.structs import replace

from tickloom.history.page import Page, make_token, read_token
from tickloom.model import Bar, HistoricalData
from tickloom.roles import HistoryRequest
from tickloom.store import BarQuery

Pieces = Callable[[], AsyncIterator[Sequence[Bar]]]

_PIECE_BARS = 2_000


class HistoryAnswer:
    """What is known before the first bar, and the bars in pieces.

    Attributes:
        head: The answer without its bars.
        stored: Which stored bars the answer is made of, unchanged, in the order of the pieces:
            who reads these reads the same bars. ``None`` = some are computed, come from a
            provider, or are left out, as on a page with a limit; read the pieces.
        next_page: The token of the page that follows. It is known once the pieces were read to
            their end; ``None`` before that, and where no bar follows. Pages are limited, so who
            needs it earlier, as for a header, reads the pieces into memory first.

    Args:
        head: As above.
        pieces: Begins to yield the bars in the order asked for, some thousand at a time.
        stored: As above.
    """

    def __init__(
        self, head: HistoricalData, pieces: Pieces, stored: tuple[BarQuery, ...] | None = None
    ) -> None:
        self.head = head
        self.stored = stored
        self.next_page: str | None = None
        self._pieces = pieces

    def pieces(self) -> AsyncIterator[Sequence[Bar]]:
        """Yield the bars in the order asked for; what fails in between is raised here."""
        return self._pieces()

    async def whole(self) -> HistoricalData:
        """Return the answer with all of its bars."""
        bars = [bar async for piece in self.pieces() for bar in piece]
        return replace(self.head, data_points=tuple(bars))


def page_of(history: HistoricalData, request: HistoryRequest, page: Page) -> HistoryAnswer:
    """Return a page of an answer whose bars are in memory already.

    Raises:
        RequestError: The token is none of this question.
    """
    bars = list(history.data_points if page.order == "asc" else reversed(history.data_points))
    if page.after is not None:
        last = read_token(page.after, request, page.order)
        is_asc = page.order == "asc"
        bars = [bar for bar in bars if bar.timestamp != last and (bar.timestamp > last) == is_asc]
    most = len(bars) if page.limit is None else page.limit

    async def pieces() -> AsyncIterator[Sequence[Bar]]:
        for start in range(0, min(most, len(bars)), _PIECE_BARS):
            yield bars[start : min(start + _PIECE_BARS, most)]
        if len(bars) > most:
            answer.next_page = make_token(request, page.order, bars[most - 1].timestamp)

    answer = HistoryAnswer(replace(history, data_points=()), pieces)
    return answer
