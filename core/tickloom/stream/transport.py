"""The WebSocket protocol of the server: uvicorn's own, with a way to cut a dead peer off.

A peer that stops reading never takes the close frame either, so an ordinary close would wait for
it without end, with all that is buffered.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

ABORT = "tickloom.abort"


class StreamProtocol(WebSocketsSansIOProtocol):
    """Offers ``scope["extensions"]["tickloom.abort"]``, and aborts a peer that answers no ping."""

    def handle_connect(self, event: Request) -> None:
        """Begin the application's task with the extension in its scope."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[ABORT] = self.transport.abort

    def keepalive_timeout(self) -> None:
        """End a connection whose peer is gone, without waiting for it to read."""
        super().keepalive_timeout()
        self.transport.abort()
