"""An answer for history in one of the formats, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from tickloom.history.answer import HistoryAnswer
from tickloom.history.formats.as_columns import as_arrow, as_parquet
from tickloom.history.formats.as_text import as_csv, as_json
from tickloom.history.formats.choices import Style
from tickloom.history.formats.texts import ahead, texts
from tickloom.store import HistoryStore
from tickloom.store.columns import TextForm


async def encode(
    answer: HistoryAnswer, store: HistoryStore, style: Style
) -> AsyncGenerator[bytes, None]:
    """Yield an answer in a format.

    The first piece holds the first bars, so that whoever waits for it knows that there are some.
    What was yielded before an error is no whole answer; :attr:`HistoryAnswer.next_page` is known
    after the last piece. Close it, as with ``aclosing``, where it is not read to its end.

    Raises:
        MissingDependency: The format needs pyarrow.
        RequestError: A price does not fit into the columns.
        TickloomError: Why the bars cannot be read any further.
    """
    form = TextForm("json" if style.format.name == "json" else "csv", style.fields)
    async with aclosing(ahead(texts(answer, store, form))) as pieces:
        match style.format.name:
            case "json":
                encoded = as_json(answer, pieces)
            case "csv":
                encoded = as_csv(style.fields, pieces)
            case "arrow":
                encoded = as_arrow(answer, style, pieces)
            case _:
                encoded = as_parquet(answer, style, pieces)
        async with aclosing(encoded):
            async for data in encoded:
                yield data
