"""The answer to a question for history, which may be too large to be held at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from tickloom.history.page import Page, make_token
from tickloom.history.reading import Read, Recipe
from tickloom.model import Bar, HistoricalData, day_of
from tickloom.roles import HistoryRequest
from tickloom.store.bars import BarQuery
from tickloom.store.columns import Reach
from tickloom.store.days import Days, overlap

Pieces = Callable[[], AsyncIterator[Sequence[Bar]]]


class ReachOf(Protocol):
    """Asks the store how far some bars go."""

    async def __call__(self, query: BarQuery, most: int, *, newest_first: bool) -> Reach:
        """Return the number and the end of the first bars, ``most`` at most."""
        ...


_MICROSECOND = timedelta(microseconds=1)
_FEW_BARS = 2_000


class HistoryAnswer:
    """What is known before the first bar, and the bars in pieces.

    Attributes:
        head: The answer without its bars.
        stored: Which stored bars the answer is made of, unchanged, in the order of the pieces:
            who reads these reads the same bars. ``None`` = some are computed, come from a
            provider, are left out as on a page with a low limit, or come newest first; read the
            pieces.
        is_given: Providers were asked for some of it just now.
        next_page: The token of the page that follows. It is known once the pieces were read to
            their end; ``None`` before that, and where no bar follows. Who needs it earlier, as for
            a header, reads the pieces into memory first, unless ``is_measured``.
        is_measured: ``next_page`` is known from the begin.

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
        self.is_given = False
        self.is_measured = False
        self.next_page: str | None = None
        self._pieces = pieces

    def pieces(self) -> AsyncIterator[Sequence[Bar]]:
        """Yield the bars in the order asked for; what fails in between is raised here."""
        return self._pieces()

    async def whole(self) -> HistoricalData:
        """Return the answer with all of its bars."""
        bars = [bar async for piece in self.pieces() for bar in piece]
        return replace(self.head, data_points=tuple(bars))


def open_answer(
    head: HistoricalData,
    recipe: Recipe,
    request: HistoryRequest,
    page: Page,
    after: datetime | None,
    read: Read,
) -> HistoryAnswer:
    """Return a page of what a recipe makes.

    Args:
        head: Without bars.
        recipe: Of the whole answer.
        request: The question.
        page: Which part.
        after: The time of the last bar of the page before; ``None`` = there is none.
        read: Reads the store.
    """

    async def pieces() -> AsyncIterator[Sequence[Bar]]:
        if not answer.is_measured:
            answer.next_page = None
        left, last = page.limit, after
        async for piece in _in_order(recipe, page, after, read):
            if left is None:
                yield piece
                continue
            # One bar further than the limit tells that there is another page.
            if len(piece) > left:
                if left:
                    yield piece[:left]
                    last = piece[left - 1].timestamp
                if last is not None:
                    answer.next_page = make_token(request, page.order, last)
                return
            yield piece
            left -= len(piece)
            last = piece[-1].timestamp

    stored = recipe.queries() if page.limit is None and page.order == "asc" else None
    answer = HistoryAnswer(head, pieces, _from(stored, after))
    return answer


async def measure(
    answer: HistoryAnswer,
    recipe: Recipe,
    request: HistoryRequest,
    page: Page,
    after: datetime | None,
    reach: ReachOf,
) -> None:
    """Let an answer know where its page ends before its bars are read, where these are stored.

    Few bars are read as soon as they are counted, and are left as they are.

    Args:
        answer: Of the same arguments.
        recipe: Of the whole answer.
        request: The question.
        page: Which part.
        after: The time of the last bar of the page before; ``None`` = there is none.
        reach: Asks the store how far some bars go.

    Raises:
        StoreUnavailable: The database went away in between.
    """
    counted = recipe.counted()
    if page.limit is None or page.limit <= _FEW_BARS or counted is None:
        return
    last, left = after, page.limit
    for query in counted if page.order == "asc" else counted[::-1]:
        while (rest := _beyond_time(query, last, page)) is not None:
            # One bar further than the limit tells that there is another page.
            found = await reach(rest, max(left, 1), newest_first=page.order == "desc")
            if found.last is None:
                break
            if not left:
                answer.next_page = make_token(request, page.order, last or found.last)
                break
            last, left = found.last, left - found.count
        if answer.next_page is not None:
            break
    answer.is_measured = True
    plain = recipe.queries()
    if page.order == "asc" and plain is not None:
        until = None if answer.next_page is None or last is None else last + _MICROSECOND
        answer.stored = _until(_from(plain, after), until)


async def _in_order(
    recipe: Recipe, page: Page, after: datetime | None, read: Read
) -> AsyncIterator[Sequence[Bar]]:
    days = rest_of(recipe.days, request=recipe.source, page=page, after=after)
    if days is None:
        return
    pieces = recipe.bars(days, read) if page.order == "asc" else recipe.backwards(days, read)
    async for piece in pieces:
        if left := _beyond(piece, page, after):
            yield left


def rest_of(days: Days, request: HistoryRequest, page: Page, after: datetime | None) -> Days | None:
    """Return the days of which bars may be left after a time; ``None`` = there are none."""
    if after is None:
        return days
    day = day_of(request.symbol, after)
    if page.order == "asc":
        return overlap(days, Days(day, max(day, days.last)))
    # A bar of a week or month stands on its first day, so that those before are whole ones.
    return overlap(days, Days(min(day, days.first), day))


def _beyond(bars: Sequence[Bar], page: Page, after: datetime | None) -> Sequence[Bar]:
    if after is None or not bars:
        return bars
    if page.order == "asc":
        return bars if bars[0].timestamp > after else [bar for bar in bars if bar.timestamp > after]
    return bars if bars[0].timestamp < after else [bar for bar in bars if bar.timestamp < after]


def _beyond_time(query: BarQuery, last: datetime | None, page: Page) -> BarQuery | None:
    if last is None:
        return query
    if page.order == "asc":
        rest = replace(query, since=max(query.since, last + _MICROSECOND))
    else:
        rest = replace(query, until=min(query.until, last))
    return rest if rest.since < rest.until else None


def _until(
    queries: tuple[BarQuery, ...] | None, until: datetime | None
) -> tuple[BarQuery, ...] | None:
    if queries is None or until is None:
        return queries
    return tuple(
        replace(query, until=min(query.until, until)) for query in queries if query.since < until
    )


def _from(
    queries: tuple[BarQuery, ...] | None, after: datetime | None
) -> tuple[BarQuery, ...] | None:
    if queries is None or after is None:
        return queries
    return tuple(
        replace(query, since=max(query.since, after + _MICROSECOND))
        for query in queries
        if query.until > after
    )
