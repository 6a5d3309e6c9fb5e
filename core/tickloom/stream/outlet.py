"""Where the frames of one client go, straight into its socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tickloom.stream.item import Item, WireFormat


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
        items: What was joined last.
        form: In which form.
        data: Their frames.
    """

    __slots__ = ("data", "form", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.form: WireFormat | None = None
        self.data = b""

    def join(self, items: list[Item], form: WireFormat) -> bytes:
        """Return the frames of ``items`` as one piece."""
        self.items, self.form = items.copy(), form
        if len(items) == 1:
            self.data = items[0].frame(form)
        else:
            self.data = b"".join([item.frame(form) for item in items])
        return self.data
