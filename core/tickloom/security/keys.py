"""API keys: a name for each, compared without telling how much of it was right."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers import BaseRouteHandler

from tickloom.errors import NotAuthenticated
from tickloom.settings import AuthSettings

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], None]


class KeyRing:
    """The keys of the settings, kept as digests."""

    def __init__(self, settings: AuthSettings) -> None:
        self.required = settings.mode == "keys"
        self._digests = {user: _digest(key.reveal()) for user, key in settings.keys.items()}

    def user_of(self, key: str) -> str | None:
        """Return whose key it is, ``None`` = nobody's."""
        digest = _digest(key)
        found = None
        for user, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = user
        return found

    def user_of_headers(self, headers: Headers) -> str | None:
        """Return whose key the ``X-API-Key`` or ``Authorization: Bearer`` header holds."""
        key = headers.get("x-api-key") or ""
        scheme, _, token = (headers.get("authorization") or "").partition(" ")
        if not key and scheme.lower() == "bearer":
            key = token.strip()
        return self.user_of(key) if key else None


def require_key(ring: KeyRing) -> list[Guard]:
    """Return the guards of routes that need a key; none where no key is asked for."""
    if not ring.required:
        return []

    def guard(connection: Connection, _: BaseRouteHandler) -> None:
        if ring.user_of_headers(connection.headers) is None:
            raise NotAuthenticated(
                "this needs a key",
                expected="a known key in the header X-API-Key or Authorization: Bearer",
            )

    return [guard]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
