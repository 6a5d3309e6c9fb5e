"""Answers in the model's own JSON form."""

from __future__ import annotations

from typing import Any

from litestar import Response

from tickloom.model import encode_json

JSON = "application/json"


def json_response(value: Any, status: int = 200) -> Response[Any]:
    """Return ``value`` as JSON by the model's encoder: prices keep all their digits."""
    return Response(encode_json(value), media_type=JSON, status_code=status)
