"""Everything that joins replicas, as one thing with one life."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.channels.backends.base import ChannelsBackend
from litestar.channels.backends.redis import RedisChannelsPubSubBackend
from redis.asyncio import Redis

from tickloom.cache import QuoteCache
from tickloom.clock import Clock
from tickloom.cluster import Bus, Members, Replicas, View, Wishes
from tickloom.model import Quote
from tickloom.relay.demand import SharedDemand
from tickloom.relay.outbox import Outbox
from tickloom.relay.relay import Relay
from tickloom.settings import RedisSettings, Settings
from tickloom.stream import Demand, Hub

# A lease in Redis ends a little before the time that was promised, so that all is over by then.
_LEASE_SHARE = 0.6


class Cluster:
    """The replicas with the same Redis and prefix; without Redis this process alone.

    Args:
        settings: Where the others are found, and how long a lease is.
        client: Connected to Redis, for leases; ``None`` = there are no others.
        hub: Ours.
        demand: What our clients want.
        cache: Ours.
        accept: The pipeline.
        clock: Passed on.
        jitter: Passed on.
    """

    def __init__(
        self,
        settings: Settings,
        client: Redis | None,
        hub: Hub,
        demand: Demand,
        cache: QuoteCache,
        accept: Callable[[Quote], object],
        clock: Clock,
        jitter: random.Random,
    ) -> None:
        self._demand = demand
        self._bus: Bus | None = None
        self._outbox: Outbox | None = None
        self.relay: Relay | None = None
        redis, me = settings.redis, hub.epoch
        lease_s = settings.cluster.lease_s * _LEASE_SHARE
        members = Members(client, redis.prefix, me, lease_s) if client is not None else None
        self.replicas = Replicas(
            members,
            me,
            lease_s,
            self._wishes,
            self._moved,
            self._tell_wishes,
            self._count_anew,
            clock,
        )
        self.wanted = SharedDemand(demand, self.replicas)
        if client is None:
            return
        channel = f"{redis.prefix}:bus"
        bus = self._bus = Bus(
            lambda: _open_backend(redis),
            [channel, f"{channel}:{me}"],
            self._receive,
            self._heard_again,
            clock,
            jitter,
            silence_s=settings.cluster.lease_s,
            timeout_s=redis.timeout_s,
        )
        outbox = self._outbox = Outbox(bus, channel, me, clock)
        self.relay = Relay(
            hub,
            cache,
            self.replicas,
            outbox,
            lambda replica: f"{channel}:{replica}",
            accept,
            lambda: demand.streamed,
            clock,
        )
        demand.on_change = self.replicas.hurry

    def start(self) -> None:
        """Join the others; calling it twice is allowed."""
        if self._bus is not None and self._outbox is not None and not self._bus.running:
            self._bus.start()
            self._outbox.start()
            self.replicas.start()

    async def aclose(self) -> None:
        """Leave the others, who take over at once; calling it twice is allowed."""
        await self.replicas.aclose()
        if self._outbox is not None:
            await self._outbox.aclose()
        if self._bus is not None:
            await self._bus.aclose()

    def _wishes(self) -> Wishes:
        return Wishes(frozenset(self._demand.streamed), frozenset(self._demand.watched))

    def _moved(self, before: View, after: View) -> None:
        if self.relay is not None and before is not after:
            self.relay.moved(before, after)
        self._demand.changed.set()

    def _tell_wishes(self) -> None:
        if self.relay is not None:
            self.relay.tell_wishes()

    def _count_anew(self) -> None:
        if self.relay is not None:
            self.relay.count_anew()

    def _receive(self, data: bytes) -> None:
        if self.relay is not None:
            self.relay.receive(data)

    def _heard_again(self) -> None:
        if self.relay is not None:
            self.relay.heard_again()

    def health(self) -> dict[str, Any] | None:
        """Return the health of the cluster, ``None`` where there is no Redis to join by."""
        if self._bus is None:
            return None
        if self.replicas.is_alone:
            reason = "this replica works alone: Redis does not answer"
            return {"status": "degraded", "reason": reason}
        if not self._bus.is_up:
            return {"status": "degraded", "reason": "the bus to the other replicas is down"}
        return {"status": "healthy", "replicas": len(self.replicas.view.members)}

    def stats(self) -> dict[str, Any]:
        """Return who lives, and counts since the start."""
        found = self.replicas.stats()
        if self._bus is not None and self.relay is not None:
            found |= {"bus": self._bus.stats(), "relay": self.relay.stats()}
        return found


def _open_backend(
    redis: RedisSettings,
) -> tuple[ChannelsBackend, Callable[[], Awaitable[None]]]:
    # A connection that listens waits without limit; the bus itself watches for silence.
    client: Redis = Redis.from_url(
        redis.url, socket_timeout=None, socket_connect_timeout=redis.timeout_s
    )
    return RedisChannelsPubSubBackend(redis=client), client.aclose
