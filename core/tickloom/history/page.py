"""Which part of a long answer is wanted, and the token by which the next part is asked for.

A token is opaque to clients: URL-safe base64 of a version, a fingerprint of the question, and the
time of the last bar that was given. It holds no secret and grants nothing, so it is not signed;
it is bound to its question only so that a mistake is told rather than answered.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from tickloom.errors import RequestError, verbatim
from tickloom.roles import HistoryRequest

Order = Literal["asc", "desc"]

_VERSION = 1
_FINGERPRINT_BYTES = 8
_TIME_BYTES = 8
_LENGTH = 1 + _FINGERPRINT_BYTES + _TIME_BYTES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Page(Struct, frozen=True, kw_only=True):
    """Which part of an answer is wanted.

    Attributes:
        limit: Most bars, at least 1; ``None`` = all.
        order: ``asc`` = oldest first, ``desc`` = newest first.
        after: The token of an earlier page of the same question; ``None`` = from the begin.
    """

    limit: int | None = None
    order: Order = "asc"
    after: str | None = None


ALL = Page()
"""All bars, oldest first."""


def make_token(request: HistoryRequest, order: Order, last: datetime) -> str:
    """Return the token of the page that follows the bar of the time ``last``, which is aware."""
    moment = (last - _EPOCH) // _MICROSECOND
    payload = (
        bytes([_VERSION]) + _fingerprint(request, order) + moment.to_bytes(8, "big", signed=True)
    )
    return _encoded(payload)


def read_token(token: str, request: HistoryRequest, order: Order) -> datetime:
    """Return the time of the last bar before the page, aware UTC.

    The dates of the question may differ from those of the first page, so that an absent end date
    may mean the next day meanwhile; symbol, interval, adjustment, order and provider may not.

    Raises:
        RequestError: It is no token, or one of another question.
    """
    payload = _decoded(token)
    if payload is None or len(payload) != _LENGTH or payload[0] != _VERSION:
        raise RequestError(
            "the page token cannot be read",
            found=token,
            expected="the token of an earlier answer, unchanged",
            fix="Ask without a token to begin again.",
        )
    if payload[1 : 1 + _FINGERPRINT_BYTES] != _fingerprint(request, order):
        raise RequestError(
            "the page token belongs to another question",
            found=verbatim(
                f"{request.symbol}, {request.interval}, adjusted {request.adjustment}, {order}"
                + ("" if request.provider is None else f", of {request.provider}")
            ),
            expected="the symbol, interval, adjustment, order and provider of the first page",
            fix="Ask without a token to begin again.",
        )
    moment = int.from_bytes(payload[1 + _FINGERPRINT_BYTES :], "big", signed=True)
    try:
        return _EPOCH + moment * _MICROSECOND
    except OverflowError:
        raise RequestError("the page token cannot be read", found=token) from None


def _decoded(token: str) -> bytes | None:
    try:
        payload = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    # The decoder passes over what belongs to no token.
    return payload if _encoded(payload) == token else None


def _encoded(payload: bytes) -> str:
    return urlsafe_b64encode(payload).rstrip(b"=").decode("ascii")


def _fingerprint(request: HistoryRequest, order: Order) -> bytes:
    text = f"{request.symbol} {request.interval} {request.adjustment} {order}"
    if request.provider is not None:
        text += f" {request.provider}"
    return blake2b(text.encode(), digest_size=_FINGERPRINT_BYTES).digest()
