"""A server and its clients, each in a process of its own, and what is measured with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

TESTS = Path(__file__).resolve().parents[2]
LIMIT_S = 60


class Worker:
    """A process that obeys commands.

    Args:
        args: Its module and what follows.
    """

    def __init__(self, *args: str) -> None:
        path = os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))
        self._process = subprocess.Popen(
            [sys.executable, "-m", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        self.first = self._read()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Let it do something and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """Let it go, and end it where it does not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(LIMIT_S / 6)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Fan:
    """A server of ours or the raw one, with clients.

    Args:
        server: The server's process.
        clients: The clients' process.
        count: How many there are.
    """

    def __init__(self, server: Worker, clients: Worker, count: int) -> None:
        self._server = server
        self._clients = clients
        self._count = count

    def cost_us(self, messages: int, burst: int) -> float:
        """Return the microseconds of CPU for each message delivered."""
        answer = self._ask(do="burst", messages=messages, burst=burst, pause_s=0.001)
        return float(answer["cpu_s"] / answer["deliveries"] * 1e6)

    def delays_ms(self, rate: float, seconds: float) -> dict[str, float]:
        """Return ``p50`` and ``p99`` of messages, each sent to all, at ``rate`` a second."""
        self._clients.ask()
        self._ask(do="pace", rate=rate, seconds=seconds)
        return self._clients.ask()

    def fill(self, sockets: int) -> None:
        """Send until those who do not read take no more."""
        self._ask(do="fill", sockets=sockets)

    def resident_bytes(self) -> int:
        """Return the server's memory."""
        return int(self._ask(do="memory")["resident_bytes"])

    def _ask(self, **command: Any) -> dict[str, Any]:
        return self._server.ask(clients=self._count, **command)


@contextmanager
def serving(kind: str, *options: str) -> Iterator[Worker]:
    """Run a server without clients."""
    server = Worker("benchmarks.fanout.sending", kind, *options)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def reading(kind: str, port: int, count: int, not_reading: int = 0) -> Iterator[Worker]:
    """Run clients of a server."""
    numbers = map(str, (port, count, not_reading))
    clients = Worker("benchmarks.fanout.reading", kind, *numbers)
    try:
        yield clients
    finally:
        clients.end()


@contextmanager
def fan(kind: str, count: int, not_reading: int = 0) -> Iterator[Fan]:
    """Run a server and its clients."""
    with (
        serving(kind) as server,
        reading(kind, server.first["port"], count, not_reading) as clients,
    ):
        yield Fan(server, clients, count)


class Line(Struct, frozen=True):
    """A line of the table.

    Attributes:
        what: What was measured.
        ours: Its figure with the unit.
        beside: The figure that it is compared with.
        ratio: The median of the ratios of pairs; ``None`` = there is nothing to compare with.
        wanted: What it has to reach.
    """

    what: str
    ours: str
    beside: str = ""
    ratio: float | None = None
    wanted: str = ""


def paired(what: str, unit: str, pairs: list[tuple[float, float]], wanted: str = "") -> Line:
    """Return the line of figures that were taken in turns, ours first."""
    ours, beside = (median(side) for side in zip(*pairs, strict=True))
    ratio = median(one / other for one, other in pairs)
    return Line(what, f"{ours:.3g} {unit}", f"{beside:.3g} {unit}", ratio, wanted)
