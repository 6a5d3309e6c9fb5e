"""What the servers and the clients of the fan-out benchmark have in common."""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

SYMBOL = "SIM.BENCH"
STAMP = "volume"
"""The field that carries the time of sending, in nanoseconds of the machine's monotonic clock."""


def say(message: dict[str, Any]) -> None:
    """Answer the process that drives the benchmark."""
    print(json.dumps(message), flush=True)  # noqa: T201 - that is a script's output


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a short payload as a client's frame; a mask of zeros leaves it readable."""
    size = len(payload)
    head = bytes((opcode, 0x80 | size)) if size < 126 else bytes((opcode, 0xFE)) + size.to_bytes(2)
    return head + bytes(4) + payload


def settle_on(core: int) -> None:
    """Run on one core of the machine, where it has more, and open as many files as allowed."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def cpu_s_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used; the system counts them by hundredths."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - no path to keep
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def commands() -> Any:
    """Yield the commands that come in, one JSON object a line."""
    for line in iter(sys.stdin.readline, ""):
        yield json.loads(line)
