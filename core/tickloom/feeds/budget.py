"""How often one provider may be asked."""

from __future__ import annotations

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from tickloom.clock import Clock
from tickloom.errors import RateLimited
from tickloom.roles import Budget

_MS = 1_000
_PERIODS_S = {"per_second": 1, "per_minute": 60, "per_day": 86_400}


class RequestBudget:
    """Lets requests through at the rates of a :class:`~tickloom.roles.Budget`.

    The bucket's own limiter would use threads and the machine's clock; here it is asked directly.

    Args:
        provider: Named in errors.
        budget: The rates; without any every request passes.
        clock: Counts the time.
    """

    def __init__(self, provider: str, budget: Budget, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        rates = _rates(budget)
        self._bucket = InMemoryBucket(rates) if rates else None

    async def take(self, max_wait_s: float) -> None:
        """Wait for a place.

        Raises:
            RateLimited: There is none within ``max_wait_s`` seconds.
        """
        if self._bucket is None:
            return
        deadline_s = self._clock.monotonic() + max_wait_s
        while True:
            now_ms = int(self._clock.monotonic() * _MS)
            self._bucket.leak(now_ms)
            item = RateItem(self._provider, now_ms)
            if self._bucket.put(item):
                return
            waiting_ms = self._bucket.waiting(item)
            assert isinstance(waiting_ms, int)  # noqa: S101 - only shared buckets answer later
            wait_s = max(1, waiting_ms) / _MS
            if self._clock.monotonic() + wait_s > deadline_s:
                raise RateLimited(
                    f"the request budget of provider {self._provider} is used up",
                    fix=f"Try again in {wait_s:.0f} s.",
                    retry_after_s=wait_s,
                )
            await self._clock.sleep(wait_s)


def _rates(budget: Budget) -> list[Rate]:
    # A limit that another one implies adds nothing, and the bucket refuses it.
    kept: list[Rate] = []
    for name, seconds in reversed(_PERIODS_S.items()):
        limit = getattr(budget, name)
        if limit is None or (kept and limit >= kept[-1].limit):
            continue
        while kept and limit * kept[-1].interval <= kept[-1].limit * seconds * _MS:
            kept.pop()
        kept.append(Rate(limit, seconds * _MS))
    return kept[::-1]
