"""One guarded HTTP request to a vendor, for plugins.

A vendor's answer is hostile until parsed: it may be endless, lead to another host, or print our
key. :func:`fetch` gives a status and bytes of bounded size, or an error of our tree that names
neither the query nor the key. What a status means in general says :func:`check_status`; what is
special to the vendor stays with the plugin.
"""

from __future__ import annotations

import asyncio
import email.utils
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, TypeVar

import httpx
from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import (
    CredentialsError,
    PluginError,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    scrub,
    verbatim,
)

P = ParamSpec("P")
T = TypeVar("T")

MAX_BYTES = 8 * 1024 * 1024
"""Longest answer that is taken; the longest known good one has about three million bytes."""
_MAX_REDIRECTS = 3
_INLINE_BYTES = 32 * 1024
_LONGEST_WAIT_S = 86_400.0
_REFUSED = (401, 403)
_turns: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("turns", default=None)


@contextmanager
def each_turn(wait: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Await ``wait`` before each request inside of the block; the host keeps budgets by it."""
    token = _turns.set(wait)
    try:
        yield
    finally:
        _turns.reset(token)


async def take_turn() -> None:
    """Wait until a request may be sent; :func:`fetch` and :func:`open_answer` do so by themselves.

    The host has made room in the budget for one request of each question. A plugin that sends its
    requests with something else and needs several for a question calls this before each.

    Raises:
        RateLimited: The budget has no room for a further one soon.
    """
    wait = _turns.get()
    if wait is not None:
        await wait()


class Answer(Struct, frozen=True):
    """What a vendor answered.

    Attributes:
        status: The HTTP status.
        headers: Its headers, names in lower case.
        body: Its body, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def snippet(self) -> str:
        """Return the begin of the body as text for people; not for bodies that may hold a key."""
        return " ".join(self.body[:200].decode("utf-8", "replace").split())


async def fetch(
    http: httpx.AsyncClient,
    provider: str,
    url: str,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Answer:
    """Ask with ``GET`` and return the whole answer, whatever its status.

    Redirects are followed within the same host, port and scheme only. The time limits are those of
    ``http``; the host puts a limit on the whole call besides.

    Args:
        http: The client that the host hands to plugins.
        provider: Named in errors.
        url: Without a query.
        params: The query; it never appears in an error.
        headers: Beyond those of ``http``.
        max_bytes: Longest body, decompressed.

    Raises:
        ProviderUnavailable: No connection, no whole answer in time, a longer body, or a redirect
            to somewhere else.
        RateLimited: See :func:`take_turn`.
        PluginError: The URL cannot be used.
    """
    async with open_answer(http, provider, url, params, headers) as response:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > max_bytes:
                raise ProviderUnavailable(
                    f"provider {provider} sent too much",
                    found=verbatim(f"more than {max_bytes:,} bytes"),
                    expected=f"at most {max_bytes:,} bytes",
                )
        return Answer(response.status_code, dict(response.headers), bytes(body))


@asynccontextmanager
async def open_answer(
    http: httpx.AsyncClient,
    provider: str,
    url: str,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    read_timeout_s: float | None = None,
) -> AsyncIterator[httpx.Response]:
    """Give an answer whose body is still to be read, for streams such as Server-Sent Events.

    Errors while the body is read inside the block are translated like those before.

    Args:
        http: The client that the host hands to plugins.
        provider: Named in errors.
        url: Without a query.
        params: The query; it never appears in an error.
        headers: Beyond those of ``http``.
        read_timeout_s: Longest silence in seconds, for streams that may be quiet for longer than
            an answer may take; ``None`` = that of ``http``.

    Raises:
        ProviderUnavailable: See :func:`fetch`.
        RateLimited: See :func:`take_turn`.
        PluginError: The URL cannot be used.
    """
    await take_turn()
    try:
        target = httpx.URL(url, params=params) if params else httpx.URL(url)
        for _ in range(_MAX_REDIRECTS + 1):
            request = http.build_request("GET", target, headers=dict(headers or {}))
            if read_timeout_s is not None:
                request.extensions["timeout"]["read"] = read_timeout_s
            response = await http.send(request, stream=True, follow_redirects=False)
            try:
                if not response.is_redirect:
                    yield response
                    return
                target = _redirected(provider, request.url, response)
            finally:
                await response.aclose()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise PluginError(f"provider {provider} has a URL that cannot be used: {error}") from None
    except (httpx.HTTPError, httpx.StreamError, ssl.SSLError, OSError) as error:
        # The chained error would print the URL, and with it the key.
        raise _unreachable(provider, error) from None
    raise ProviderUnavailable(f"provider {provider} redirects again and again")


def _redirected(provider: str, url: httpx.URL, response: httpx.Response) -> httpx.URL:
    target = url.join(response.headers.get("location", ""))
    if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
        raise ProviderUnavailable(
            f"provider {provider} redirects elsewhere",
            found=f"{target.scheme}://{target.host}",
            expected=f"{url.scheme}://{url.host}",
        )
    return target


def _unreachable(provider: str, error: Exception) -> ProviderUnavailable:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return ProviderUnavailable(f"provider {provider} did not answer in time")
    if "ssl" in str(error).lower() or "certificate" in str(error).lower():
        return ProviderUnavailable(
            f"no trusted connection to provider {provider}: {scrub(error)}",
            fix="Check the address, and the certificates of this machine.",
        )
    if isinstance(error, httpx.ConnectError):
        return ProviderUnavailable(f"provider {provider} cannot be reached: {scrub(error)}")
    return ProviderUnavailable(f"provider {provider} broke off its answer: {scrub(error)}")


def check_status(answer: Answer, provider: str, clock: Clock) -> TickloomError | None:
    """Return what the status means wherever HTTP is spoken, ``None`` where it says nothing bad.

    401 and 403 refuse the key, 429 asks to wait (``Retry-After`` is obeyed), 408 and 5xx may pass.
    Any other status from 300 on, 400, 402, 404 and 422 among them, means something else with each
    vendor: look at these first; here they count as an answer that cannot be used.
    """
    status = answer.status
    if status < 300:  # noqa: PLR2004 - the class of good answers
        return None
    said = f"provider {provider} answered {status}"
    if status in _REFUSED:
        return CredentialsError(said, fix="Check its key in the settings.")
    wait_s = retry_after_s(answer.headers, clock.now())
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return RateLimited(f"{said}: too many requests", retry_after_s=wait_s)
    return ProviderUnavailable(said, retry_after_s=wait_s)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, at most a day; ``None`` = it does not."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_S)
    try:
        then = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    return min(max(0.0, (aware - now).total_seconds()), _LONGEST_WAIT_S)


async def parse_off_loop(
    parse: Callable[Concatenate[bytes, P], T], body: bytes, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return ``parse(body, …)``, in a thread where the body is long.

    A parser of megabytes on the event loop would hold up everybody's prices.
    """
    if len(body) <= _INLINE_BYTES:
        return parse(body, *args, **kwargs)
    return await asyncio.to_thread(parse, body, *args, **kwargs)
