"""What Yahoo means by an answer that is none: by status, by words, by the error inside of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import Struct

from tickloom.errors import (
    NoData,
    ProviderUnavailable,
    RateLimited,
    RequestError,
    TickloomError,
    UnknownSymbol,
)
from tickloom.fetch import retry_after_s

PROVIDER = "yahoo"

# Yahoo does not say for how long it refuses; asking sooner prolongs it.
_PAUSE_S = 60.0
TOO_MANY = (429, 999)
"""Statuses for too many requests; 999 is Yahoo's own."""
_TOO_MANY_TEXTS = ("too many requests", "edge: too many requests")
_UNAUTHORIZED = (401, 403)
_NOT_FOUND = 404
_REQUEST = (400, 422)
_SHORT = 300
# Modules that every live symbol has: where these are missing too, there is no such symbol.
_ALWAYS_THERE = ("price", "quotetype")
_NO_SYMBOL = ("no data found", "quote not found", "delisted")
_NO_RANGE = (
    *("no fundamentals data", "data doesn't exist", "not available", "granularity"),
    *("must be within", "requested range"),
)
_CRUMB_TROUBLE = ("crumb", "cookie", "unable to access")
_OUR_FAULT = ("bad request", "unprocessable entity", "argument-error")


class VendorError(Struct):
    """The ``error`` of Yahoo's JSON; it stands beside ``result`` in each kind of answer."""

    code: str | None = None
    description: str | None = None


class _Envelope(Struct):
    error: VendorError | None = None


def is_stale_crumb(status: int) -> bool:
    """True where another cookie and crumb may help.

    Yahoo's words do not tell: "unable to access this feature" is also said to who has no crumb.
    """
    return status in _UNAUTHORIZED


def check_answer(
    status: int, headers: Mapping[str, str], body: bytes, what: str, now: datetime
) -> TickloomError | None:
    """Return what is wrong with an answer, ``None`` where it may be parsed.

    Args:
        status: Of HTTP.
        headers: Of HTTP, names in lower case.
        body: As it came.
        what: What was asked for, such as "bars of AAPL"; it goes into the error.
        now: For a ``Retry-After`` that is a date.
    """
    wait_s = retry_after_s(headers, now)
    text = " ".join(body[:_SHORT].decode("utf-8", "replace").split())
    # The same words come from the edge of Yahoo's network, with other statuses too.
    if status in TOO_MANY or text.lower().startswith(_TOO_MANY_TEXTS):
        return rate_limited(wait_s)
    if status < _SHORT:
        return None
    said = _read_error(body)
    if status in _UNAUTHORIZED:
        return _refused(status, said.description if said is not None else None)
    if status in {_NOT_FOUND, *_REQUEST}:
        if said is None and "data doesn't exist" in text.lower():
            # The retired download of tables; some proxies still speak so.
            said = VendorError(description=text)
        if said is not None:
            return explain(said, what)
        if status == _NOT_FOUND and _is_null_error(body):
            return UnknownSymbol(f"provider {PROVIDER} knows nothing of {what}")
    return ProviderUnavailable(f"provider {PROVIDER} answered {status}", retry_after_s=wait_s)


def rate_limited(wait_s: float | None) -> RateLimited:
    """Return the error for too many requests; ``None`` = Yahoo named no time."""
    return RateLimited(
        f"provider {PROVIDER} refuses for now: too many requests",
        retry_after_s=_PAUSE_S if wait_s is None else wait_s,
    )


def explain(said: VendorError, what: str) -> TickloomError:
    """Return what Yahoo's words mean when asked for ``what``."""
    words = said.description or said.code or ""
    lower = words.lower()
    if "too many requests" in lower:
        return rate_limited(None)
    if any(hint in lower for hint in _CRUMB_TROUBLE):
        return _refused(_UNAUTHORIZED[0], words)
    if "no fundamentals data found" in lower:
        # The same words for a dead symbol and for a live one that lacks what was asked for.
        asked = lower.rpartition("summarytypes=")[2].split(",")
        dead = any(module in asked for module in _ALWAYS_THERE)
    else:
        dead = any(hint in lower for hint in _NO_SYMBOL)
    if dead:
        return UnknownSymbol(f"provider {PROVIDER} knows nothing of {what}", found=words)
    if any(hint in lower for hint in _NO_RANGE):
        return NoData(f"provider {PROVIDER} has no {what}", found=words)
    if (said.code or "").lower() in _OUR_FAULT:
        return RequestError(f"provider {PROVIDER} cannot read the request for {what}", found=words)
    return ProviderUnavailable(f"provider {PROVIDER} failed at {what}", found=words)


def _refused(status: int, words: str | None) -> ProviderUnavailable:
    # There is no key that somebody could replace: a later cookie may do.
    return ProviderUnavailable(
        f"provider {PROVIDER} answered {status} to its own cookie and crumb",
        found=words,
        fix="Yahoo may have changed how it lets programs in; look for a newer yfinance.",
        retry_after_s=_PAUSE_S,
    )


def _read_error(body: bytes) -> VendorError | None:
    try:
        answer = msgspec.json.decode(body, type=dict[str, _Envelope])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return next((one.error for one in answer.values() if one.error is not None), None)


def _is_null_error(body: bytes) -> bool:
    try:
        answer = msgspec.json.decode(body, type=dict[str, dict[str, object]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return any("error" in one and "result" in one for one in answer.values())
