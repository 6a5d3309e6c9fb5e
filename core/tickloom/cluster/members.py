"""Who lives: leases in Redis, by the clock of Redis alone."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec
from redis.asyncio import Redis

from tickloom.cluster.wishes import Wishes

_MS = 1_000
# Renews a lease, removes those that ran out, and returns whether this one had gone and who lives,
# each with the version of its wishes.
_BEAT = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local is_new = redis.call('ZADD', KEYS[1], ms + ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ms)) do
  redis.call('ZREM', KEYS[1], dead)
  redis.call('HDEL', KEYS[2], dead)
end
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 10)
redis.call('PEXPIRE', KEYS[2], ARGV[2] * 10)
local found = {is_new}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  found[#found + 1] = member
  found[#found + 1] = redis.call('HGET', KEYS[2], member) or ''
end
return found
"""


class Members:
    """The leases of all replicas with the same prefix.

    Args:
        client: Connected to the Redis of all.
        prefix: Begins every key.
        me: This replica.
        lease_s: A replica that does not renew for so long is dead.

    Every method raises ``RedisError``, ``OSError`` or ``TimeoutError`` while Redis is away.
    """

    def __init__(self, client: Redis, prefix: str, me: str, lease_s: float) -> None:
        self._client = client
        self._prefix = f"{prefix}:replicas"
        self._me = me
        self._lease_ms = int(lease_s * _MS)
        self._beat = client.register_script(_BEAT)

    async def renew(self, version: str) -> tuple[bool, dict[str, str]]:
        """Renew the lease of this replica.

        Returns:
            Whether there was none, so that the others took this replica for dead; and all that
            live, with their versions.

        Args:
            version: Changes whenever the wishes of this replica do.
        """
        is_new, *answer = await self._beat(
            keys=[self._prefix, f"{self._prefix}:versions"],
            args=[self._me, self._lease_ms, version],
        )
        texts = [one.decode() if isinstance(one, bytes) else str(one) for one in answer]
        return bool(is_new), dict(zip(texts[::2], texts[1::2], strict=True))

    async def keep_wishes(self, wishes: Wishes, *, changed: bool) -> None:
        """Let the others read what the clients of this replica want."""
        key = self._key_of(self._me)
        kept = False
        if not changed:
            kept = bool(await self._client.pexpire(key, self._lease_ms * 2))
        if not kept:
            data = msgspec.msgpack.encode(wishes)
            await self._client.set(key, data, px=self._lease_ms * 2)

    async def wishes_of(self, member: str) -> Wishes:
        """Return what the clients of a replica want; nothing where it said nothing readable."""
        data: Any = self._client.get(self._key_of(member))
        data = await data if inspect.isawaitable(data) else data
        try:
            return msgspec.msgpack.decode(data, type=Wishes) if data else Wishes()
        except msgspec.DecodeError:
            return Wishes()

    async def leave(self) -> None:
        """Give the lease up, so that the others need not wait for its end."""
        await self._client.zrem(self._prefix, self._me)
        await self._client.delete(self._key_of(self._me))

    def _key_of(self, member: str) -> str:
        return f"{self._prefix}:wishes:{member}"
