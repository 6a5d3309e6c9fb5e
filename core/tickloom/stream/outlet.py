"""Where the frames of one client go, straight into its socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from tickloom.stream.item import Item, WireFormat

# Few kinds of clients are common, and comparing with many would cost more than joining.
_REMEMBERED = 8


class Outlet(Protocol):
    """A socket that takes ready frames.

    Attributes:
        writable: False while the socket holds as much as it should, and once it is closed.
        on_writable: Called when that ends.
        write: Sends frames. Called for every client at every tick, so it is the socket's own.
    """

    writable: bool
    on_writable: Callable[[], object] | None
    write: Callable[[bytes], None]

    def unsent_bytes(self) -> int:
        """Return how much the peer has not taken yet."""
        ...

    def abort(self) -> None:
        """Cut the connection off without waiting for anything to be sent."""
        ...


class Joiner:
    """Joins the frames of a flush, once for all clients for whom the same waits.

    Attributes:
        items: What was joined last; ``None`` where another list with the same may follow.
        form: In which form.
        data: Their frames.
    """

    __slots__ = ("_known", "data", "form", "items")

    def __init__(self) -> None:
        self.items: Sequence[Item] | None = None
        self.form: WireFormat | None = None
        self.data = b""
        self._known: deque[tuple[Sequence[Item], WireFormat, bytes]] = deque(maxlen=_REMEMBERED)

    def join(self, items: Sequence[Item], form: WireFormat) -> bytes:
        """Return the frames of ``items`` as one piece."""
        for known in self._known:
            if known[1] is form and known[0] == items:
                break
        else:
            frames = [item.frame(form) for item in items]
            known = (list(items), form, frames[0] if len(frames) == 1 else b"".join(frames))
            self._known.appendleft(known)
        self.items, self.form, self.data = items, form, known[2]
        return self.data
