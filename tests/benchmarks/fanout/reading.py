"""Clients that read and count: ``python reading.py PORT COUNT KIND`` until standard input ends."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from sending import SYMBOL

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(text: bytes) -> bytes:
    """Return a short text as a client's frame; a mask of zeros leaves it readable."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


class Reading(asyncio.BufferedProtocol):
    """Throws away what comes, into one buffer for all."""

    buffer = bytearray(262_144)

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    def get_buffer(self, _: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.answered.set()

    def connection_lost(self, error: Exception | None) -> None:
        pass


async def main(port: int, count: int, kind: str) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(count):
        transport, protocol = await loop.create_connection(Reading, "127.0.0.1", port)
        if kind != "raw":
            transport.write(HANDSHAKE)
            await protocol.answered.wait()
            message = b'{"type":"subscribe","symbols":["%b"]}' % SYMBOL.encode()
            transport.write(masked(message))
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
