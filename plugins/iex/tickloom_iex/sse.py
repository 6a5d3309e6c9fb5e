"""Takes a stream of bytes apart into the events of Server-Sent Events.

The network cuts anywhere, in the middle of a line or of a line end, so nothing is looked at before
its line is whole. Source: the HTML standard, "Parsing an event stream".
"""

from __future__ import annotations

from tickloom.errors import ProviderUnavailable, verbatim

MAX_EVENT_BYTES = 1024 * 1024
"""Longest event; a snapshot of fifty quotes has about 80,000 bytes."""
_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Gives the data of each event once its blank line is there.

    Args:
        provider: Named in errors.
        max_bytes: Longest event.
    """

    def __init__(self, provider: str, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._provider = provider
        self._max_bytes = max_bytes
        self._tail: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._after_return = False
        self._first_line = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that end in ``piece``, in order; those without are not.

        Raises:
            ProviderUnavailable: An event is too long; the stream is of no more use.
        """
        if not piece:
            return []
        if self._after_return and piece.startswith(b"\n"):
            # The other half of a line end that was cut.
            piece = piece[1:]
            self._after_return = False
        if piece:
            self._after_return = piece.endswith(b"\r")
        *lines, rest = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        found = []
        for line in lines:
            self._grow(len(line) + 1)
            whole = b"".join((*self._tail, line))
            self._tail = []
            event = self._take(whole)
            if event is not None:
                found.append(event)
        self._grow(len(rest))
        if rest:
            self._tail.append(rest)
        return found

    def _grow(self, more: int) -> None:
        self._size += more
        if self._size > self._max_bytes:
            raise ProviderUnavailable(
                f"provider {self._provider} sent an endless event",
                found=verbatim(f"more than {self._max_bytes:,} bytes"),
            )

    def _take(self, line: bytes) -> bytes | None:
        if self._first_line:
            self._size -= len(_BOM) if line.startswith(_BOM) else 0
            line = line.removeprefix(_BOM)
            self._first_line = False
        if not line:
            data, self._data, self._size = self._data, [], 0
            return b"\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        else:
            # Comments keep a quiet stream alive, some without ever a blank line.
            self._size -= len(line) + 1
        return None
