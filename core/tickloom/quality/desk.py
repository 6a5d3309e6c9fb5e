"""All of quality that is not on the hot path, as one thing with one life."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from tickloom.clock import Clock
from tickloom.quality.books import Books, previous_hours
from tickloom.quality.comparing import Comparer, Told
from tickloom.quality.gate import SeriesGate
from tickloom.quality.inspector import Inspector
from tickloom.quality.quarantine import Quarantine
from tickloom.store.quality_rows import HourScore

_LOOK_S = 5.0
_BURST = 3
_CALM_S = 300.0


class QualityDesk:
    """Quarantine, events, comparison and scores.

    Args:
        books: Owned from now on.
        inspector: Judges quotes.
        gate: Judges answers for history; owned from now on.
        comparer: Compares providers; owned from now on.
        quarantine: What was kept back.
        alerts: Hear of providers that give bad data.
        clock: For times.
    """

    def __init__(
        self,
        books: Books,
        inspector: Inspector,
        gate: SeriesGate,
        comparer: Comparer,
        quarantine: Quarantine,
        alerts: Told,
        clock: Clock,
    ) -> None:
        self._books = books
        self._inspector = inspector
        self.gate = gate
        self.scores = books.scores
        self.comparer = comparer
        self.quarantine = quarantine
        self._alerts = alerts
        self._clock = clock
        self._bursts: dict[str, tuple[int, float]] = {}
        self._seen = 0
        self._left_out = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write and to compare; calling it twice is allowed."""
        if self._task is None:
            self._books.keeper.start()
            self.comparer.start()
            self._task = asyncio.create_task(self._watch(), name="watch the quality")

    async def past_scores(
        self, hours: int, symbol: str | None, provider: str | None, most: int
    ) -> list[HourScore]:
        """Return stored scores of the last ``hours``, newest hour first.

        Raises:
            StoreUnavailable: The database is away.
        """
        since = previous_hours(self._clock.now(), hours)
        return await self._books.store.scores(since, symbol, provider, most)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start: of quotes, series, the quarantine and comparisons."""
        return {
            **self._inspector.stats(),
            "series": self.gate.stats(),
            "quarantine": {
                **self._books.keeper.stats(),
                "released": self.quarantine.released,
                "decided_as_dropped": self.quarantine.dropped,
            },
            "comparison": self.comparer.stats(),
            "scores": self.scores.by_provider(),
        }

    async def aclose(self) -> None:
        """Write what is left and let go of the database; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._books.store.aclose)
            stack.push_async_callback(self._books.keeper.aclose)
            stack.push_async_callback(self.gate.aclose)
            stack.push_async_callback(self.comparer.aclose)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(_LOOK_S)
            self._look()
            self._look_at_checks()
            self.comparer.look()

    def _look_at_checks(self) -> None:
        left_out = self.gate.judge.inspector.left_out
        for name in left_out[self._left_out :]:
            reason = f"series validator {name} gives no answer and is left out until the next start"
            self._alerts.begin(f"left-out {name}", reason)
        self._left_out = len(left_out)

    def _look(self) -> None:
        """Tell of providers whose quotes are quarantined again and again, until they stop."""
        now_s = self._clock.monotonic()
        new = self._inspector.quarantined - self._seen
        self._seen = self._inspector.quarantined
        recent = list(self._inspector.recent)[-new:] if new else []
        for one in recent:
            name = one.quote.provider
            count, _ = self._bursts.get(name, (0, now_s))
            self._bursts[name] = (count + 1, now_s)
            if count + 1 >= _BURST:
                reason = f"quotes of {name} are quarantined, the last as {one.code}: {one.reason}"
                self._alerts.begin(f"bad-data {name}", reason, [one.quote.symbol], name)
        for name, (_, last_s) in list(self._bursts.items()):
            if now_s - last_s >= _CALM_S:
                del self._bursts[name]
                self._alerts.end(f"bad-data {name}")
