"""The requests of one question to a provider, each with its place in the budget."""

from __future__ import annotations

import asyncio

from tickloom.errors import RateLimited
from tickloom.feeds.budget import RequestBudget


class Question:
    """Lets the first request pass, whose place is taken already, and makes the others wait.

    Time spent waiting for a place does not count to the time that the provider has to answer.

    Args:
        budget: Of the provider.
        limit: Of the question.
        patience_s: Longest wait for a place.

    Attributes:
        requests: How many began.
        spent: Our own refusal of a further request, ``None`` = there was none.
    """

    def __init__(self, budget: RequestBudget, limit: asyncio.Timeout, patience_s: float) -> None:
        self._budget = budget
        self._limit = limit
        self._patience_s = patience_s
        self.requests = 0
        self.spent: RateLimited | None = None

    async def take_turn(self) -> None:
        """Wait for the place of the next request.

        Raises:
            RateLimited: There is none within the patience.
        """
        self.requests += 1
        if self.requests == 1:
            return
        loop = asyncio.get_running_loop()
        began_s, until_s = loop.time(), self._limit.when()
        if until_s is not None and not self._limit.expired():
            self._limit.reschedule(until_s + self._patience_s)
        try:
            await self._budget.take(self._patience_s)
        except RateLimited as error:
            self.spent = error
            raise
        if until_s is not None and not self._limit.expired():
            self._limit.reschedule(until_s + loop.time() - began_s)
