"""Requests to an endpoint that answers as IEX Cloud did: address, token, what each answer means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import httpx
from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import ProviderUnavailable
from tickloom.fetch import Answer, check_status, fetch, open_answer
from tickloom_iex.fields import PROVIDER
from tickloom_iex.options import IexSettings
from tickloom_iex.pace import Pace
from tickloom_iex.refusals import check_answer

_USED = "iexcloud-messages-used"
_REFUSAL_BYTES = 4_096
_STREAM_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


class IexClient:
    """Asks for one path at a time. Its token goes into the query, the only place the vendor took.

    Args:
        http: The host's client.
        options: Addresses and token.
        clock: For the time when a refusal ends.

    Attributes:
        messages_used: What the endpoint charged so far, in its own unit.
    """

    def __init__(self, http: httpx.AsyncClient, options: IexSettings, clock: Clock) -> None:
        self._http = http
        self._base_url = options.base_url.rstrip("/")
        self._stream_url = options.stream_url.rstrip("/")
        self._idle_s = options.stream_idle_s
        self._api_key = options.api_key
        self._clock = clock
        self._pace = Pace(options.calls_per_second, clock)
        self.messages_used = 0

    @property
    def _key(self) -> str:
        return self._api_key.reveal() if self._api_key is not None else ""

    def _query(self, params: dict[str, str]) -> dict[str, str]:
        return params | {"token": self._key} if self._key else params

    async def ask(self, path: str, *, ranged: bool = False, **params: str) -> bytes:
        """Return the body that answers ``path``.

        Args:
            path: Below the version, quoted, with its first slash.
            ranged: Whether the path names a range.
            params: The query without the token.

        Raises:
            TickloomError: The endpoint refuses, or did not answer.
        """
        await self._pace.take()
        answer = await fetch(self._http, PROVIDER, self._base_url + path, self._query(params))
        self._note_usage(answer)
        error = check_answer(answer, self._clock, self._key, ranged=ranged)
        if error is not None:
            raise error
        return answer.body

    def _note_usage(self, answer: Answer) -> None:
        used = answer.headers.get(_USED, "")
        if used.isascii() and used.isdigit():
            self.messages_used += int(used[:9])

    @asynccontextmanager
    async def stream(
        self, channel: str, symbols: Collection[str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the pieces of an event stream as the network cut them.

        Raises:
            TickloomError: The endpoint refuses, did not answer, or was silent for too long.
        """
        params = self._query({"symbols": ",".join(sorted(symbols))})
        url = f"{self._stream_url}/{channel}"
        await self._pace.take()
        async with open_answer(
            self._http, PROVIDER, url, params, _STREAM_HEADERS, read_timeout_s=self._idle_s
        ) as response:
            kind = response.headers.get("content-type", "")
            if response.status_code != httpx.codes.OK or kind.startswith("text/html"):
                raise await self._refusal(response)
            yield response.aiter_bytes()

    async def _refusal(self, response: httpx.Response) -> Exception:
        body = b""
        async for piece in response.aiter_bytes():
            body += piece[:_REFUSAL_BYTES]
            if len(body) >= _REFUSAL_BYTES:
                break
        answer = Answer(response.status_code, dict(response.headers), body)
        return (
            check_answer(answer, self._clock, self._key, ranged=False)
            or check_status(answer, PROVIDER, self._clock)
            or ProviderUnavailable(f"provider {PROVIDER} opened no event stream")
        )

    def tell_usage(self) -> None:
        """Say in the log what was charged, where the endpoint told."""
        if self.messages_used:
            logger.info("provider {} was charged {:,} messages", PROVIDER, self.messages_used)
