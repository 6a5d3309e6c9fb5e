"""The WebSocket protocol of the server: uvicorn's own, with a door for ready frames.

An application finds the door in ``scope["extensions"]["tickloom.outlet"]``. What is written there
goes straight to the socket, so that frames which many clients get are made once. Under any other
server, and for a client that asked for compression, the door is missing and the ordinary ``send``
does the same.

A peer that stops reading never takes the close frame either, so an ordinary close would wait for
it without end, with all that is buffered; therefore the door can also cut it off.
"""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.http11 import Request

OUTLET = "tickloom.outlet"
# About 20 KiB for each connection that asks for it, instead of 300.
_WINDOW_BITS, _MEMORY_LEVEL = 12, 5


class SocketOutlet:
    """The door of one connection."""

    __slots__ = ("__weakref__", "_transport", "on_writable", "writable", "write")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.writable = True
        self.on_writable: Callable[[], object] | None = None
        self.write: Callable[[bytes], None] = transport.write

    def shut(self) -> None:
        """Let nothing follow a close frame."""
        self.writable = False
        self.on_writable = None

    def unsent_bytes(self) -> int:
        """Return how much the peer has not taken yet."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Cut the connection off without waiting for anything to be sent."""
        self._transport.abort()


class StreamProtocol(WebSocketsSansIOProtocol):
    """Offers an outlet, and aborts a peer that answers no ping."""

    outlet: SocketOutlet | None = None

    def handle_connect(self, event: Request) -> None:
        """Begin the application's task with the outlet in its scope."""
        wanted = parse_qs(event.path.partition("?")[2]).get("compress") == ["1"]
        if wanted:
            self.conn.available_extensions = [
                ServerPerMessageDeflateFactory(
                    server_max_window_bits=_WINDOW_BITS,
                    client_max_window_bits=_WINDOW_BITS,
                    compress_settings={"memLevel": _MEMORY_LEVEL},
                )
            ]
        super().handle_connect(event)
        if hasattr(self, "scope") and not self.conn.extensions:
            self.outlet = SocketOutlet(self.transport)
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[OUTLET] = self.outlet

    def pause_writing(self) -> None:
        """Hold back what is to be written: the peer does not keep up."""
        super().pause_writing()
        if self.outlet is not None:
            self.outlet.writable = False

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        outlet = self.outlet
        if outlet is not None and not self.close_sent and not self.transport.is_closing():
            outlet.writable = True
            if outlet.on_writable is not None:
                outlet.on_writable()

    def handle_close(self, event: Frame) -> None:
        """Answer a close frame."""
        self._shut()
        super().handle_close(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        self._shut()
        super().connection_lost(exc)

    @property
    def close_sent(self) -> bool:
        """True once a close frame went out; the base class sets it in many places."""
        return self._close_sent

    @close_sent.setter
    def close_sent(self, value: bool) -> None:
        self._close_sent = value
        if value:
            self._shut()

    def shutdown(self) -> None:
        """Send the close frame of a server that restarts."""
        self._shut()
        super().shutdown()

    def _shut(self) -> None:
        if self.outlet is not None:
            self.outlet.shut()

    def keepalive_timeout(self) -> None:
        """End a connection whose peer is gone, without waiting for it to read."""
        super().keepalive_timeout()
        self.transport.abort()
