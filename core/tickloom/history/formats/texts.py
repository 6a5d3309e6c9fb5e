"""The bars of an answer as text, from the database itself where they come straight from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

from tickloom.history.answer import HistoryAnswer
from tickloom.store import HistoryStore
from tickloom.store.columns import TextForm, bars_to_text

T = TypeVar("T")

# Bars that are written before other tasks may run.
_TURN_BARS = 500


async def texts(
    answer: HistoryAnswer, store: HistoryStore, form: TextForm
) -> AsyncGenerator[bytes, None]:
    """Yield the bars of an answer as text, in its order, never an empty one.

    Raises:
        TickloomError: Why they cannot be read any further.
    """
    if answer.stored is not None:
        for query in answer.stored:
            async with aclosing(store.read_text(query, form)) as found:
                async for text in found:
                    yield text
        return
    async for piece in answer.pieces():
        for start in range(0, len(piece), _TURN_BARS):
            yield bars_to_text(piece[start : start + _TURN_BARS], form)
            await asyncio.sleep(0)


async def ahead(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what ``source`` does, while it already works on the next one; it is closed at the end.

    One is held at most besides the one that was given.
    """
    async with aclosing(source):
        task = asyncio.create_task(_next(source), name="read history ahead")
        try:
            while (found := await task) is not None:
                task = asyncio.create_task(_next(source), name="read history ahead")
                yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _next(source: AsyncIterator[T]) -> T | None:
    return await anext(source, None)
