"""Lets series of bars be inspected beside the event loop, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Any

from tickloom.errors import Unavailable, verbatim
from tickloom.model import HistoricalData
from tickloom.quality.series import SeriesInspector
from tickloom.roles import Finding

_PATIENCE_S = 30.0
_MOST_WAITING = 100
_LONGEST_S = 10.0
# The checks that come with tickloom need a twentieth of it.
_LONGEST_BAR_S = 0.0002


class Judge:
    """Gives every series its turn in a thread, first come, first served.

    Who hands one over waits for its turn, and so asks for less. Nothing goes by uninspected: where
    too many wait, or one has waited too long, it is refused, to be tried again. A check that gives
    no answer in time is left out from then on, and the others judge alone, as with one that raises.

    Args:
        inspector: Asks the checks.
        patience_s: How long a series waits for its turn, in seconds.
        most_waiting: Most series that wait.
        longest_s: How long all checks together may take, and 0.2 ms for each bar besides.
    """

    def __init__(
        self,
        inspector: SeriesInspector,
        patience_s: float = _PATIENCE_S,
        most_waiting: int = _MOST_WAITING,
        longest_s: float = _LONGEST_S,
    ) -> None:
        self.inspector = inspector
        self._patience_s = patience_s
        self._most_waiting = most_waiting
        self._longest_s = longest_s
        self._turn = asyncio.Lock()
        self._judging: asyncio.Task[list[Finding]] | None = None
        self.waiting = 0
        self.refused = 0

    async def findings(self, history: HistoricalData) -> list[Finding]:
        """Return what the checks find, oldest bar first.

        Raises:
            Unavailable: It did not get its turn.
        """
        if not self.inspector.checks or not history.data_points:
            return []
        await self._take_turn()
        # Who gives up waiting does not make the thread free: the turn ends with the task.
        self._judging = asyncio.create_task(self._judge(history), name="inspect a series")
        return await asyncio.shield(self._judging)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start, and how many series wait now."""
        return {**self.inspector.stats(), "waiting": self.waiting, "refused": self.refused}

    async def aclose(self) -> None:
        """Give up what is inspected now; may be called twice."""
        judging, self._judging = self._judging, None
        if judging is not None:
            judging.cancel()
            await asyncio.gather(judging, return_exceptions=True)

    async def _take_turn(self) -> None:
        if self.waiting < self._most_waiting:
            self.waiting += 1
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._turn.acquire()
            except TimeoutError:
                pass
            else:
                return
            finally:
                self.waiting -= 1
        self.refused += 1
        raise Unavailable(
            "the bars cannot be checked now, and unchecked they are not given away",
            found=verbatim(f"{self.waiting} other answers that wait"),
            retry_after_s=5.0,
        )

    async def _judge(self, history: HistoricalData) -> list[Finding]:
        limit_s = self._longest_s + _LONGEST_BAR_S * len(history.data_points)
        try:
            judging = _in_thread(self.inspector, history)
            while not judging.done():
                await asyncio.wait([judging], timeout=limit_s)
                if not judging.done() and self.inspector.leave_out():
                    judging = _in_thread(self.inspector, history)
            return list(judging.result())
        finally:
            self._turn.release()


def _in_thread(
    inspector: SeriesInspector, history: HistoricalData
) -> asyncio.Future[Sequence[Finding]]:
    """Begin to inspect; a check that hangs must not keep the process from its end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Sequence[Finding]] = loop.create_future()

    def settle(found: Sequence[Finding] | BaseException) -> None:
        if future.done():
            return
        if isinstance(found, BaseException):
            future.set_exception(found)
        else:
            future.set_result(found)

    def run() -> None:
        found: Sequence[Finding] | BaseException
        try:
            found = inspector.inspect(history)
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            found = error
        with suppress(RuntimeError):  # The loop may be closed by now.
            loop.call_soon_threadsafe(settle, found)

    Thread(target=run, name="tickloom-quality", daemon=True).start()
    return future
