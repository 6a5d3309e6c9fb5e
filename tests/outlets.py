"""A socket that a test fills and empties."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class FakeOutlet:
    """Takes frames until it is told to be full."""

    def __init__(self) -> None:
        self.writable = True
        self.on_writable: Callable[[], object] | None = None
        self.writes: list[bytes] = []
        self.unsent = 0
        self.aborted = False

    def write(self, frames: bytes) -> None:
        self.writes.append(frames)

    def unsent_bytes(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True

    def drain(self) -> None:
        """Let the peer read all of it."""
        self.writable = True
        if self.on_writable is not None:
            self.on_writable()

    def messages(self) -> list[Any]:
        """Return the messages written so far, and forget them."""
        data, self.writes = b"".join(self.writes), []
        found = []
        while data:
            size, begin = data[1], 2
            if size == 126:
                size, begin = int.from_bytes(data[2:4]), 4
            elif size == 127:
                size, begin = int.from_bytes(data[2:10]), 10
            found.append(json.loads(data[begin : begin + size]))
            data = data[begin + size :]
        return found
