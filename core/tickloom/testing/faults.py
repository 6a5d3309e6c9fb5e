"""The faults that a vendor's answer may have, by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from tickloom.testing.server import Fault, Reply

_PIECE = b" " * 262_144
_PIECES = 200
_ELSEWHERE = "http://localhost:9/elsewhere"


def _leaves(change: Callable[[Any], Any]) -> Fault:
    """Return a fault that changes every single value of a JSON body."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(one) for key, one in value.items()}
        if isinstance(value, list):
            return [walk(one) for one in value]
        return change(value)

    def fault(reply: Reply) -> Reply:
        try:
            body = json.loads(reply.body)
        except ValueError:
            return reply
        return replace(reply, body=json.dumps(walk(body)).encode())

    return fault


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        # Some vendors write all their numbers as text.
        return value.replace(".", "", 1).removesuffix("%").isdigit()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(change: Callable[[Any], Any]) -> Fault:
    return _leaves(lambda value: change(value) if _is_number(value) else value)


def _negative(value: Any) -> Any:
    return f"-{value}" if isinstance(value, str) else -abs(value)


def _absurd(value: Any) -> Any:
    return "9" * 60 if isinstance(value, str) else 10**60


def _other_type(value: Any) -> Any:
    if isinstance(value, str):
        return 7
    return "text" if value is not None else [None]


def _status(status: int) -> Fault:
    headers = {"Retry-After": "7"} if status == 429 else {}  # noqa: PLR2004 - Too Many Requests

    def fault(reply: Reply) -> Reply:
        return replace(
            reply,
            status=status,
            body=f"Sorry: {status}".encode(),
            headers=headers,
            content_type="text/plain",
        )

    return fault


def _html(reply: Reply) -> Reply:
    page = b"<!doctype html><title>Will be right back</title><p>Thank you for your patience."
    return replace(reply, body=page, content_type="text/html")


STATUSES = (400, 401, 403, 404, 422, 429, 500, 502, 503)

FAULTS: Mapping[str, Fault] = {
    "timeout": lambda reply: replace(reply, hang=True),
    "reset in mid-body": lambda reply: replace(reply, cut_after=len(reply.body) // 2),
    "slow drip": lambda reply: replace(reply, drip_s=0.05),
    **{f"status {status}": _status(status) for status in STATUSES},
    "html": _html,
    "truncated json": lambda reply: replace(reply, body=reply.body[: len(reply.body) * 2 // 3]),
    "wrong types": _leaves(_other_type),
    "nulls": _leaves(lambda _: None),
    "text for numbers": _numbers(lambda _: "a lot"),
    "negative prices": _numbers(_negative),
    "absurd prices": _numbers(_absurd),
    "empty body": lambda reply: replace(reply, body=b""),
    "fifty megabytes": lambda reply: replace(reply, body=_PIECE, repeat=_PIECES),
    "redirect to another host": lambda reply: replace(
        reply, status=302, body=b"", headers={"Location": _ELSEWHERE}
    ),
    "garbage": lambda reply: replace(reply, body=bytes(range(256)) * 4),
}
"""What may happen to a reply: ``server.fault = FAULTS["html"]``."""
