"""Makes the rooms from the settings, joins them, and closes them in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import EntryPoint

import httpx

from tickloom import __version__
from tickloom.answers import Answers
from tickloom.cache import CacheManager
from tickloom.calendars import Calendars
from tickloom.clock import Clock
from tickloom.feeds import Feeds, Reader, Router, Sessions, open_sources
from tickloom.history import Histories
from tickloom.jobs import Jobs, upkeep_jobs
from tickloom.model import HistoricalData
from tickloom.monitoring.alerts import SystemAlert, SystemAlerts
from tickloom.pipeline import Pipeline
from tickloom.plugins import Plugins, load_plugins
from tickloom.quality import (
    Books,
    Comparer,
    Inspector,
    QualityDesk,
    Quarantine,
    SeriesGate,
    SeriesInspector,
)
from tickloom.relay import Cluster, Relay
from tickloom.settings import Settings
from tickloom.store import (
    Backend,
    BarBatch,
    BarKeeper,
    CompanyStore,
    HistoryStore,
    QuoteWriter,
    open_backend,
    open_bar_journal,
    open_job_log,
    open_journal,
)
from tickloom.stream import Demand, Hub, Ring
from tickloom.streaming import StreamManager

_WRITER_LIMIT_S = 4.0
_PLUGINS_LIMIT_S = 2.0


class Rooms:
    """Everything that a manager works with; nothing is opened or started by making it.

    Args:
        settings: Of all rooms.
        epoch: Of the sequences of this process.
        clock: For all rooms.
        jitter: Spreads retries.
        entry_points: The plugins to consider; ``None`` = all installed.

    Raises:
        ConfigError: A setting is wrong.
        PluginError: ``plugins.strict`` is set and a plugin failed.
    """

    def __init__(
        self,
        settings: Settings,
        epoch: str,
        clock: Clock,
        jitter: random.Random,
        entry_points: Iterable[EntryPoint] | None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self.http = httpx.AsyncClient(
            timeout=settings.feeds.provider_timeout_s,
            headers={"User-Agent": f"tickloom/{__version__}"},
        )
        self.plugins: Plugins = load_plugins(settings, self.http, clock, entry_points)
        self.cache = CacheManager(settings.cache, settings.redis, clock)
        redis = self.cache.redis_cache.client
        sources = open_sources(self.plugins.providers, settings, redis, clock, jitter)
        demand = Demand()
        books = Books(settings, clock, demand.changed.set)
        books.declare(source.info for source in sources)
        self.router = Router(sources, settings.providers, books.scores.passed_over)
        self.inspector = Inspector(self.plugins.validators, books.keeper, books.scores)
        backend = open_backend(settings.database.url)
        self.writer = self._open_writer(backend, books)
        reader = Reader(self.router, books.scores.asked)
        hub = self._open_hub(epoch, demand)
        self.pipeline = Pipeline(self.inspector, self.cache.quotes, hub, self.writer)
        self.cluster = Cluster(
            settings,
            redis,
            hub,
            demand,
            self.cache.quotes,
            self.pipeline.admit,
            clock,
            jitter,
        )
        if self.cluster.relay is not None:
            self.pipeline.join(self.cluster.relay)
        # A connection of its own: a long answer would hold up the ticks.
        calendars = Calendars()
        kept = HistoryStore(open_backend(settings.database.url), clock, calendars.is_session)
        self.keeper = self._open_keeper(kept)
        self.stream = StreamManager(
            hub,
            demand,
            self._open_feeds(reader, hub),
            self.router,
            settings.stream,
            clock,
            self.cluster,
            self.keeper,
        )
        self.alerts = SystemAlerts(clock, partial(_publish, hub, self.cluster.relay))
        self.quality = self._open_quality(books, reader, kept)
        self.histories = self._open_histories(reader, kept, calendars)
        self.answers = self._open_answers(reader, backend)
        self.jobs = self._open_jobs(epoch)

    def _open_hub(self, epoch: str, demand: Demand) -> Hub:
        stream = self._settings.stream
        ring = Ring(self._clock, stream.ring.count, stream.ring.max_bytes, stream.ring.age_s)
        return Hub(epoch, demand, ring, self._clock, stream.flush_interval_ms / 1_000)

    def _open_keeper(self, kept: HistoryStore) -> BarKeeper:
        database = self._settings.database
        return BarKeeper(kept, self._clock, database.live_bars, open_bar_journal(database))

    def _open_writer(self, backend: Backend, books: Books) -> QuoteWriter:
        database = self._settings.database
        journal = open_journal(database)
        return QuoteWriter(backend, database, self._clock, journal, books.keeper.refuse)

    def _open_answers(self, reader: Reader, backend: Backend) -> Answers:
        described = CompanyStore(backend, self._clock)
        return Answers(reader, self.cache, self.pipeline, self.histories, described)

    def _open_jobs(self, epoch: str) -> Jobs:
        jobs = upkeep_jobs(self._settings, self._clock)
        log = open_job_log(self._settings.database.url)
        return Jobs(log, jobs, epoch, self._clock, self._jitter)

    def _open_histories(
        self, reader: Reader, store: HistoryStore, calendars: Calendars
    ) -> Histories:
        providers = self.plugins.providers.values()
        telling = {one.info.name for one in providers if one.info.has_actions}
        ask = self.quality.gate.history
        return Histories(
            store,
            ask,
            self._clock,
            calendars,
            telling.__contains__,
            reader.historians,
            self.router.tellers,
        )

    def _open_quality(self, books: Books, reader: Reader, kept: HistoryStore) -> QualityDesk:
        inspector = SeriesInspector(self.plugins.series_validators)
        gate = SeriesGate(inspector, books.keeper, reader.history)
        comparer = Comparer(
            self.router.candidates,
            self.cluster.replicas.owns,
            books.keeper,
            books.scores,
            self.alerts,
            self._settings.quality,
            self._clock,
        )

        async def put(bar: HistoricalData) -> int:
            # Its day may have other bars, so that it does not become complete by this one.
            return (await kept.keep([BarBatch(history=bar)])).stored

        quarantine = Quarantine(books.store, books.keeper, self.pipeline.readmit, put, self._clock)
        return QualityDesk(
            books, self.inspector, gate, comparer, quarantine, self.alerts, self._clock
        )

    def _open_feeds(self, reader: Reader, hub: Hub) -> Feeds:
        return Feeds(
            reader,
            self.cluster.wanted,
            self.cluster.relay or hub,
            self.pipeline,
            self._settings.feeds,
            self._clock,
            self._jitter,
            Sessions(self._clock) if self._settings.feeds.sessions else None,
        )

    async def aclose(self) -> None:
        """Stop everything and write what is queued; may be called twice.

        Each part has its own limit, together under ten seconds; one that fails does not keep the
        others open.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.http.aclose)
            stack.push_async_callback(self.plugins.aclose, _PLUGINS_LIMIT_S)
            stack.push_async_callback(self.cache.aclose)
            # What the writer still rejects goes there.
            stack.push_async_callback(self.quality.aclose)
            stack.push_async_callback(self.histories.aclose)
            stack.push_async_callback(self._flush)
            stack.push_async_callback(self.answers.aclose)
            stack.push_async_callback(self.cluster.aclose)
            stack.push_async_callback(self.stream.aclose)
            stack.push_async_callback(self.jobs.aclose)

    async def _flush(self) -> None:
        # Together, since a database that hangs costs each of them its limit.
        done = await asyncio.gather(
            self.keeper.aclose(), self.writer.aclose(_WRITER_LIMIT_S), return_exceptions=True
        )
        for failure in done:
            if isinstance(failure, BaseException):
                raise failure


def _publish(hub: Hub, relay: Relay | None, alert: SystemAlert) -> None:
    """Tell those who want the symbols of an alert, on every replica; the feed itself goes on."""
    if alert.provider and alert.symbols:
        over = alert.resolved_at is not None
        reason = f"no more: {alert.reason}" if over else alert.reason
        since = alert.resolved_at or alert.since
        if relay is not None:
            relay.publish_alert(alert.provider, since, alert.symbols, reason)
        else:
            hub.publish_status(alert.provider, "live", since, alert.symbols, reason)
