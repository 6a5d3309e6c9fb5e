"""A real HTTP server on this machine that answers as told, well or badly.

A test hands it a function from request to reply, such as one that looks up recorded answers, and
then plays a fault over every reply. Nothing is mocked: sockets, resets and delays are real.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from tickloom.errors import MissingDependency

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection

_HEAD_BYTES = 65_536
_REQUESTS_KEPT = 10_000
_LINGER_AT_ONCE = struct.pack("ii", 1, 0)


class Request(Struct, frozen=True):
    """What a client asked.

    Attributes:
        method: In capitals.
        path: As it was sent, with its percent signs, so that a slash in a name can be told apart;
            without the query.
        query: The last value of each name.
        headers: Names in lower case.
        body: Up to its ``Content-Length``.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


class Reply(Struct, frozen=True, kw_only=True):
    """What the server answers.

    Attributes:
        status: The HTTP status.
        body: Sent as it is.
        headers: Beyond those of length and type.
        content_type: The type of the body.
        hang: Never answer; the connection stays open.
        cut_after: Reset the connection after so many bytes of the body; ``None`` = send it all.
        drip_s: Pause before each single byte of the body, in seconds; 0 = send it at once.
        repeat: How often the body is sent, in chunks without a length.
        keep_open: Send the body and leave the connection open, as an event stream does.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"
    hang: bool = False
    cut_after: int | None = None
    drip_s: float = 0.0
    repeat: int = 1
    keep_open: bool = False


Handler = Callable[[Request], Reply]
Fault = Callable[[Reply], Reply]
WebSocketHandler = Callable[["ServerConnection"], Awaitable[None]]


class FaultServer:
    """``async with FaultServer(handler) as server`` listens on a free port of this machine.

    Args:
        handler: Answers each request.
        tls: Speak TLS with a certificate that nobody trusts; needs the package ``trustme``.
        ports: Of HTTP and of the WebSocket listener, to come back where one was; 0 = any free one.

    Attributes:
        url: ``http://127.0.0.1:port``, or ``https://…``.
        ws_url: ``ws://127.0.0.1:port`` of the WebSocket listener.
        requests: What was asked so far, the first ten thousand.
        fault: Turns every reply into a bad one; ``None`` = none.
        websocket: Serves each WebSocket connection; ``None`` = such connections are closed.
    """

    def __init__(
        self, handler: Handler, *, tls: bool = False, ports: tuple[int, int] = (0, 0)
    ) -> None:
        self._handler = handler
        self._tls = tls
        self._ports = ports
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._sockets: Server | None = None
        self.url = ""
        self.ws_url = ""
        self.requests: list[Request] = []
        self.fault: Fault | None = None
        self.websocket: WebSocketHandler | None = None

    async def __aenter__(self) -> Self:
        # Only those who test a stream pay for the import.
        from websockets.asyncio.server import serve  # noqa: PLC0415

        context = _untrusted() if self._tls else None
        port, ws_port = self._ports
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, ssl=context)
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._sockets = await serve(self._accept_socket, "127.0.0.1", ws_port)
        port = next(iter(self._sockets.sockets)).getsockname()[1]
        self.ws_url = f"ws://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sockets is not None:
            self._sockets.close()
            await self._sockets.wait_closed()

    async def _accept_socket(self, connection: ServerConnection) -> None:
        if self.websocket is not None:
            await self.websocket(connection)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                if len(self.requests) < _REQUESTS_KEPT:
                    self.requests.append(request)
                reply = self._handler(request)
                if self.fault is not None:
                    reply = self.fault(reply)
                await _answer(writer, reply)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # The client is gone, as some of them should be.
            pass
        finally:
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n")
    if len(head) > _HEAD_BYTES:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target = urlsplit(rest.rpartition(" ")[0])
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    return Request(method, target.path, query, headers, body)


async def _answer(writer: asyncio.StreamWriter, reply: Reply) -> None:
    if reply.hang:
        await asyncio.Event().wait()
    chunked = reply.repeat > 1 or reply.keep_open
    headers = {"Content-Type": reply.content_type, **reply.headers}
    headers |= (
        {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(reply.body))}
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} {_phrase(reply.status)}\r\n{lines}\r\n".encode())
    if reply.cut_after is not None:
        writer.write(reply.body[: reply.cut_after])
        await writer.drain()
        _reset(writer)
        raise ConnectionResetError
    if chunked:
        await _send_chunks(writer, reply)
    elif reply.drip_s:
        for number in range(len(reply.body)):
            await asyncio.sleep(reply.drip_s)
            writer.write(reply.body[number : number + 1])
            await writer.drain()
    else:
        writer.write(reply.body)
    await writer.drain()


async def _send_chunks(writer: asyncio.StreamWriter, reply: Reply) -> None:
    piece = b"%x\r\n%b\r\n" % (len(reply.body), reply.body) if reply.body else b""
    for _ in range(reply.repeat):
        writer.write(piece)
        await writer.drain()
    if reply.keep_open:
        await asyncio.Event().wait()
    writer.write(b"0\r\n\r\n")


def _reset(writer: asyncio.StreamWriter) -> None:
    import socket  # noqa: PLC0415 - for two numbers

    plain = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_AT_ONCE)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _untrusted() -> ssl.SSLContext:
    try:
        import trustme  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingDependency(
            "a test server with TLS needs trustme", fix="pip install 'tickloom[testing]'"
        ) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority: Any = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context
