"""Single questions over REST, with typed answers and the errors of our own tree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote as quoted

import httpx
import msgspec
from msgspec import Struct

from tickloom import __version__
from tickloom.client.frames import History
from tickloom.client.target import Target
from tickloom.errors import (
    BadRecord,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestError,
    ServerUnavailable,
    TickloomError,
    Unavailable,
    scrub,
    verbatim,
)
from tickloom.model import (
    Company,
    Quote,
    SymbolMatch,
    decode_json,
    encode_json,
    parse_symbol,
)

T = TypeVar("T")

_LIMIT_S = 30.0
_BY_STATUS: dict[int, type[TickloomError]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
}
_SERVER_FAULT = 500


class Quotes(list[Quote]):
    """Quotes in the order asked for, and in ``errors`` why the others are missing."""

    def __init__(self, quotes: Iterable[Quote], errors: dict[str, TickloomError]) -> None:
        super().__init__(quotes)
        self.errors = errors


class _SymbolError(Struct):
    symbol: str
    code: str
    message: str


class _QuotesAnswer(Struct):
    quotes: list[Quote]
    errors: list[_SymbolError] = []


class _Problem(Struct):
    code: str = ""
    detail: str = ""
    found: str | None = None
    expected: str = ""
    retry_after_s: float | None = None


class Rest:
    """The questions.

    Args:
        target: The server.
        http: Asks them, and is left open; ``None`` = one of our own.
    """

    def __init__(self, target: Target, http: httpx.AsyncClient | None) -> None:
        self._target = target
        self._given = http
        self._own: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close_http()

    async def ask(self, method: str, path: str, params: dict[str, str], kind: type[T] | Any) -> Any:
        """Return the answer of any other path of the server.

        Raises:
            RequestError: The question is wrong, or the key is refused.
            NotFound: There is no such thing.
            Unavailable: The server does not answer.
        """
        return _read(await self._ask(method, path, params=params), kind)

    async def quote(self, symbol: str) -> Quote:
        """Return the newest quote of a symbol.

        Raises:
            RequestError: The symbol cannot be one, or the key is refused.
            NotFound: Nobody serves it.
            Unavailable: The server or the provider does not answer.
        """
        return await self._get(f"/quotes/{_segment(symbol)}", {}, Quote)

    async def quotes(self, symbols: Sequence[str]) -> Quotes:
        """Return the newest quotes of many symbols; ``errors`` says why one is missing.

        Raises:
            RequestError: A symbol cannot be one, there are too many, or the key is refused.
            Unavailable: The server does not answer.
        """
        body = encode_json({"symbols": list(symbols)})
        headers = {"Content-Type": "application/json"}
        data = await self._ask("POST", "/quotes", content=body, headers=headers)
        answer = _read(data, _QuotesAnswer)
        errors = {one.symbol: error_of(one.code, one.message) for one in answer.errors}
        return Quotes(answer.quotes, errors)

    async def history(
        self,
        symbol: str,
        start: date,
        end: date | None = None,
        interval: str = "1d",
        adjusted: str = "none",
        *,
        provider: str | None = None,
    ) -> History:
        """Return bars, all in one answer; see :meth:`history_pages` for many.

        Args:
            symbol: Of which.
            start: First day, in the venue's calendar.
            end: Last day, inclusive; ``None`` = today in UTC.
            interval: Of a bar, such as ``1m``, ``1h`` or ``1d``.
            adjusted: What prices account for: ``none``, ``splits`` or ``all``.
            provider: Whose bars; ``live`` = those that the server built from the stream. ``None`` =
                of whoever has them.

        Raises:
            RequestError: The question is wrong, or the key is refused.
            NotFound: There are none.
            Unavailable: The server or the provider does not answer.
        """
        params = _range(start, end, interval, adjusted, provider)
        return await self._get(f"/historical/{_segment(symbol)}", params, History)

    async def history_pages(
        self,
        symbol: str,
        start: date,
        end: date | None = None,
        interval: str = "1d",
        adjusted: str = "none",
        *,
        limit: int = 10_000,
        order: Literal["asc", "desc"] = "asc",
        provider: str | None = None,
    ) -> AsyncIterator[History]:
        """Yield the same bars page by page, asking for the next one when it is wanted.

        Args:
            symbol: As of :meth:`history`, and so on to ``adjusted``.
            start: First day.
            end: Last day.
            interval: Of a bar.
            adjusted: What prices account for.
            limit: Most bars of a page, 1 to 50,000.
            order: ``asc`` = oldest first, ``desc`` = newest first.
            provider: Whose bars.

        Raises:
            RequestError: The question is wrong, or the key is refused.
            NotFound: There are none.
            Unavailable: The server or the provider does not answer.
        """
        params = _range(start, end, interval, adjusted, provider)
        params |= {"limit": str(limit), "order": order}
        path = f"/historical/{_segment(symbol)}"
        while True:
            page = await self._get(path, params, History)
            yield page
            if page.next_page is None:
                return
            params["page"] = page.next_page

    async def company(self, symbol: str) -> Company:
        """Return what stands behind a symbol.

        Raises:
            RequestError: The symbol cannot be one, or the key is refused.
            NotFound: Nobody knows it.
            Unavailable: The server or the provider does not answer.
        """
        return await self._get(f"/company/{_segment(symbol)}", {}, Company)

    async def search(self, text: str, limit: int = 10) -> list[SymbolMatch]:
        """Return symbols that fit ``text``, best first, at most ``limit``.

        Raises:
            RequestError: There is nothing to search for, or the key is refused.
            NotFound: Nobody can search.
            Unavailable: The server or the provider does not answer.
        """
        params = {"q": text, "limit": str(limit)}
        return await self._get("/search", params, list[SymbolMatch])

    async def _get(self, path: str, params: dict[str, str], kind: type[T]) -> T:
        return _read(await self._ask("GET", path, params=params), kind)

    async def _ask(self, method: str, path: str, **options: Any) -> bytes:
        target = self._target
        headers = options.pop("headers", {}) | {"User-Agent": f"tickloom/{__version__}"}
        if target.key:
            headers["X-API-Key"] = target.key
        try:
            answer = await self._http().request(
                method, target.rest + path, headers=headers, **options
            )
        except httpx.HTTPError as error:
            raise ServerUnavailable(
                f"no tickloom server answers at {target.rest}",
                found=verbatim(scrub(error)),
                fix="Start one with tickloom serve, or give the address of another.",
            ) from None
        if not answer.is_success:
            raise _problem(answer)
        return answer.content

    def _http(self) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = httpx.AsyncClient(timeout=_LIMIT_S, trust_env=not self._target.is_local)
        return self._own

    async def _close_http(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()


def error_of(code: str, text: str, status: int = 400) -> TickloomError:
    """Return the error that a code of the server stands for.

    Args:
        code: Such as ``unknown-symbol``.
        text: What the error says.
        status: The HTTP status, for codes that this version does not know.
    """
    kind = _kinds().get(code)
    if kind is None and status >= _SERVER_FAULT:
        kind = ServerUnavailable
    return (kind or _BY_STATUS.get(status, RequestError))(text)


def _kinds() -> dict[str, type[TickloomError]]:
    found: dict[str, type[TickloomError]] = {}
    waiting: list[type[TickloomError]] = [TickloomError]
    while waiting:
        kind = waiting.pop()
        # Kinds from elsewhere may carry the code of what they stand for.
        if kind.__module__ == TickloomError.__module__:
            found[kind.code] = kind
            waiting += kind.__subclasses__()
    return found


def _problem(answer: httpx.Response) -> TickloomError:
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        problem = _Problem()
    text = problem.detail or f"the server answered with HTTP status {answer.status_code}"
    error = error_of(problem.code, text, answer.status_code)
    error.found, error.expected = problem.found, problem.expected
    if isinstance(error, Unavailable):
        error.retry_after_s = problem.retry_after_s
    return error


def _read(data: bytes, kind: type[T]) -> T:
    try:
        return decode_json(data, kind)
    except BadRecord as error:
        raise ServerUnavailable(
            "the server's answer cannot be read", found=verbatim(str(error.found))
        ) from None


def _range(
    start: date, end: date | None, interval: str, adjusted: str, provider: str | None
) -> dict[str, str]:
    params = {"start_date": start.isoformat(), "interval": interval, "adjusted": adjusted}
    if end is not None:
        params["end_date"] = end.isoformat()
    if provider is not None:
        params["provider"] = provider
    return params


def _segment(symbol: str) -> str:
    return quoted(parse_symbol(symbol), safe="")
