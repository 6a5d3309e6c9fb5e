"""What a running server sends, as the commands that watch it take it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from tickloom.client import Client, Connected, Disconnected, Gap, Message
from tickloom.client.messages import ServerMessage
from tickloom.clock import Clock
from tickloom.errors import NotAuthenticated, ServerUnavailable, TickloomError
from tickloom.model import encode_json
from tickloom.stream import protocol

__all__ = ["Message", "ServerMessage", "Subscription", "Target"]

_MOST_WAITING = 10_000


class Target(Struct, frozen=True):
    """Where to connect.

    Attributes:
        url: ``ws://…`` or ``wss://…``.
        key: The API key; ``None`` = none.
    """

    url: str
    key: str | None = None


class Subscription:
    """Keeps symbols subscribed at a server and hands over what it sends, as it came.

    Only a first connection that fails is an error; after that the client library comes back by
    itself. A hole that it finds in the numbers is handed over as a ``gap`` of the server would be.

    Args:
        target: The server.
        symbols: Symbols and patterns in canonical form.
        clock: Waits between attempts.
        jitter: Scatters them.
        tell: Called with a sentence where the connection is lost or found again.
    """

    def __init__(
        self,
        target: Target,
        symbols: Sequence[str],
        clock: Clock,
        jitter: random.Random,
        tell: Callable[[str], None],
        *,
        snapshot: bool = True,
    ) -> None:
        self._client = Client(target.url, api_key=target.key, clock=clock, jitter=jitter)
        self._stream = self._client.messages(symbols, snapshot=snapshot, buffer=_MOST_WAITING)
        self._tell = tell
        self._opening: asyncio.Task[Any] | None = None
        self._over = False
        # Where nothing at all is taken the error that ends the stream says the same.
        self._refusals: list[Message] = []

    async def __aenter__(self) -> Self:
        self._opening = asyncio.create_task(self._stream.__aenter__(), name="open the stream")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._client.aclose()

    def end(self) -> None:
        """Let :meth:`take` return nothing from now on; may be called at any time."""
        self._over = True
        if self._opening is not None:
            self._opening.cancel()
        self._stream.end()

    async def take(self) -> list[Message]:
        """Wait for messages and return all that came; empty = it was ended.

        While nobody takes, at most 10,000 messages wait here; then the server waits, and tells by
        a ``gap`` what it left out.

        Raises:
            ServerUnavailable: The first connection failed.
            NotAuthenticated: The server wants another key.
            RequestError, NotFound: The server accepts none of the symbols.
        """
        try:
            if self._opening is not None:
                await self._opening
            while items := await self._stream.take():
                batch = [message for item in items if (message := self._message(item)) is not None]
                self._refusals += [one for one in batch if _takes_nothing(one)]
                batch = [one for one in batch if not _takes_nothing(one)]
                if batch:
                    refusals, self._refusals = self._refusals, []
                    return refusals + batch
        except asyncio.CancelledError:
            if not self._over:
                raise
        except TickloomError as error:
            raise _explained(error) from None
        return []

    def _message(self, item: Any) -> Message | None:
        match item:
            case Message():
                return item
            case Connected(number=number) if number > 1:
                self._tell(f"connected again to {item.url}")
            case Disconnected():
                wait = f"trying again in {item.retry_in_s:.1f} s"
                self._tell(f"no connection: {item.reason}; {wait}")
            case Gap(cause="hole"):
                gap = protocol.Gap(
                    symbol=item.symbol, dropped=item.dropped, last_sequence=item.last_sequence
                )
                return Message(encode_json(gap), gap)
        return None


def _takes_nothing(message: Message) -> bool:
    body = message.body
    return isinstance(body, protocol.Subscribed) and bool(body.rejected) and not body.symbols


def _explained(error: TickloomError) -> TickloomError:
    if isinstance(error, NotAuthenticated):
        fix = "Put the key into TICKLOOM_API_KEY, or name its variable with --key-env."
    elif isinstance(error, ServerUnavailable):
        fix = "Start one with tickloom serve, or name another with --url."
    else:
        return error
    return type(error)(error.message, fix=fix)
