"""JSON and CSV: the text of the bars, and what stands around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from tickloom.history.answer import HistoryAnswer
from tickloom.model import encode_json

_NO_BARS = b'"data_points":[]'


async def as_json(
    answer: HistoryAnswer, texts: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """Yield the JSON of an answer; ``next_page`` is its last field, where another page follows."""
    head, found, tail = encode_json(answer.head).partition(_NO_BARS)
    start = head + found[:-1]
    # With the first bars, so that what fails before them comes before anything was said.
    async for text in texts:
        yield start + text
        start = b","
    end = tail if answer.next_page is None else _with_next(tail, answer.next_page)
    yield (b"" if start == b"," else start) + b"]" + end


def _with_next(tail: bytes, token: str) -> bytes:
    return b'%b,"next_page":"%b"}' % (tail.removesuffix(b"}"), token.encode())


async def as_csv(
    fields: tuple[str, ...], texts: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """Yield a line with the names of the fields, then one for each bar."""
    start = ",".join(fields).encode() + b"\n"
    async for text in texts:
        yield start + text
        start = b""
    if start:
        yield start
