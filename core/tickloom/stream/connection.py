"""One client of the stream: what it wants, what waits for it, and how it goes out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tickloom.clock import Clock
from tickloom.stream.backlog import Backlog, Waiting
from tickloom.stream.item import Item, WireFormat
from tickloom.stream.outlet import Joiner, Outlet
from tickloom.stream.pace import Pace
from tickloom.stream.protocol import Gap, ResumePoint
from tickloom.stream.tick import Tick
from tickloom.stream.wanted import Wanted

Message: TypeAlias = tuple[bytes, int | None]
"""An encoded message, and the position of its newest item; ``None`` = it has none."""

_MAX_CONTROLS = 64
_MAX_CONTROL_BYTES = 262_144
_MAX_HELD = 10_000


class Held:
    """What came of a symbol while its past is on the way; the oldest leave first."""

    __slots__ = ("items", "lost")

    def __init__(self) -> None:
        self.items: deque[Tick] = deque()
        self.lost = 0

    def put(self, item: Tick) -> None:
        """Keep the newest tick."""
        self.items.append(item)
        if len(self.items) > _MAX_HELD:
            self.items.popleft()
            self.lost += 1


class Connection:
    """What stands between the hub and one client.

    The hub appends items to ``pending`` and calls :meth:`flush`. From there they go into the
    client's outlet at once; where it takes no more, or there is none, they wait in a byte-bounded
    backlog, and whoever serves the client calls :meth:`take`.

    Args:
        form: How the client wants its messages.
        max_bytes: Most bytes of items that wait.
        batch: Items that go out together go as one array.
        clock: For intervals; ``None`` = the client may not ask for any.
    """

    __slots__ = (
        "_backlog", "_batch", "_clock", "_controls", "_direct", "_held", "_is_plain", "_outlet",
        "_pace", "_taken", "_unknown", "_wake", "_wanted", "delivered", "form", "pending", "user",
    )  # fmt: skip

    def __init__(
        self,
        form: WireFormat,
        max_bytes: int,
        *,
        batch: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.form = form
        self.user: str | None = None
        self.delivered = 0
        self.pending: list[Item] = []
        self._wanted = Wanted()
        self._batch = batch
        self._clock = clock
        self._is_plain = not batch
        # True while items need nothing but to be written.
        self._direct = False
        self._pace: Pace | None = None
        self._held: dict[str, Held] = {}
        # Where the client was in symbols of which nothing has come yet.
        self._unknown: dict[str, ResumePoint] = {}
        self._outlet: Outlet | None = None
        self._backlog = Backlog(form, max_bytes)
        self._controls: list[bytes] = []
        # Made by those who wait: most connections have an outlet and nobody ever does.
        self._wake: asyncio.Event | None = None
        self._taken: asyncio.Event | None = None

    @property
    def patterns(self) -> Wanted:
        """The symbols and patterns that the client wants; the hub changes them."""
        return self._wanted

    @property
    def waiting_bytes(self) -> int:
        """Bytes of items that wait for the client."""
        return self._backlog.waiting_bytes

    @property
    def dropped(self) -> int:
        """Items that were left out because the client was too slow."""
        return self._backlog.dropped

    @property
    def outlet(self) -> Outlet | None:
        """The client's socket, ``None`` where somebody calls :meth:`take`."""
        return self._outlet

    def use(self, outlet: Outlet) -> None:
        """Write to ``outlet`` from now on."""
        self._outlet = outlet
        outlet.on_writable = self._release
        self._release()

    def set_batch(self, *, batch: bool) -> None:
        """Send items that go out together as one array, or no longer."""
        self._batch = batch
        self.changed()

    def changed(self) -> None:
        """Take note that the wishes changed."""
        self._is_plain = (
            not self._batch and not self._held and not self._unknown and self._wanted.is_plain
        )
        self._settle()

    def end_waiting(self) -> None:
        """Send what was held back for an interval that is no longer asked for.

        To be called when the wishes were changed: what goes out from then on must not overtake it.
        """
        if self._pace is not None:
            for waiting in self._pace.keep(self._interval_of):
                self._backlog.put(*waiting)
            self._release()

    def resume_unknown(self, symbol: str, point: ResumePoint) -> None:
        """Tell what is missing with the next tick of a symbol, of which nothing is known yet."""
        self._absorb()
        self._unknown[symbol] = point
        self.changed()

    def _settle(self) -> None:
        self._direct = (
            self._is_plain and self._outlet is not None and not self._controls and not self._backlog
        )

    def wants(self, symbol: str) -> bool:
        """True where the client named the symbol, or a pattern that it fits."""
        return self._wanted.wish_for(symbol) is not None

    def offer(self, item: Item) -> None:
        """Take an item for this client alone; it goes out with the next flush."""
        self.pending.append(item)

    def replay(self, items: Sequence[Item]) -> None:
        """Send items of the past before those that come from now on; none of them is left out."""
        self._absorb()
        self._backlog.replay(items)
        self._release()

    def forget_quotes(self, symbol: str) -> None:
        """Remove what waits of the quotes of a symbol, because its past is about to come."""
        self._absorb()
        self._backlog.forget_key(symbol)
        self._unknown.pop(symbol, None)
        if self._pace is not None:
            self._pace.overtake(symbol)

    def hold(self, symbol: str) -> Held:
        """Keep what comes of a symbol until :meth:`release`; what waits of it is forgotten."""
        self.forget_quotes(symbol)
        held = self._held[symbol] = Held()
        self.changed()
        return held

    def is_holding(self, symbol: str, held: Held) -> bool:
        """True until :meth:`release`, or until it is held anew or no longer wanted."""
        self._absorb()
        return self._held.get(symbol) is held

    def release(self, symbol: str, held: Held, past: Sequence[Item]) -> None:
        """Send ``past`` and then what was kept of a symbol; nothing where that is no longer so.

        Where more came than is kept, the oldest of it are missing, and told.
        """
        if not self.is_holding(symbol, held):
            return
        del self._held[symbol]
        self._backlog.replay(past)
        if held.lost:
            self._backlog.tell(held.items[0].gap_before(held.lost), symbol)
        for item in held.items:
            self._backlog.put(item)
        self.changed()
        self._release()

    def send(self, message: Any) -> None:
        """Send an answer or notice; these go out before waiting items and are never left out.

        Their number is bounded by what the client asks: it is not read from while it is behind.
        """
        self._controls.append(self.form.encoded(message))
        self._release()

    async def caught_up(self) -> None:
        """Wait while more answers wait for the client than one that reads would let pile up."""
        while (
            len(self._controls) > _MAX_CONTROLS
            or sum(map(len, self._controls)) > _MAX_CONTROL_BYTES
        ):
            await self._next_take()

    async def past_taken(self) -> None:
        """Wait until the client has taken what was replayed."""
        while self._backlog.has_past:
            await self._next_take()

    async def _next_take(self) -> None:
        if self._taken is None:
            self._taken = asyncio.Event()
        self._taken.clear()
        await self._taken.wait()

    def flush(self, joiner: Joiner, items: Sequence[Item] = ()) -> None:
        """Send what is pending and then ``items``; never waits and never fails.

        Args:
            joiner: Makes the bytes, the same for all clients of a flush.
            items: The list of all clients for whom the same waits; not changed.
        """
        pending = self.pending
        if pending:
            pending += items
            items = pending
        elif not items:
            return
        outlet = self._outlet
        if self._direct and outlet is not None and outlet.writable:
            if items is joiner.items and self.form is joiner.form:
                outlet.write(joiner.data)
            else:
                outlet.write(joiner.join(items, self.form))
            self.delivered += len(items)
            pending.clear()
            return
        if items is not pending:
            pending += items
        self._absorb()
        self._release()

    def forget(self) -> None:
        """Remove waiting items and gaps of symbols that the client no longer wants."""
        self.pending[:] = [item for item in self.pending if self.wants(item.symbol)]
        self._backlog.forget(self.wants)
        self._held = {symbol: held for symbol, held in self._held.items() if self.wants(symbol)}
        self._unknown = {one: point for one, point in self._unknown.items() if self.wants(one)}
        self.end_waiting()
        self.changed()

    def close(self) -> None:
        """Let go of all that waits; calling it twice is allowed."""
        self.pending.clear()
        self._held.clear()
        self._backlog.forget(lambda _: False)
        if self._pace is not None:
            self._pace.close()
        if self._outlet is not None:
            self._outlet.on_writable = None

    async def take(self) -> list[bytes]:
        """Wait until something is there and return all of it, encoded, in the order to send."""
        return [data for data, _ in await self.take_messages()]

    async def take_messages(self) -> list[Message]:
        """Wait until something is there and return all of it in the order to send."""
        await self._until(lambda: bool(self._controls or self._backlog))
        return self._messages()

    async def take_items(self) -> list[Item]:
        """Wait for items and return them; for a listener in this process, which needs no bytes."""
        items: list[Item] = []
        while not items:
            await self._until(lambda: bool(self._backlog))
            self._controls.clear()
            items = [one[0] for one in self._backlog.take() if not isinstance(one, Gap)]
            self.delivered += len(items)
        return items

    async def _until(self, is_there: Callable[[], bool]) -> None:
        self._absorb()
        while not is_there():
            if self._wake is None:
                self._wake = asyncio.Event()
            self._wake.clear()
            await self._wake.wait()
            self._absorb()

    def _absorb(self) -> None:
        items = self.pending
        if self._is_plain:
            for item in items:
                self._backlog.put(item)
        else:
            for item in items:
                self._take_at_its_pace(item)
        items.clear()

    def _take_at_its_pace(self, item: Item) -> None:
        if item.symbol in self._held and isinstance(item, Tick):
            self._held[item.symbol].put(item)
            return
        if item.key in self._unknown and isinstance(item, Tick) and not self._has_news(item):
            return
        wish = self._wanted.wish_for(item.symbol)
        waiting: Waiting | None = (item, 0)
        if wish is not None and wish.interval_s and item.is_conflatable:
            if self._pace is None:
                assert self._clock is not None  # noqa: S101 - whoever takes wishes gives a clock
                self._pace = Pace(self._clock, self._pace_is_due)
            waiting = self._pace.put(item, wish.interval_s)
        elif self._pace is not None:
            waiting = (item, self._pace.overtake(item.key))
        if waiting is not None:
            self._backlog.put(*waiting)

    def _has_news(self, tick: Tick) -> bool:
        point = self._unknown[tick.symbol]
        seen = point.sequence if point.epoch == tick.epoch else 0
        if tick.sequence <= seen:
            return False
        del self._unknown[tick.symbol]
        self.changed()
        missing = tick.sequence - 1 - seen - tick.missing
        if missing > 0:
            self._backlog.tell(tick.gap_before(missing), tick.key)
        return True

    def _pace_is_due(self) -> None:
        assert self._pace is not None  # noqa: S101 - it calls this
        for waiting in self._pace.take(self._interval_of):
            self._backlog.put(*waiting)
        self._release()

    def _interval_of(self, symbol: str) -> float | None:
        wish = self._wanted.wish_for(symbol)
        return wish.interval_s if wish is not None else None

    def _release(self) -> None:
        outlet = self._outlet
        if outlet is None:
            if self._wake is not None:
                self._wake.set()
            return
        form = self.form
        # By pieces, so that what the socket does not take stays here, where it is bounded.
        while outlet.writable and (self._controls or self._backlog):
            outlet.write(b"".join([form.framed(data) for data, _ in self._messages()]))
        self._settle()

    def _messages(self) -> list[Message]:
        messages: list[Message] = [(data, None) for data in self._controls]
        self._controls.clear()
        if self._taken is not None:
            self._taken.set()
        items: list[Message] = []
        for one in self._backlog.take():
            if isinstance(one, Gap):
                items.append((self.form.encoded(one), None))
            else:
                self.delivered += 1
                items.append((self._encoded(*one), one[0].position))
        if self._batch and items:
            positions = [position for _, position in items if position is not None]
            array = self.form.joined([data for data, _ in items])
            items = [(array, max(positions, default=None))]
        return messages + items

    def _encoded(self, item: Item, skipped: int) -> bytes:
        wish = None if self._is_plain else self._wanted.wish_for(item.symbol)
        fields = wish.fields if wish is not None and isinstance(item, Tick) else None
        return item.encoded(self.form, skipped, fields)
