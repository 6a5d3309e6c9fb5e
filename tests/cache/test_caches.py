"""One suite over the memory and the Redis form of every cache."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from scripted import NOON, make_quote
from tickloom.cache import CacheManager
from tickloom.clock import FakeClock
from tickloom.model import Company, decode_json, encode_json
from tickloom.settings import CacheSettings, RedisSettings

REDIS_URL = "redis://127.0.0.1:6379/0"
SETTINGS = CacheSettings(quote_ttl_s=60, company_ttl_s=100, max_entries=3)
COMPANY = Company(symbol="AAPL", name="Apple Inc", provider="scripted", received_at=NOON)


async def redis_settings() -> RedisSettings:
    settings = RedisSettings(url=REDIS_URL, prefix=f"test-{secrets.token_hex(4)}", timeout_s=1)
    client: Redis = Redis.from_url(REDIS_URL)
    try:
        await client.ping()
    except (OSError, RedisError):
        pytest.skip("no Redis answers at 127.0.0.1:6379")
    finally:
        await client.aclose()
    return settings


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[CacheManager]:
    settings = RedisSettings() if request.param == "memory" else await redis_settings()
    manager = CacheManager(SETTINGS, settings, clock)
    yield manager
    await manager.invalidate("AAPL")
    await manager.aclose()


async def test_a_quote_is_fresh_until_its_time_is_over(
    cache: CacheManager, clock: FakeClock
) -> None:
    quote = make_quote()
    cache.quotes.put(quote)
    await clock.advance(59)

    assert cache.quotes.fresh("AAPL") == quote

    await clock.advance(1)

    assert cache.quotes.fresh("AAPL") is None
    assert cache.quotes.latest("AAPL") == quote


async def test_the_json_of_a_quote_is_made_once_and_holds_every_digit(cache: CacheManager) -> None:
    quote = make_quote(price="189.410000000000000001")
    cache.quotes.put(quote)
    first = cache.quotes.fresh_json("AAPL")

    assert first is not None
    assert first is cache.quotes.fresh_json("AAPL")
    assert decode_json(first, type(quote)) == quote
    assert b'"current_price":189.410000000000000001' in first


async def test_hits_and_misses_are_counted(cache: CacheManager) -> None:
    cache.quotes.put(make_quote())
    cache.quotes.fresh("AAPL")
    cache.quotes.fresh("AAPL")
    cache.quotes.fresh("MSFT")
    await cache.companies.get("AAPL ")
    stats = await cache.get_detailed_stats()

    assert stats["quotes"]["hits"] == 2
    assert stats["quotes"]["misses"] == 1
    assert stats["company"]["misses"] == 1
    assert stats["manager"]["performance"]["hit_rate"] == 0.5
    assert stats["backend"]["healthy"] is True


async def test_the_symbol_that_came_first_leaves_first(cache: CacheManager) -> None:
    for symbol in ("A", "B", "C", "D"):
        cache.quotes.put(make_quote(symbol))

    assert cache.quotes.latest("A") is None
    assert cache.quotes.latest("D") is not None
    assert cache.quotes.evictions == 1


async def test_an_answer_comes_back_as_it_was(cache: CacheManager) -> None:
    await cache.companies.put("AAPL ", COMPANY)

    assert await cache.companies.get("AAPL ") == COMPANY


async def test_an_invalidated_symbol_is_gone_from_every_cache(cache: CacheManager) -> None:
    cache.quotes.put(make_quote())
    await cache.quotes.share()
    await cache.companies.put("AAPL ", COMPANY)

    assert await cache.invalidate("AAPL") == 2
    assert cache.quotes.latest("AAPL") is None
    assert await cache.quotes.fetch_shared(["AAPL"]) == {}
    assert await cache.companies.get("AAPL ") is None


async def test_a_lifetime_of_zero_keeps_nothing(clock: FakeClock) -> None:
    cache = CacheManager(CacheSettings(quote_ttl_s=0, company_ttl_s=0), RedisSettings(), clock)
    cache.quotes.put(make_quote())
    await cache.companies.put("AAPL ", COMPANY)

    assert cache.quotes.fresh("AAPL") is None
    assert await cache.companies.get("AAPL ") is None


async def test_memory_forgets_the_oldest_answers_beyond_the_most_bytes(clock: FakeClock) -> None:
    size = len(encode_json(COMPANY))
    settings = CacheSettings(max_answer_bytes=max(1_024, 8 * size))
    cache = CacheManager(settings, RedisSettings(), clock)
    kept = settings.max_answer_bytes // size
    for number in range(kept + 2):
        await cache.companies.put(f"S{number} ", COMPANY)

    assert await cache.companies.get("S0 ") is None
    assert await cache.companies.get("S1 ") is None
    assert await cache.companies.get("S2 ") == COMPANY
    assert cache.companies.evictions == 2


async def test_an_answer_longer_than_all_the_room_is_not_kept(clock: FakeClock) -> None:
    cache = CacheManager(CacheSettings(max_answer_bytes=1_024), RedisSettings(), clock)
    await cache.companies.put("AAPL ", replace(COMPANY, description="x" * 2_000))

    assert await cache.companies.get("AAPL ") is None
    assert cache.companies.evictions == 0


async def test_invalidating_reaches_the_answers_of_every_process_and_no_other_symbol(
    clock: FakeClock,
) -> None:
    settings = await redis_settings()
    here = CacheManager(SETTINGS, settings, clock)
    there = CacheManager(SETTINGS, settings, clock)
    for symbol in ("AAPL", "AAPL.L", "^GSPC"):
        await here.companies.put(f"{symbol} ", COMPANY)

    assert await there.invalidate("AAPL") == 1
    assert await there.invalidate("^GSPC") == 1
    assert await here.companies.get("AAPL ") is None
    assert await here.companies.get("AAPL.L ") == COMPANY
    await here.invalidate("AAPL.L")
    await here.aclose()
    await there.aclose()


async def test_another_process_finds_a_quote_through_redis(clock: FakeClock) -> None:
    settings = await redis_settings()
    here = CacheManager(SETTINGS, settings, clock)
    there = CacheManager(SETTINGS, settings, clock)
    quote = make_quote(received_at=clock.now() - timedelta(seconds=30))
    here.start()
    here.quotes.put(quote)
    await clock.advance(0.25)
    await here.aclose()

    assert await there.quotes.fetch_shared(["AAPL"]) == {"AAPL": quote}

    await clock.advance(30)

    assert there.quotes.fresh("AAPL") is None
    assert await there.quotes.fetch_shared(["AAPL"]) == {}
    await there.invalidate("AAPL")
    await there.aclose()


async def test_a_quote_whose_writing_was_cut_off_is_written_at_the_end(clock: FakeClock) -> None:
    settings = await redis_settings()
    here = CacheManager(SETTINGS, settings, clock)
    there = CacheManager(SETTINGS, settings, clock)
    here.quotes.put(make_quote(received_at=clock.now()))
    sharing = asyncio.create_task(here.quotes.share())
    await asyncio.sleep(0)
    sharing.cancel()
    await asyncio.gather(sharing, return_exceptions=True)
    await here.aclose()

    assert "AAPL" in await there.quotes.fetch_shared(["AAPL"])
    await there.invalidate("AAPL")
    await there.aclose()


async def test_rubbish_in_redis_is_a_miss_and_is_removed(clock: FakeClock) -> None:
    settings = await redis_settings()
    cache = CacheManager(SETTINGS, settings, clock)
    await cache.redis_cache.set("quote:AAPL", b"\x00{", 60)

    assert await cache.quotes.fetch_shared(["AAPL"]) == {}
    assert await cache.redis_cache.get("quote:AAPL") is None
    await cache.aclose()


async def test_a_redis_that_is_away_is_a_miss_and_is_left_alone_for_a_while(
    clock: FakeClock,
) -> None:
    settings = RedisSettings(url="redis://127.0.0.1:1/0", timeout_s=0.5)
    cache = CacheManager(SETTINGS, settings, clock)
    await cache.companies.put("AAPL ", COMPANY)

    assert await cache.companies.get("AAPL ") is None
    assert cache.redis_cache.errors == 2
    assert await cache.redis_cache.health_check() is False
    assert "127.0.0.1:1" in cache.redis_cache.last_error
    await cache.aclose()
