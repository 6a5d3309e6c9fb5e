"""Where no server answers the tests start one."""

from __future__ import annotations

import asyncpg  # type: ignore[import-untyped]
from redis.asyncio import Redis

from cluster.servers import free_port
from standins import answers, stand_in_postgres, stand_in_redis


async def test_a_postgresql_with_the_database_of_the_tests_stands_in() -> None:
    port = free_port()
    with stand_in_postgres(port):
        connection = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{port}/test")
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    assert not answers(port)


async def test_a_redis_stands_in() -> None:
    port = free_port()
    with stand_in_redis(port):
        async with Redis(port=port) as redis:
            assert await redis.ping()
    assert not answers(port)
