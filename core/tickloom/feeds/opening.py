"""Makes a source of each provider."""

from __future__ import annotations

import random
from collections.abc import Mapping

from redis.asyncio import Redis

from tickloom.clock import Clock
from tickloom.feeds.budget import RequestBudget, make_rates
from tickloom.feeds.places import RedisPlaces
from tickloom.feeds.source import Source
from tickloom.roles import Provider
from tickloom.settings import Settings


def open_sources(
    providers: Mapping[str, Provider],
    settings: Settings,
    client: Redis | None,
    clock: Clock,
    jitter: random.Random,
) -> list[Source]:
    """Return a source for each provider, with its budget.

    Args:
        providers: By name.
        settings: Limits of time, and budgets that replace those the providers declare.
        client: Where replicas keep one budget together; ``None`` = there are none.
        clock: Passed on.
        jitter: Passed on.
    """
    timeout_s = settings.feeds.provider_timeout_s
    sources = []
    for name, provider in providers.items():
        budget = settings.providers.budgets.get(name, provider.info.budget)
        shared = None
        if client is not None:
            shared = RedisPlaces(name, make_rates(budget), client, settings.redis.prefix, clock)
        places = RequestBudget(name, budget, clock, shared)
        sources.append(Source(provider, clock, timeout_s, places, jitter))
    return sources
