"""How often one provider may be asked."""

from __future__ import annotations

from typing import Protocol

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from tickloom.clock import Clock
from tickloom.errors import RateLimited
from tickloom.roles import Budget

_MS = 1_000
_PERIODS_S = {"per_second": 1, "per_minute": 60, "per_day": 86_400}
# Background polls leave a fifth of a budget for questions that somebody waits for.
_POLLED_SHARE = 0.8


class SharedPlaces(Protocol):
    """The places that replicas take from together."""

    async def take(self) -> float:
        """Take a place and return 0, or return the seconds until one may be free."""
        ...


class RequestBudget:
    """Lets requests through at the rates of a :class:`~tickloom.roles.Budget`.

    The bucket's own limiter would use threads and the machine's clock; here it is asked directly.

    Args:
        provider: Named in errors.
        budget: The rates; without any every request passes.
        clock: Counts the time.
        shared: Asked before our own places; ``None`` = nobody shares the budget.
    """

    def __init__(
        self, provider: str, budget: Budget, clock: Clock, shared: SharedPlaces | None = None
    ) -> None:
        self._provider = provider
        self._clock = clock
        rates = make_rates(budget)
        self._bucket = InMemoryBucket(rates) if rates else None
        self._shared = shared if rates else None
        self.poll_gap_s = max((_gap_s(rate) for rate in rates), default=0.0)
        """Seconds between polls that spread them evenly over the budget; 0 = no limit."""

    async def take(self, max_wait_s: float) -> None:
        """Wait for a place.

        Raises:
            RateLimited: There is none within ``max_wait_s`` seconds.
        """
        if self._bucket is None:
            return
        deadline_s = self._clock.monotonic() + max_wait_s
        # The shared places first: one of our own that is taken in vain would be missing later.
        while self._shared is not None and (wait_s := await self._shared.take()):
            await self._wait(wait_s, deadline_s)
        while wait_s := self._take_own(self._bucket):
            await self._wait(wait_s, deadline_s)

    def _take_own(self, bucket: InMemoryBucket) -> float:
        now_ms = int(self._clock.monotonic() * _MS)
        bucket.leak(now_ms)
        item = RateItem(self._provider, now_ms)
        if bucket.put(item):
            return 0.0
        waiting_ms = bucket.waiting(item)
        assert isinstance(waiting_ms, int)  # noqa: S101 - only shared buckets answer later
        return max(1, waiting_ms) / _MS

    async def _wait(self, wait_s: float, deadline_s: float) -> None:
        if self._clock.monotonic() + wait_s > deadline_s:
            raise RateLimited(
                f"the request budget of provider {self._provider} is used up",
                fix=f"Try again in {max(1.0, wait_s):.0f} s.",
                retry_after_s=wait_s,
            )
        await self._clock.sleep(wait_s)


def make_rates(budget: Budget) -> list[Rate]:
    """Return the limits of a budget, shortest period first, without those that others imply.

    The bucket refuses a limit that adds nothing.
    """
    kept: list[Rate] = []
    for name, seconds in reversed(_PERIODS_S.items()):
        limit = getattr(budget, name)
        if limit is None or (kept and limit >= kept[-1].limit):
            continue
        while kept and limit * kept[-1].interval <= kept[-1].limit * seconds * _MS:
            kept.pop()
        kept.append(Rate(limit, seconds * _MS))
    return kept[::-1]


def _gap_s(rate: Rate) -> float:
    return rate.interval / _MS / rate.limit / _POLLED_SHARE
