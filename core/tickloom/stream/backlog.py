"""What waits for a client that does not keep up, bounded by bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from tickloom.stream.item import Item, WireFormat
from tickloom.stream.protocol import Gap

Waiting: TypeAlias = tuple[Item, int]
"""An item, and how many of the same key before it the client did without for its interval."""

PIECE_BYTES = 65_536
"""About how much is taken at a time."""
_ITEM_OVERHEAD = 64


class Backlog:
    """All items in order while they fit; after that the newest of each key, and what is missing.

    Args:
        form: What the client reads; sizes are those of the encoded messages.
        max_bytes: Most bytes that wait.
    """

    __slots__ = (
        "_form", "_gaps", "_items", "_max_bytes", "_newest", "_past", "dropped", "waiting_bytes",
    )  # fmt: skip

    def __init__(self, form: WireFormat, max_bytes: int) -> None:
        self._form = form
        self._max_bytes = max_bytes
        # Made when something waits: an empty deque takes 700 bytes, and most clients keep up.
        self._past: deque[Item] | tuple[()] = ()
        self._items: deque[Waiting] | tuple[()] = ()
        self._newest: dict[str, Waiting] = {}
        self._gaps: dict[str, Gap] = {}
        self.waiting_bytes = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._items or self._newest or self._past or self._gaps)

    def put(self, item: Item, skipped: int = 0) -> None:
        """Take an item that cannot go out now."""
        if self._newest:
            self._replace((item, skipped))
            return
        if not self._items:
            self._items = deque()
        self._items.append((item, skipped))
        self.waiting_bytes += self._size(item)
        if self.waiting_bytes > self._max_bytes:
            # From here until all of it is taken, each key has one place.
            waiting, self._items, self.waiting_bytes = self._items, (), 0
            for one in waiting:
                self._replace(one)

    def replay(self, items: Iterable[Item]) -> None:
        """Take items of the past, which others hold too: they do not count, and none is left out.

        They go out before everything else.
        """
        past = (*self._past, *items)
        self._past = deque(past) if past else ()

    def tell(self, gap: Gap, key: str) -> None:
        """Tell a hole before the next item of a key that is not of the past."""
        self._gaps[key] = gap

    def take(self) -> list[Gap | Waiting]:
        """Return about :data:`PIECE_BYTES` in the order to send: a gap before what follows it."""
        found: list[Gap | Waiting] = []
        taken = 0
        while taken < PIECE_BYTES and (waiting := self._next()) is not None:
            found += waiting
            taken += self._size(waiting[-1][0])
        if not (self._items or self._newest or self._past):
            found.extend(self._gaps.values())
            self._gaps.clear()
            self._items = self._past = ()
        return found

    def _next(self) -> tuple[Waiting] | tuple[Gap, Waiting] | None:
        if self._past:
            return ((self._past.popleft(), 0),)
        if self._newest:
            waiting = self._newest.pop(next(iter(self._newest)))
        elif self._items:
            waiting = self._items.popleft()
        else:
            return None
        item, skipped = waiting
        self.waiting_bytes -= self._size(item)
        gap = self._gaps.pop(item.key, None) if self._gaps else None
        lost = item.missing + (gap.dropped if gap is not None else 0)
        return (item.gap_before(lost + skipped), (item, 0)) if lost else (waiting,)

    def forget(self, wants: Callable[[str], bool]) -> None:
        """Remove what is about symbols that the client no longer wants."""
        self._past = deque(item for item in self._past if wants(item.symbol))
        self._items = deque(one for one in self._items if wants(one[0].symbol))
        self._newest = {key: one for key, one in self._newest.items() if wants(one[0].symbol)}
        self._gaps = {key: gap for key, gap in self._gaps.items() if wants(gap.symbol)}
        self._count_anew()

    def forget_key(self, key: str) -> None:
        """Remove what waits of one key, because its past is about to come."""
        self._past = deque(item for item in self._past if item.key != key)
        self._items = deque(one for one in self._items if one[0].key != key)
        self._newest.pop(key, None)
        self._gaps.pop(key, None)
        self._count_anew()

    @property
    def has_past(self) -> bool:
        """True while items of :meth:`replay` wait."""
        return bool(self._past)

    def _count_anew(self) -> None:
        kept = (*self._items, *self._newest.values())
        self.waiting_bytes = sum(self._size(item) for item, _ in kept)

    def _size(self, item: Item) -> int:
        return len(item.frame(self._form)) + _ITEM_OVERHEAD

    def _replace(self, waiting: Waiting) -> None:
        newest = self._newest
        old = newest.pop(waiting[0].key, None)
        if old is not None:
            self._drop(old)
        newest[waiting[0].key] = waiting
        self.waiting_bytes += self._size(waiting[0])
        # Many keys may not fit even with one item each.
        while self.waiting_bytes > self._max_bytes and len(newest) > 1:
            self._drop(newest.pop(next(iter(newest))))

    def _drop(self, waiting: Waiting) -> None:
        item, skipped = waiting
        self.waiting_bytes -= self._size(item)
        earlier = self._gaps.get(item.key)
        self._gaps[item.key] = item.gap(
            1 + skipped + item.missing + (earlier.dropped if earlier else 0)
        )
        self.dropped += 1
