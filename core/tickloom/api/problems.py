"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from loguru import logger
from msgspec import Struct

from tickloom.errors import (
    BadRecord,
    CredentialsError,
    MessageTooLarge,
    MissingDependency,
    NotAcceptable,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PluginError,
    RequestError,
    TickloomError,
    TooManyConnections,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:tickloom:problem:"
_STATUS: dict[type[TickloomError], int] = {
    RequestError: 400,
    TooManyConnections: 429,
    NotAuthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    NotAcceptable: 406,
    MessageTooLarge: 413,
    MissingDependency: 501,
    CredentialsError: 503,
    PluginError: 503,
    BadRecord: 503,
    Unavailable: 503,
}
_HTTP_CODES = {
    400: "invalid-request",
    404: "no-such-path",
    405: "method-not-allowed",
    413: "message-too-large",
}


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document.

    Attributes:
        type: Stable URI of the kind of problem, ``urn:tickloom:problem:<code>``.
        title: The kind of problem in words.
        status: The HTTP status.
        detail: What was found, what was expected, what to do.
        instance: The path that was asked for.
        code: The last part of ``type``.
        found: What was there, cut to 80 characters.
        expected: What would have been right.
        retry_after_s: Seconds after which to try again.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    found: str | None = None
    expected: str = ""
    retry_after_s: float | None = None


def problem_of(error: TickloomError, instance: str) -> Problem:
    """Return the problem document of an error of our tree."""
    return Problem(
        type=_PREFIX + error.code,
        title=error.code.replace("-", " ").capitalize(),
        status=status_of(error),
        detail=str(error),
        instance=instance,
        code=error.code,
        found=error.found,
        expected=error.expected,
        retry_after_s=getattr(error, "retry_after_s", None),
    )


def status_of(error: TickloomError) -> int:
    """Return the HTTP status of an error; 500 where it is the server's own fault."""
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500


def _answer(problem: Problem) -> Response[Problem]:
    headers = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after_s)))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tickloom"'
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def _on_ours(request: Request[Any, Any, State], error: TickloomError) -> Response[Problem]:
    return _answer(problem_of(error, request.url.path))


def _on_http(request: Request[Any, Any, State], error: HTTPException) -> Response[Problem]:
    status = error.status_code
    code = _HTTP_CODES.get(status, HTTPStatus(status).phrase.lower().replace(" ", "-"))
    return _answer(
        Problem(
            type=_PREFIX + code,
            title=HTTPStatus(status).phrase,
            status=status,
            detail=_detail(error),
            instance=request.url.path,
            code=code,
        )
    )


def _detail(error: HTTPException) -> str:
    extra = error.extra if isinstance(error.extra, list) else []
    reasons = [
        f"{item.get('key') or item.get('source') or 'request'}: {item['message']}"
        for item in extra
        if isinstance(item, dict) and "message" in item
    ]
    if reasons:
        return "; ".join(reasons)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return f"the request cannot be read: {error.detail}; expected a JSON body"
    return error.detail or HTTPStatus(error.status_code).phrase


def _on_any(request: Request[Any, Any, State], error: Exception) -> Response[Problem]:
    logger.opt(exception=error).error("{} {} failed", request.method, request.url.path)
    return _answer(
        Problem(
            type=_PREFIX + "internal",
            title="Internal server error",
            status=500,
            detail="The server failed; the log has the details.",
            instance=request.url.path,
            code="internal",
        )
    )


def _on_body(request: Request[Any, Any, State], error: Exception) -> Response[Problem]:
    detail = f"the request body is no JSON: {type(error).__name__}"
    return _on_ours(request, RequestError(detail, expected="JSON in UTF-8, nested like the schema"))


HANDLERS: dict[int | type[Exception], Any] = {
    UnicodeDecodeError: _on_body,
    RecursionError: _on_body,
    TickloomError: _on_ours,
    HTTPException: _on_http,
    Exception: _on_any,
}


def may_fail(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the failures of a route for the OpenAPI document."""
    return {
        status: ResponseSpec(
            Problem,
            media_type=MEDIA_TYPE,
            description=HTTPStatus(status).phrase,
            generate_examples=False,
        )
        for status in statuses
    }
