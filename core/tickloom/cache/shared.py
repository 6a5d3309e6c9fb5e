"""The place that outlives a request: Litestar's memory store, or its Redis store for replicas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar, cast

from litestar.stores.base import Store
from litestar.stores.memory import MemoryStore
from litestar.stores.redis import RedisStore
from loguru import logger
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from tickloom.clock import Clock
from tickloom.errors import ConfigError
from tickloom.settings import RedisSettings, redact_url

T = TypeVar("T")

_PAUSE_S = 5.0
_CONNECTIONS = 32


class SharedStore:
    """A byte store that is allowed to be away.

    While Redis does not answer, reads miss and writes are left out, both counted in ``errors``;
    after a failure it is left alone for five seconds, so that a dead Redis does not add its time
    limit to every request.
    """

    def __init__(
        self,
        store: Store,
        backend: str,
        clock: Clock,
        settings: RedisSettings,
        client: Redis | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._url = redact_url(settings.url)
        self._prefix = settings.prefix
        self._away_until = 0.0
        self.backend = backend
        self.errors = 0
        self.last_error = ""

    @property
    def client(self) -> Redis | None:
        """The connection to Redis for others that need one, ``None`` without Redis."""
        return self._client

    @property
    def is_remote(self) -> bool:
        """True where other processes see the same values."""
        return self._client is not None

    async def get(self, key: str) -> bytes | None:
        """Return the value, or ``None`` where there is none or the store is away."""
        return await self._try(lambda: self._store.get(key), None)

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep ``value`` for ``ttl_s`` seconds; zero keeps nothing."""
        if ttl_s <= 0:
            return
        # Redis counts whole seconds; keeping a value longer than asked would be the worse error.
        ttl = timedelta(seconds=max(1, int(ttl_s)) if self.is_remote else ttl_s)
        await self._try(lambda: self._store.set(key, value, ttl), None)

    async def delete(self, key: str) -> None:
        """Forget the value, if there is one."""
        await self._try(lambda: self._store.delete(key), None)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values in Redis in one question; ``None`` for each that is not there."""
        client = self._client
        nothing: list[bytes | None] = [None] * len(keys)
        if client is None or not keys:
            return nothing
        names = [f"{self._prefix}:{key}" for key in keys]

        async def run() -> list[bytes | None]:
            return [cast("bytes | None", value) for value in await client.mget(names)]

        return await self._try(run, nothing)

    async def delete_all(self, prefix: str) -> int:
        """Forget all values in Redis whose keys begin with ``prefix``; return how many."""
        client = self._client
        if client is None:
            return 0

        async def run() -> int:
            keys = [key async for key in client.scan_iter(match=_pattern(self._prefix, prefix))]
            return int(await client.delete(*keys)) if keys else 0

        return await self._try(run, 0)

    async def sweep(self) -> None:
        """Free what has expired; the memory store does not do so by itself."""
        if isinstance(self._store, MemoryStore):
            await self._store.delete_expired()

    async def health_check(self) -> bool:
        """True where the store answers now."""
        if self._client is None:
            return True
        try:
            await self._client.ping()
        except (TimeoutError, RedisError, OSError) as error:
            self._failed(error)
            return False
        self._away_until = 0.0
        return True

    async def aclose(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _try(self, call: Callable[[], Awaitable[T]], otherwise: T) -> T:
        if self._clock.monotonic() < self._away_until:
            self.errors += 1
            return otherwise
        try:
            return await call()
        except (TimeoutError, RedisError, OSError) as error:
            self._failed(error)
            return otherwise

    def _failed(self, error: BaseException) -> None:
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"
        self._away_until = self._clock.monotonic() + _PAUSE_S
        logger.warning("Redis at {} does not answer: {}", self._url, self.last_error)


def open_shared_store(settings: RedisSettings, clock: Clock) -> SharedStore:
    """Return the store that the settings ask for; no connection is made yet.

    Raises:
        ConfigError: ``redis.url`` is no Redis URL.
    """
    if not settings.url:
        return SharedStore(MemoryStore(), "memory", clock, settings)
    try:
        pool = BlockingConnectionPool.from_url(
            settings.url,
            max_connections=_CONNECTIONS,
            timeout=settings.timeout_s,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
        )
        client: Redis = Redis.from_pool(pool)
    except ValueError as error:
        raise ConfigError(
            "redis.url cannot be used",
            found=redact_url(settings.url),
            expected="redis://host:port/db",
        ) from error
    store = RedisStore(client, namespace=settings.prefix)
    return SharedStore(store, "redis", clock, settings, client)


def _pattern(namespace: str, prefix: str) -> str:
    # Litestar's store writes "<namespace>:<key>".
    text = f"{namespace}:{prefix}"
    for sign in "\\*?[]^":
        text = text.replace(sign, f"\\{sign}")
    return f"{text}*"
