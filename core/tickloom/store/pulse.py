"""Whether the database answers, without making anybody wait for one that does not."""

from __future__ import annotations

import asyncio
from typing import Any

from tickloom.clock import Clock
from tickloom.errors import ConfigError, StoreUnavailable, TickloomError, verbatim
from tickloom.store.backend import Backend
from tickloom.store.progress import within

_WAIT_S = 0.7
# A question that takes longer is taken for an outage.
_STUCK_S = 5.0


class Pulse:
    """Asks the database, one question at a time.

    Who wants to know waits 0.7 s at most. Where the answer is not there by then, what was answered
    last holds, for the first five seconds.

    Args:
        backend: Is asked; not owned.
        clock: For ages and limits.
    """

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._asking: asyncio.Task[None] | None = None
        self._asked_s = 0.0
        self._version: str | None = None
        # Before the first answer nothing is known.
        self._failure: Exception | None = self._silent(0.0)

    async def report(self, failure: Exception | None, *, is_losing: bool) -> dict[str, Any]:
        """Return status, backend, URL, schema version and, if bad, a reason.

        Args:
            failure: What is known to be wrong; ``None`` = nothing, and the database is asked.
            is_losing: Whether there is no room for more rows.
        """
        report: dict[str, Any] = {
            "status": "healthy",
            "backend": self._backend.name,
            "url": self._backend.url,
            "schema_version": None,
        }
        if failure is None:
            failure = await self._ask()
            report["schema_version"] = self._version if failure is None else None
        if failure is not None:
            is_lasting = isinstance(failure, ConfigError) or is_losing
            report["status"] = "unhealthy" if is_lasting else "degraded"
            report["reason"] = str(failure)
        return report

    async def aclose(self) -> None:
        """Give up what is asked now; may be called twice."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask(self) -> Exception | None:
        asking = self._asking
        if asking is None or asking.done():
            self._asked_s = self._clock.monotonic()
            asking = self._asking = asyncio.create_task(self._ping(), name="ask the database")
        await within(self._clock, _WAIT_S, asyncio.wait([asking]))
        since_s = self._clock.monotonic() - self._asked_s
        if not asking.done() and self._failure is None and since_s >= _STUCK_S:
            return self._silent(since_s)
        return self._failure

    async def _ping(self) -> None:
        try:
            self._version = await self._backend.ping()
        except TickloomError as error:
            self._failure = error
        else:
            self._failure = None

    def _silent(self, since_s: float) -> StoreUnavailable:
        return StoreUnavailable(
            f"the database at {self._backend.url} does not answer",
            found=verbatim(f"no answer for {max(since_s, _WAIT_S):.1f} s"),
        )


def takes_nothing(url: str, since_s: float) -> StoreUnavailable:
    """Return what is wrong where a write has had no answer for ``since_s`` seconds."""
    return StoreUnavailable(
        f"the database at {url} takes no rows",
        found=verbatim(f"a write without an answer for {since_s:.0f} s"),
        fix="Look for who holds a lock on its tables.",
    )
