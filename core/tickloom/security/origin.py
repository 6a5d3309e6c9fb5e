"""Keeps the pages of other sites from giving orders to a server on this machine.

A browser sends a POST without a body to any address that a page names. The page cannot read the
answer, but stopping the feeds needs none.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from litestar.handlers import BaseRouteHandler

from tickloom.errors import NotAllowed
from tickloom.security.keys import Connection
from tickloom.settings import is_loopback


def refuse_foreign_pages(connection: Connection, _: BaseRouteHandler) -> None:
    """Guard of routes that change something: a page of another site may not call them.

    Programs send no ``Origin``; pages of this server and of this machine are welcome.

    Raises:
        NotAllowed: The ``Origin`` is another site's.
    """
    origin = connection.headers.get("origin")
    if origin is None:
        return
    try:
        here = urlsplit(origin).netloc == connection.headers.get("host")
        trusted = here or is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        trusted = False
    if not trusted:
        raise NotAllowed(
            "a page of another site may not change anything here",
            found=origin,
            expected="no Origin, or one of this server",
        )
