"""Opening a connection: handshake, greeting, authentication, and what can go wrong."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tickloom import __version__
from tickloom.client.messages import Message, Reader
from tickloom.client.target import Target
from tickloom.errors import (
    NotAllowed,
    NotAuthenticated,
    RequestError,
    ServerUnavailable,
    TickloomError,
    TooManyConnections,
    UnknownMessage,
)
from tickloom.stream.protocol import PROTOCOL_VERSION, Auth, Authenticated, Failure, Welcome

OPEN_LIMIT_S = 10.0
"""Longest wait for a handshake, for a greeting, and for the answer to a key, each."""
# Where we do not read any more, the other side's answer to our goodbye waits behind the prices.
_CLOSE_LIMIT_S = 1.0
_MAX_BYTES = 16 * 1_048_576
# While a user is behind, the server may not read either, and what we say must still find room.
_WRITE_BYTES = 8 * 1_048_576
_UNAUTHENTICATED, _FORBIDDEN = 401, 403
_TOO_MANY = 406
# Codes with which the server closes because of us; the same try would end in the same way.
_OUR_FAULT = {4400: RequestError, 4401: NotAuthenticated, 4403: NotAllowed}


class NotGreeted(TickloomError):
    """The server took the connection and then said something else than a greeting."""


@asynccontextmanager
async def dial(target: Target) -> AsyncIterator[tuple[ClientConnection, Message, Welcome]]:
    """Connect, and yield the socket with the greeting, authenticated.

    Raises:
        OSError, WebSocketException: The connection failed.
        NotAuthenticated: The server wants a key, or another one.
        UnknownMessage: The server speaks another version.
        TooManyConnections: The server takes no more for now.
        NotGreeted: Something else came first.
    """
    key = target.key if target.authentication == "header" else None
    async with connect(
        target.stream,
        additional_headers={"X-API-Key": key} if key else None,
        user_agent_header=f"tickloom/{__version__}",
        compression=None,
        open_timeout=OPEN_LIMIT_S,
        # Its own pings count a server as dead whose answers we leave unread.
        ping_interval=None,
        close_timeout=_CLOSE_LIMIT_S,
        max_size=_MAX_BYTES,
        write_limit=_WRITE_BYTES,
        proxy=None if target.is_local else True,
    ) as socket:
        reader = Reader(target.wire, partial=False)
        greeting = await _hear(socket, reader)
        welcome = _check_greeting(greeting, target)
        if welcome.auth_required:
            await _authenticate(socket, reader, target)
        yield socket, greeting, welcome


async def _hear(socket: ClientConnection, reader: Reader) -> Message:
    async with asyncio.timeout(OPEN_LIMIT_S):
        frame = await socket.recv(decode=False)
    # A refusal comes as JSON, whatever was asked for.
    if frame[:1] == b"{":
        reader = Reader("json", partial=False)
    return next(reader.read(frame))


def _check_greeting(greeting: Message, target: Target) -> Welcome:
    body = greeting.body
    if isinstance(body, Welcome) and body.version == PROTOCOL_VERSION:
        return body
    if isinstance(body, Failure) and body.code == _TOO_MANY:
        raise TooManyConnections(f"the server at {target.stream} refuses: {body.message}")
    if isinstance(body, Welcome):
        raise UnknownMessage(
            f"the server at {target.stream} speaks another version",
            found=body.version,
            expected=f"version {PROTOCOL_VERSION} of tickloom's stream protocol",
        )
    raise NotGreeted(
        f"the server at {target.stream} speaks another protocol",
        expected=f"tickloom's stream protocol, version {PROTOCOL_VERSION}",
    )


async def _authenticate(socket: ClientConnection, reader: Reader, target: Target) -> None:
    if target.key is None:
        raise NotAuthenticated(
            f"the server at {target.stream} wants a key", fix="Give one as api_key."
        )
    await socket.send(msgspec.json.encode(Auth(token=target.key)).decode())
    while True:
        body = (await _hear(socket, reader)).body
        if isinstance(body, Authenticated):
            return
        if isinstance(body, Failure) and body.code == _TOO_MANY:
            raise TooManyConnections(f"the server at {target.stream} refuses: {body.message}")
        if isinstance(body, Failure):
            raise NotAuthenticated(f"the server at {target.stream} does not know the key")


def final_error(error: Exception, target: Target) -> TickloomError | None:
    """Return the error that another attempt would end with too; ``None`` = it may succeed."""
    if isinstance(error, TickloomError):
        return None if isinstance(error, NotGreeted | TooManyConnections) else error
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status == _UNAUTHENTICATED:
            known = "does not know the key" if target.key else "wants a key"
            return NotAuthenticated(f"the server at {target.stream} {known}")
        if status == _FORBIDDEN:
            return NotAllowed(f"the server at {target.stream} refuses: HTTP status {status}")
    kind = _OUR_FAULT.get(close_code(error) or 0)
    return kind(f"the server closed the connection: {reason_of(error)}") if kind else None


def first_error(error: Exception, target: Target) -> TickloomError:
    """Return what a caller is told where the first attempt failed."""
    final = final_error(error, target)
    if final is not None:
        return final
    if isinstance(error, NotGreeted):
        return UnknownMessage(error.message, expected=error.expected)
    if isinstance(error, TickloomError):
        return error
    return ServerUnavailable(
        f"no tickloom server answers at {target.stream} ({reason_of(error)})",
        fix="Start one with tickloom serve, or give the address of another.",
    )


def close_code(error: Exception) -> int | None:
    """Return the code with which the server closed, ``None`` where it sent none."""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return error.rcvd.code
    return None


def reason_of(error: Exception) -> str:
    """Return why there is no connection, for people."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, InvalidStatus):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return f"closed with {error.rcvd.code} {error.rcvd.reason}".rstrip()
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
