"""Budgets that replicas share, over a real Redis."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tickloom.clock import FakeClock
from tickloom.errors import RateLimited
from tickloom.feeds import RedisPlaces, RequestBudget, make_rates
from tickloom.roles import Budget

FIVE = Budget(per_minute=5)


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url("redis://127.0.0.1:6379/0")
    try:
        await client.ping()
    except (RedisError, OSError):
        await client.aclose()
        pytest.skip("no Redis on 127.0.0.1:6379")
    yield client
    await client.aclose()


def replica(redis: Redis, clock: FakeClock, prefix: str) -> RequestBudget:
    places = RedisPlaces("acme", make_rates(FIVE), redis, prefix, clock)
    return RequestBudget("acme", FIVE, clock, places)


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(6)}"


async def test_two_replicas_keep_one_budget_together(
    redis: Redis, clock: FakeClock, prefix: str
) -> None:
    first, second = replica(redis, clock, prefix), replica(redis, clock, prefix)
    for _ in range(3):
        await first.take(0)
    for _ in range(2):
        await second.take(0)

    with pytest.raises(RateLimited) as caught:
        await second.take(0)
    assert 55 <= (caught.value.retry_after_s or 0) <= 60.1

    await clock.advance(61)
    await first.take(0)


async def test_a_replica_that_was_refused_has_lost_none_of_its_own_places(
    redis: Redis, clock: FakeClock, prefix: str
) -> None:
    first, second = replica(redis, clock, prefix), replica(redis, clock, prefix)
    for _ in range(5):
        await first.take(0)
    await clock.advance(30)
    for _ in range(5):
        with pytest.raises(RateLimited):
            await second.take(0)

    await clock.advance(31)
    await second.take(0)


async def test_what_is_kept_in_redis_goes_away_by_itself(
    redis: Redis, clock: FakeClock, prefix: str
) -> None:
    await replica(redis, clock, prefix).take(0)
    [key] = [key async for key in redis.scan_iter(match=f"{prefix}*")]

    assert 0 < await redis.pttl(key) <= 60_000


async def test_without_redis_each_replica_keeps_the_budget_by_itself(clock: FakeClock) -> None:
    nobody: Redis = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.5)
    budget = replica(nobody, clock, "test")
    for _ in range(5):
        await budget.take(0)

    with pytest.raises(RateLimited):
        await budget.take(0)
    await nobody.aclose()


async def test_a_redis_that_lost_its_scripts_is_used_again_after_a_moment(
    redis: Redis, clock: FakeClock, prefix: str
) -> None:
    places = RedisPlaces("acme", make_rates(FIVE), redis, prefix, clock)
    assert await places.take() == 0
    await redis.script_flush()
    assert await places.take() == 0
    assert places.away

    await clock.advance(6)
    for _ in range(4):
        assert await places.take() == 0
    assert not places.away
    assert await places.take() > 0
