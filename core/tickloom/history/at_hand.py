"""Pages of answers that are in memory already."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from operator import attrgetter

from msgspec.structs import replace

from tickloom.history.answer import HistoryAnswer
from tickloom.history.page import Page, make_token, read_token
from tickloom.model import Bar, HistoricalData
from tickloom.roles import HistoryRequest

Keep = Callable[[HistoricalData], Awaitable[None]]

_PIECE_BARS = 2_000
_time = attrgetter("timestamp")


def at_hand(history: HistoricalData) -> HistoryAnswer:
    """Return an answer whose bars are in memory, all of them in their order."""
    return HistoryAnswer(replace(history, data_points=()), lambda: _pieces(history.data_points))


async def _pieces(bars: Sequence[Bar]) -> AsyncIterator[Sequence[Bar]]:
    for start in range(0, len(bars), _PIECE_BARS):
        yield bars[start : start + _PIECE_BARS]


def kept(answer: HistoryAnswer, keep: Keep) -> HistoryAnswer:
    """Return an answer that is handed over as a whole once its bars were read to their end."""

    async def pieces() -> AsyncIterator[Sequence[Bar]]:
        bars: list[Bar] = []
        async for piece in answer.pieces():
            bars += piece
            yield piece
        await keep(replace(answer.head, data_points=tuple(bars)))

    return HistoryAnswer(answer.head, pieces)


def page_at_hand(history: HistoricalData, request: HistoryRequest, page: Page) -> HistoryAnswer:
    """Return a page of an answer whose bars are in memory, oldest first.

    Raises:
        RequestError: The token is none of this question.
    """
    bars = history.data_points
    if page.after is not None:
        last = read_token(page.after, request, page.order)
        if page.order == "asc":
            bars = bars[bisect_right(bars, last, key=_time) :]
        else:
            bars = bars[: bisect_left(bars, last, key=_time)]
    count = len(bars) if page.limit is None else min(page.limit, len(bars))
    wanted = bars[:count] if page.order == "asc" else bars[len(bars) - count :][::-1]

    async def pieces() -> AsyncIterator[Sequence[Bar]]:
        async for piece in _pieces(wanted):
            yield piece
        if count < len(bars):
            answer.next_page = make_token(request, page.order, wanted[-1].timestamp)

    answer = HistoryAnswer(replace(history, data_points=()), pieces)
    return answer
