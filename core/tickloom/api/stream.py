"""The stream over WebSocket and Server-Sent Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Any

from litestar import Request, WebSocket, get, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import HTTPRouteHandler, WebsocketRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream
from loguru import logger

from tickloom import __version__
from tickloom.api.events import read_event_id, write_events
from tickloom.api.problems import may_fail
from tickloom.api.room import Room
from tickloom.errors import (
    RequestError,
    TooManyConnections,
    TooManySymbols,
    verbatim,
)
from tickloom.manager import MarketDataManager
from tickloom.model import is_glob, parse_glob
from tickloom.security import KeyRing
from tickloom.stream import Connection, Session, SessionRules, Stalled, WireFormat
from tickloom.stream.outlet import Outlet
from tickloom.stream.protocol import Failure
from tickloom.stream.transport import OUTLET

PATHS = ["/", "/ws", "/api/v1/market-data/stream"]
_KEEP_ALIVE_S = 15.0
_LOOK_S = 1.0
_BAD_REQUEST, _UNAUTHENTICATED, _SLOW, _TOO_MANY = 4400, 4401, 4408, 4429


class StreamServer:
    """Joins sockets to sessions, and knows how many there are."""

    def __init__(self, manager: MarketDataManager, ring: KeyRing) -> None:
        self._manager = manager
        self._ring = ring
        self._hub = manager.stream_manager.hub
        self._limits = manager.settings.stream
        self._room = Room(self._limits)
        self._stalled = Stalled(manager.clock, self._limits.write_timeout_s)
        self._rules = self._make_rules()
        self._looking: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()

    def start(self) -> None:
        """Begin to look for clients that read nothing."""
        self._looking = asyncio.create_task(self._look(), name="look for stalled clients")

    async def stop(self) -> None:
        """End the responses that have no end of their own; calling it twice is allowed."""
        self.closing.set()
        self._hub.flush()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await self._manager.clock.sleep(min(_LOOK_S, self._limits.write_timeout_s / 4))
            self._stalled.check(self._hub.connections)

    def _make_rules(self) -> SessionRules:
        manager = self._manager
        return SessionRules(
            server=f"tickloom {__version__}",
            clock=manager.clock,
            snapshot=manager.cache_manager.quotes.latest,
            known=manager.cache_manager.quotes.symbols,
            refuse=manager.stream_manager.refusal,
            troubles=manager.stream_manager.troubles,
            bring_bar=manager.stream_manager.bars.bring,
            authenticate=self._ring.user_of if self._ring.required else None,
            max_user_connections=self._limits.max_connections_per_user,
            max_symbols=self._limits.max_symbols,
            max_message_bytes=self._limits.max_message_bytes,
            messages_per_s=self._limits.messages_per_s,
            read_past=manager.writer.read_since if manager.settings.database.url else None,
        )

    async def serve(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Serve one WebSocket until either side ends it."""
        await socket.accept()
        try:
            form = _format(socket.query_params.get("format", WireFormat.JSON))
            with self._room.enter(_address_of(socket)):
                await self._serve(socket, form)
        except RequestError as error:
            code = _TOO_MANY if isinstance(error, TooManyConnections) else _BAD_REQUEST
            await _send(socket, WireFormat.JSON, _failure(error))
            await socket.close(code=code, reason=error.code)

    async def _serve(self, socket: WebSocket[Any, Any, Any], form: WireFormat) -> None:
        connection = self._connect(form)
        session = Session(self._hub, connection, self._rules, self._user_of(socket))
        extensions: dict[str, Any] = socket.scope.get("extensions") or {}
        outlet: Outlet | None = extensions.get(OUTLET)
        session.open()
        try:
            if outlet is not None:
                connection.use(outlet)
                await self._read(socket, session, connection)
            else:
                await self._read_and_write(socket, session, connection)
        finally:
            session.close()

    def _connect(self, form: WireFormat) -> Connection:
        return Connection(form, self._limits.buffer_bytes, clock=self._manager.clock)

    async def _read_and_write(
        self, socket: WebSocket[Any, Any, Any], session: Session, connection: Connection
    ) -> None:
        reader = asyncio.create_task(self._read(socket, session, connection), name="stream reader")
        writer = asyncio.create_task(self._write(socket, connection), name="stream writer")
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            for ended in await asyncio.gather(reader, writer, return_exceptions=True):
                _report(ended)

    async def _read(
        self, socket: WebSocket[Any, Any, Any], session: Session, connection: Connection
    ) -> None:
        deadline = self._limits.auth_timeout_s if session.needs_authentication else None
        try:
            async with asyncio.timeout(deadline) as limit:
                while (data := await _receive(socket)) is not None:
                    if not session.handle(data):
                        await socket.close(code=_TOO_MANY, reason="too many messages")
                        return
                    if not session.needs_authentication:
                        limit.reschedule(None)
                    await connection.caught_up()
        except TimeoutError:
            message = f"no authentication within {deadline:g} s"
            await _send(socket, connection.form, Failure(code=408, message=message))
            await socket.close(code=_UNAUTHENTICATED, reason="authentication timeout")

    async def _write(self, socket: WebSocket[Any, Any, Any], connection: Connection) -> None:
        try:
            while True:
                frames = await connection.take()
                async with asyncio.timeout(self._limits.write_timeout_s):
                    for frame in frames:
                        await _send_frame(socket, connection.form, frame)
        except TimeoutError:
            # The close frame waits behind what the client does not read.
            async with asyncio.timeout(1):
                await socket.close(code=_SLOW, reason="too slow")

    def check_servable(self, patterns: list[str]) -> None:
        """Refuse a list of symbols and patterns as a whole.

        Raises:
            TooManySymbols: There are more than ``stream.max_symbols``.
            UnknownSymbol: Nobody serves one of them.
        """
        if len(patterns) > self._limits.max_symbols:
            raise TooManySymbols(
                "too many symbols on this connection",
                found=verbatim(f"{len(patterns)} symbols"),
                expected=f"at most {self._limits.max_symbols}",
            )
        for pattern in patterns:
            if not is_glob(pattern):
                self._manager.router.candidates(pattern)

    def events(
        self, patterns: list[str], client: ASGIConnection[Any, Any, Any, Any], last_id: str
    ) -> AsyncIterator[bytes]:
        """Subscribe for Server-Sent Events and return the body.

        Args:
            patterns: Canonical.
            client: Who asks.
            last_id: The id of the last event that it has seen; empty = none.

        Raises:
            TooManyConnections: The server, the client's address or its user is full.
        """
        with ExitStack() as stack:
            stack.enter_context(self._room.enter(_address_of(client)))
            connection = self._connect(WireFormat.JSON)
            session = Session(self._hub, connection, self._rules, self._user_of(client))
            session.open()
            stack.callback(session.close)
            session.subscribe_after(patterns, *read_event_id(last_id))
            return self._events(connection, stack.pop_all())

    def _user_of(self, client: ASGIConnection[Any, Any, Any, Any]) -> str | None:
        return self._ring.user_of_headers(client.headers) if self._ring.required else None

    async def _events(self, connection: Connection, stack: ExitStack) -> AsyncIterator[bytes]:
        closing = asyncio.create_task(self.closing.wait(), name="stream events end")
        with stack:
            try:
                while not self.closing.is_set():
                    taking = asyncio.create_task(connection.take_messages(), name="stream events")
                    try:
                        await asyncio.wait(
                            {taking, closing},
                            timeout=_KEEP_ALIVE_S,
                            return_when=asyncio.FIRST_COMPLETED,
                        )
                        messages = taking.result() if taking.done() else []
                    finally:
                        taking.cancel()
                    yield write_events(messages, self._hub.epoch) or b": idle\n\n"
            finally:
                closing.cancel()


def stream_routes(server: StreamServer) -> list[WebsocketRouteHandler]:
    """Return the WebSocket route, the same one at all its paths."""

    @websocket(PATHS)
    async def stream(socket: WebSocket[Any, Any, Any]) -> None:
        await server.serve(socket)

    return [stream]


def event_routes(server: StreamServer) -> list[HTTPRouteHandler]:
    """Return the route of the Server-Sent Events."""

    @get(
        "/stream/sse",
        operation_id="streamEvents",
        summary="The stream as Server-Sent Events",
        description="Each event's data is one message of the stream protocol.",
        tags=["streaming"],
        media_type="text/event-stream",
        responses=may_fail(400, 404, 429),
    )
    async def events(
        symbols: Annotated[
            str, QueryParameter(description="Symbols and patterns with commas between: AAPL,SIM.*")
        ],
        request: Request[Any, Any, Any],
        last_event_id: Annotated[
            str,
            HeaderParameter(
                name="Last-Event-ID", description="Of the last event seen; browsers send it."
            ),
        ] = "",
    ) -> Stream:
        patterns = [parse_glob(text.strip()) for text in symbols.split(",")]
        server.check_servable(patterns)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Stream(
            server.events(patterns, request, last_event_id),
            media_type="text/event-stream; charset=utf-8",
            headers=headers,
        )

    return [events]


def _report(ended: object) -> None:
    # A client that leaves in the middle of a send is the client's affair; anything else is ours.
    if isinstance(ended, Exception) and not isinstance(ended, WebSocketDisconnect | OSError):
        logger.opt(exception=ended).error("a stream connection failed")


def _address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return connection.client.host if connection.client is not None else ""


def _format(text: str) -> WireFormat:
    try:
        return WireFormat(text)
    except ValueError:
        raise RequestError("unknown format", found=text, expected="json or msgpack") from None


def _failure(error: RequestError) -> Failure:
    return Failure(code=406 if isinstance(error, TooManyConnections) else 400, message=str(error))


async def _receive(socket: WebSocket[Any, Any, Any]) -> str | bytes | None:
    message = await socket.receive()
    if message["type"] != "websocket.receive":
        return None
    text = message.get("text")
    return text if text is not None else message.get("bytes", b"")


async def _send(socket: WebSocket[Any, Any, Any], form: WireFormat, message: object) -> None:
    await _send_frame(socket, form, form.encoded(message))


async def _send_frame(socket: WebSocket[Any, Any, Any], form: WireFormat, frame: bytes) -> None:
    if form is WireFormat.JSON:
        await socket.send({"type": "websocket.send", "bytes": None, "text": frame.decode()})
    else:
        await socket.send({"type": "websocket.send", "bytes": frame, "text": None})
