"""The WebSocket protocol of the server: uvicorn's own, with a door for ready frames.

An application finds the door in ``scope["extensions"]["tickloom.outlet"]``. What is written there
goes straight to the socket, so that frames which many clients get are made once. Under any other
server, and for a client that asked for compression, the door is missing and the ordinary ``send``
does the same.

A peer that stops reading never takes the close frame either, so an ordinary close would wait for
it without end, with all that is buffered; therefore the door can also cut it off.
"""

from __future__ import annotations

import socket
import struct
import sys
from asyncio import AbstractEventLoop, Protocol, Task, TimerHandle, Transport
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qs

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.http11 import Request

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent

OUTLET = "tickloom.outlet"
# About 20 KiB for each connection that asks for it, instead of 300.
_WINDOW_BITS, _MEMORY_LEVEL = 12, 5
_LINGER_S = 2.0
WRITE_TIMEOUT_S = 30.0
"""A peer that takes nothing for so long is cut off, where nobody says otherwise."""
_RESET = struct.pack("ii", 1, 0)


def cut_off(transport: Transport) -> None:
    """Reset a connection; otherwise the system would keep megabytes for a peer that reads nothing.

    It would try for minutes to deliver them.
    """
    plain = transport.get_extra_info("socket")
    if plain is not None:
        with suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


_Kind = TypeVar("_Kind", bound="Patience")


class Patience:
    """Cuts off a peer that takes nothing although enough waits for it; a half of a protocol.

    The door has its own watch (:class:`~tickloom.stream.Stalled`); this one is for what goes out
    by the ordinary way, such as Server-Sent Events, and for connections whose application is done.
    """

    transport: Transport
    loop: AbstractEventLoop
    _stalled: TimerHandle | None = None

    def __init__(
        self, *args: Any, write_timeout_s: float = WRITE_TIMEOUT_S, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._write_timeout_s = write_timeout_s

    def pause_writing(self) -> None:
        """Begin to watch: the peer does not keep up."""
        super().pause_writing()  # type: ignore[misc]
        self._watch()

    def resume_writing(self) -> None:
        """Watch no longer."""
        super().resume_writing()  # type: ignore[misc]
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection."""
        super().connection_lost(exc)  # type: ignore[misc]
        self._rest()

    def _watch(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self._write_timeout_s, self._judge, unsent)

    def _judge(self, before: int) -> None:
        if self.transport.get_write_buffer_size() == before:
            cut_off(self.transport)
        else:
            self._watch()

    def _rest(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def patient(kind: type[_Kind], limit_s: float) -> type[_Kind]:
    """Return a protocol that cuts off a peer which takes nothing for ``limit_s`` seconds."""
    # Uvicorn only calls it; a class made here could not go to the processes of its workers.
    return cast("type[_Kind]", partial(kind, write_timeout_s=limit_s))


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
        cut_off(self._transport)


class StreamProtocol(Patience, WebSocketsSansIOProtocol):
    """Offers an outlet, and aborts a peer that answers no ping."""

    outlet: SocketOutlet | None = None
    _early = b""
    _end: TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take what the peer sent, after the handshake's answer what came before it."""
        if self.handshake_initiated and not self.handshake_complete:
            # An answer to it, such as a pong, would go out before that of the handshake.
            self._early += data
            self.transport.pause_reading()
            return
        if self.conn.parser_exc is None:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Say what was wrong, and let the peer read it.

        Closing at once would reset a connection on which the peer still sends, and with it what it
        has not read yet; so what it sends is thrown away for a moment.
        """
        close = self.conn.close_sent
        if close is None or self.transport.is_closing():
            self.transport.abort()
            return
        gone = {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
        self.queue.put_nowait(cast("ASGIReceiveEvent", gone))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.write_eof()
        self.close_timer = self.loop.call_later(_LINGER_S, self.transport.abort)

    def start_keepalive(self) -> None:
        """Begin the conversation; the base class calls this when the handshake is answered."""
        super().start_keepalive()
        if self._early:
            early, self._early = self._early, b""
            self.transport.resume_reading()
            self.data_received(early)

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
        if self._end is not None:
            self._end.cancel()

    def on_task_complete(self, task: Task[None]) -> None:
        """Give the peer a while to read the rest; a close alone would wait for it without end."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._end = self.loop.call_later(self.close_timeout, cut_off, self.transport)

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
        if self.transport.is_closing():
            # The peer has left without reading all. The base class would fail at a second close
            # frame, and with it the shutdown of all others.
            cut_off(self.transport)
            return
        super().shutdown()

    def _shut(self) -> None:
        if self.outlet is not None:
            self.outlet.shut()

    def keepalive_timeout(self) -> None:
        """End a connection whose peer is gone, without waiting for it to read."""
        super().keepalive_timeout()
        cut_off(self.transport)


class UpgradingProtocol(Patience, HttpToolsProtocol):
    """The HTTP side of the server; hands on what came together with a WebSocket handshake.

    A client ought to wait for the answer (RFC 6455, section 4.1), but some do not, and the base
    class would drop their first message without a word.
    """

    _received = b""

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        self._received = data
        super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Let the WebSocket protocol go on."""
        super().handle_websocket_upgrade()
        upgrade = sys.exception()
        received, self._received = self._received, b""
        if isinstance(upgrade, HttpParserUpgrade) and not self.transport.is_closing():
            early = received[upgrade.args[0] :]
            if early:
                cast("Protocol", self.transport.get_protocol()).data_received(early)
