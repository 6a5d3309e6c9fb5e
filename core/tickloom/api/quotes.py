"""Quotes and companies over REST."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.types import ASGIApp, HTTPResponseStartEvent, Receive, Scope, Send
from msgspec import Meta, Struct

from tickloom.api.problems import may_fail
from tickloom.api.responses import JSON, json_response
from tickloom.manager import MarketDataManager
from tickloom.model import (
    Company,
    Quote,
    SymbolMatch,
)

_JSON_HEADER = (b"content-type", JSON.encode())

Symbol = Annotated[
    str,
    PathParameter(description="A symbol such as AAPL, BRK.B, EURUSD=X or SIM.ACME; in any case."),
]


class QuotesRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Symbols to be quoted in one request."""

    symbols: Annotated[
        list[str], Meta(description="At least one; see server.max_symbols for the most.")
    ]


class SymbolError(Struct, frozen=True, kw_only=True):
    """Why one symbol of a request has no quote."""

    symbol: str
    code: str
    message: str


class QuotesAnswer(Struct, frozen=True, kw_only=True):
    """The quotes in the order asked for, and why the others are missing."""

    quotes: list[Quote]
    errors: list[SymbolError]


def quote_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes of the newest prices."""

    @get(
        "/quotes/{symbol:str}",
        operation_id="getQuote",
        summary="The newest quote of one symbol",
        tags=["market data"],
        responses={
            200: ResponseSpec(Quote, generate_examples=False, description="The quote"),
            **may_fail(400, 404, 503),
        },
    )
    async def get_quote(symbol: Symbol) -> ASGIApp:
        return _Ready(await manager.get_quote_json(symbol))

    @post(
        "/quotes",
        operation_id="getQuotes",
        summary="The newest quotes of many symbols",
        description="Symbols that nobody could answer are explained in `errors`.",
        tags=["market data"],
        status_code=200,
        responses=may_fail(400, 503),
    )
    async def get_quotes(data: JSONBody[QuotesRequest]) -> Response[QuotesAnswer]:
        found = await manager.get_multiple_quotes(data.symbols)
        errors = [
            SymbolError(symbol=symbol, code=error.code, message=str(error))
            for symbol, error in found.errors.items()
        ]
        return json_response(QuotesAnswer(quotes=list(found), errors=errors))

    return [get_quote, get_quotes]


def reference_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes of what stands behind a symbol."""

    @get(
        "/company/{symbol:str}",
        operation_id="getCompany",
        summary="What stands behind a symbol",
        tags=["market data"],
        responses=may_fail(400, 404, 503),
    )
    async def get_company(symbol: Symbol) -> Response[Company]:
        return json_response(await manager.get_company_info(symbol))

    @get(
        "/search",
        operation_id="search",
        summary="Symbols that fit a text",
        tags=["market data"],
        responses=may_fail(400, 404, 503),
    )
    async def search(
        text: Annotated[str, QueryParameter(name="q", description="Part of a symbol or name.")],
        limit: Annotated[int, QueryParameter(description="Most answers, 1 to 50.")] = 10,
    ) -> Response[list[SymbolMatch]]:
        return json_response(await manager.search(text, limit))

    return [get_company, search]


class _Ready:
    """An answer whose body is at hand, without the steps that the framework's own takes."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        body = self._body
        headers = [_JSON_HEADER, (b"content-length", b"%d" % len(body))]
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": 200,
            "headers": headers,
        }
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})
