"""Holds quotes back for a client that wants few of them: the newest at every interval."""

from __future__ import annotations

from collections.abc import Callable

from tickloom.clock import Cancellable, Clock
from tickloom.stream.backlog import Waiting
from tickloom.stream.item import Item


class Pace:
    """The newest item of each key that is not due yet, and how many it replaced.

    An item goes out at once where its key has been quiet for the interval; otherwise the newest of
    the interval goes out at its end.

    Args:
        clock: Counts the intervals.
        due: Called when items that were held are due.
    """

    def __init__(self, clock: Clock, due: Callable[[], object]) -> None:
        self._clock = clock
        self._due = due
        self._next_s: dict[str, float] = {}
        self._held: dict[str, Waiting] = {}
        self._timer: Cancellable | None = None

    def put(self, item: Item, interval_s: float) -> Waiting | None:
        """Return the item where it is due, ``None`` where it is held."""
        now_s = self._clock.monotonic()
        if self._next_s.get(item.key, 0.0) <= now_s:
            self._next_s[item.key] = now_s + interval_s
            # The timer may be late; what it would bring is then overtaken.
            return item, self.overtake(item.key)
        held = self._held.pop(item.key, None)
        self._held[item.key] = (item, _left_out(held))
        if self._timer is None:
            self._wait(now_s)
        return None

    def overtake(self, key: str) -> int:
        """Drop what is held of a key because something newer goes out; return how many it was."""
        held = self._held.pop(key, None)
        return _left_out(held)

    def keep(self, interval_of: Callable[[str], float | None]) -> list[Waiting]:
        """Forget what is no longer wanted, and return what no longer has to wait.

        Args:
            interval_of: Of a symbol; ``None`` where it is not wanted.
        """
        found = []
        for key, waiting in list(self._held.items()):
            interval_s = interval_of(waiting[0].symbol)
            if not interval_s:
                del self._held[key]
            if interval_s == 0:
                found.append(waiting)
        return found

    def take(self, interval_of: Callable[[str], float | None]) -> list[Waiting]:
        """Return what is due now.

        Args:
            interval_of: Of a symbol; ``None`` where it is no longer wanted.
        """
        now_s = self._clock.monotonic()
        due = [key for key in self._held if self._next_s[key] <= now_s]
        found = []
        for key in due:
            waiting = self._held.pop(key)
            interval_s = interval_of(waiting[0].symbol)
            if interval_s is not None:
                self._next_s[key] = now_s + interval_s
                found.append(waiting)
        self._next_s = {
            key: next_s
            for key, next_s in self._next_s.items()
            if next_s > now_s or key in self._held
        }
        self._wait(now_s)
        return found

    def close(self) -> None:
        """Forget all of it."""
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, now_s: float) -> None:
        self._timer = None
        if self._held:
            first_s = min(self._next_s[key] for key in self._held)
            self._timer = self._clock.call_later(first_s - now_s, self._due)


def _left_out(held: Waiting | None) -> int:
    return held[1] + 1 + held[0].missing if held is not None else 0
