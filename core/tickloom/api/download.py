"""A long response that comes in pieces while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Self

from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send
from loguru import logger

from tickloom.errors import TickloomError


class Download:
    """An ASGI response of pieces, which is cut off where they end with an error.

    Nothing is held but the piece that is sent. A client that leaves, or one for which no more
    pieces can be made, ends the work; the latter sees a response without its end, which is an
    error for every HTTP client.

    Args:
        pieces: Closed at the end, also of a download that was never sent.
        name: Of what is downloaded, for the log.
    """

    def __init__(self, pieces: AsyncGenerator[bytes, None], name: str) -> None:
        self._pieces = pieces
        self._name = name
        self._first: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []

    async def begin(self) -> None:
        """Make the first piece, so that what fails before it can still be told.

        Closes what is left where it fails.

        Raises:
            TickloomError: It cannot be made.
        """
        async for piece in self._pieces:
            self._first.append(piece)
            return

    async def read_all(self) -> None:
        """Make all pieces.

        Raises:
            TickloomError: One cannot be made.
        """
        self._first += [piece async for piece in self._pieces]

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """Set the headers and return itself."""
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        return self

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, unless the client leaves or a piece cannot be made."""
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": 200,
            "headers": self._headers,
        }
        gone = asyncio.create_task(_disconnected(receive), name="watch a download")
        try:
            async with aclosing(self._pieces):
                await send(start)
                if await self._send_pieces(send, gone):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _send_pieces(self, send: Send, gone: asyncio.Task[None]) -> bool:
        """Return True where all pieces were sent."""
        try:
            while self._first:
                await send(_body(self._first.pop(0)))
            async for piece in self._pieces:
                if gone.done():
                    return False
                await send(_body(piece))
        except TickloomError as error:
            logger.warning("{} was cut off: {}", self._name, error)
        except Exception as error:  # noqa: BLE001 - the server must go on, and the client hear of it
            logger.opt(exception=error).error("{} was cut off", self._name)
        else:
            return not gone.done()
        # Without an end the server closes the connection in the midst of the response.
        return False


def _body(piece: bytes) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": piece, "more_body": True}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
