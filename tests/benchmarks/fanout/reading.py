"""Clients that read: ``python -m benchmarks.fanout.reading KIND PORT COUNT NOT_READING``.

A line comes out when all are connected, and one with the delays of stamped messages for each line
that comes in.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from typing import Any, ClassVar

import uvloop

from benchmarks.fanout.wire import STAMP, SYMBOL, masked, say, settle_on

TEXT, BINARY = 0x81, 0x82
PATHS = {"ours": "/ws", "nginx + nchan": "/sub"}
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
FIRST = {
    "ours": masked(TEXT, b'{"type":"subscribe","symbols":["%b"]}' % SYMBOL.encode()),
    "NATS": masked(BINARY, b'CONNECT {"verbose":true}\r\nSUB bench 1\r\n'),
}
STAMPS = re.compile(rb'"%b":(\d+)[,}]' % STAMP.encode())
TOGETHER = 100
SMALL_WINDOW = 4_096


class Reading(asyncio.BufferedProtocol):
    """Throws away what comes, into one buffer for all, and notes the delays."""

    buffer = bytearray(262_144)
    delays: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, _: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        now = time.monotonic_ns()
        self.answered.set()
        found = STAMPS.findall(self.buffer, 0, count)
        self.delays += [now - int(stamp) for stamp in found]

    def connection_lost(self, error: Exception | None) -> None:
        pass


async def open_client(kind: str, port: int, *, reads: bool) -> None:
    """Connect and subscribe."""
    loop = asyncio.get_running_loop()
    plain = socket.socket()
    if not reads:
        # Otherwise the system would read megabytes for it.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
    plain.setblocking(False)
    await loop.sock_connect(plain, ("127.0.0.1", port))
    transport, protocol = await loop.create_connection(Reading, sock=plain)
    if kind != "raw":
        transport.write(HANDSHAKE.format(path=PATHS.get(kind, "/")).encode())
        await protocol.answered.wait()
    if kind in FIRST:
        protocol.answered.clear()
        transport.write(FIRST[kind])
        await protocol.answered.wait()
    if not reads:
        transport.pause_reading()


async def main(kind: str, port: int, count: int, not_reading: int) -> None:
    """Open the clients and report until standard input ends."""
    settle_on(1)
    for begin in range(0, count, TOGETHER):
        places = range(begin, min(begin + TOGETHER, count))
        await asyncio.gather(
            *(open_client(kind, port, reads=place >= not_reading) for place in places)
        )
    say({"connected": count})
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        delays, Reading.delays[:] = sorted(Reading.delays), []
        say({"delays": len(delays), **{f"p{part}": at(delays, part) for part in (50, 99)}})


def at(delays: list[int], percent: int) -> float:
    """Return a percentile in milliseconds, 0 where there is none."""
    return delays[len(delays) * percent // 100] / 1e6 if delays else 0.0


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:])))
