"""Every setting with its default. The names are a public interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tickloom.clock import Clock
from tickloom.roles import Budget, PluginSettings, Secret
from tickloom.settings.convert import Origin, convert

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]
Days = Annotated[int, Meta(ge=0, le=100_000)]
JobSeconds = Annotated[float, Meta(ge=60)]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    def __repr__(self) -> str:
        # URLs hold passwords; ``show`` prints settings without them.
        return f"{type(self).__name__}(…)"


class ServerSettings(_Table, frozen=True):
    """``[server]``: where the server listens and what one request may ask."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8000
    """REST, documentation page and stream; 0 = any free port."""
    stream_port: Port = 8765
    """The stream again, for clients that know only this port; 0 = off."""
    workers: Count = 1
    """Processes; more than one needs ``[redis]``."""
    max_symbols: Count = 1_000
    """Most symbols in one REST request."""


class DatabaseSettings(_Table, frozen=True):
    """``[database]``: where quotes are stored."""

    url: str = "sqlite:///tickloom.db"
    """``sqlite:///file``, ``postgresql://user@host/name``, or empty = store nothing."""
    queue_rows: Count = 100_000
    """Most rows that wait to be written; further ones are dropped and counted."""
    batch_rows: Count = 1_000
    """Rows in one write."""
    batch_age_s: PositiveSeconds = 1.0
    """Longest time that a row waits for its batch to fill."""
    live_bars: tuple[Literal["1s", "1m", "5m", "1h", "1d"], ...] = ("1m", "5m", "1h", "1d")
    """Which bars of the stream are stored before they are told as closed."""
    journal_path: str = ""
    """Folder where rows wait on disk while the database is away; empty = beside the SQLite file,
    with PostgreSQL ``tickloom.journal`` in the working directory."""
    journal_bytes: Annotated[int, Meta(ge=0)] = 268_435_456
    """Most bytes of it for each process; 0 = none, rows wait in memory only."""


class RetentionSettings(_Table, frozen=True):
    """``[retention]``: how many whole days of each kind are kept; 0 = for ever.

    Days end at midnight UTC. What is bought from providers or asked for by somebody, the bars, is
    kept unless the operator says otherwise.
    """

    ticks_days: Days = 30
    """Stored quotes, by the time that the venue gives them."""
    intraday_bars_days: Days = 0
    """Bars shorter than a day."""
    daily_bars_days: Days = 0
    """Bars of a day and longer."""
    quarantine_days: Days = 90
    """Quotes that were kept back as implausible."""
    quality_events_days: Days = 90
    """What validators and comparisons found."""
    quality_scores_days: Days = 365
    """Scores of providers."""
    audit_days: Days = 365
    """Who released or dropped what, and every run of a scheduled job."""


class JobSettings(_Table, frozen=True):
    """``[jobs]``: upkeep of the database; of several replicas one runs each job."""

    enabled: bool = True
    """False = this process runs none of them."""
    partitions_interval_s: JobSeconds = 21_600.0
    """Between looks whether partitions are made ahead; PostgreSQL only."""
    cleanup_interval_s: JobSeconds = 86_400.0
    """Between removals of what ``[retention]`` does not keep."""
    optimize_interval_s: JobSeconds = 86_400.0
    """Between updates of what the database knows of its tables."""


class RedisSettings(_Table, frozen=True):
    """``[redis]``: the shared cache, and the bus between replicas."""

    url: str = ""
    """``redis://host:port/db``; empty = in-process cache and channels, one process."""
    timeout_s: PositiveSeconds = 2.0
    """Longest wait for an answer."""
    prefix: str = "tickloom"
    """Begins every key, so that deployments can share a Redis."""


class ClusterSettings(_Table, frozen=True):
    """``[cluster]``: how replicas with the same Redis and prefix share the work."""

    lease_s: Annotated[float, Meta(ge=0.5, le=300)] = 5.0
    """A replica that says nothing for so long is dead, and others own its symbols."""


class CacheSettings(_Table, frozen=True):
    """``[cache]``: how long answers stay good."""

    quote_ttl_s: Seconds = 60.0
    historical_ttl_s: Seconds = 3_600.0
    company_ttl_s: Seconds = 86_400.0
    max_entries: Count = 100_000
    """Most symbols held in memory."""
    max_answer_bytes: Annotated[int, Meta(ge=1_024)] = 134_217_728
    """Most bytes of history answers, and of company answers, held in memory."""
    warm: tuple[str, ...] = ()
    """Symbols fetched ahead of the first request."""


class FeedSettings(_Table, frozen=True):
    """``[feeds]``: how providers are read."""

    real_time_update_interval_s: PositiveSeconds = 1.0
    """Time between polls of symbols that somebody streams."""
    batch_update_interval_s: PositiveSeconds = 30.0
    """Time between polls of symbols that are only watched."""
    provider_timeout_s: PositiveSeconds = 10.0
    """Longest wait for one answer of a provider."""
    silence_s: PositiveSeconds = 60.0
    """A stream that says nothing for so long while a venue is open is opened anew."""
    sessions: bool = True
    """Whether closed venues are left alone; false = polled and watched at all hours."""


class ProviderSettings(_Table, frozen=True):
    """``[providers]``: who is asked first, and how often."""

    primary: str = "yahoo"
    fallback: tuple[str, ...] = ("iex", "alpha_vantage")
    budgets: dict[str, Budget] = {}
    """Request budgets that replace those the providers declare, by provider."""
    min_score: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """A provider with a lower score for a symbol is passed over for it; 0 = none is."""


class QualitySettings(_Table, frozen=True):
    """``[quality]``: what becomes of values that are in doubt."""

    quarantine_queue: Count = 10_000
    """Most quarantined rows that wait to be stored; further ones are dropped and counted."""
    compare_tolerance: Annotated[float, Meta(gt=0, le=1)] = 0.01
    """How far apart the prices of two providers may be, as a share of the price."""
    compare_window_s: PositiveSeconds = 60.0
    """Quotes whose times are further apart are not compared."""
    compare_interval_s: Seconds = 0.0
    """Time between comparisons of ``compare_symbols``; 0 = on demand only."""
    compare_symbols: tuple[str, ...] = ()
    """Symbols that are compared by schedule."""


class PluginTables(_Table, frozen=True):
    """``[plugins]``: which plugins run, and a table for each."""

    enabled: tuple[str, ...] | None = None
    """Absent = all installed, empty = none."""
    strict: bool = False
    """True = a plugin that fails stops the start."""
    tables: dict[str, dict[str, Any]] = {}
    """The raw ``[plugins.<name>]`` tables; each plugin types its own."""


class RingSettings(_Table, frozen=True):
    """``stream.ring``: how much of each symbol's past can be resumed."""

    count: Count = 10_000
    """Most ticks of one symbol."""
    max_bytes: Annotated[int, Meta(ge=0)] = 67_108_864
    """Most bytes of all symbols together, about."""
    age_s: Seconds = 300.0
    """Seconds after which a tick is forgotten."""


class StreamSettings(_Table, frozen=True):
    """``[stream]``: limits of a stream connection."""

    buffer_bytes: Annotated[int, Meta(ge=4_096)] = 1_048_576
    """Most bytes that wait for a slow client."""
    flush_interval_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """0 = send at once; more joins ticks for that time."""
    ring: RingSettings = RingSettings()
    max_symbols: Count = 5_000
    """Most symbols and patterns of one connection."""
    max_message_bytes: Annotated[int, Meta(ge=1_024, le=16_777_216)] = 65_536
    """Longest message from a client."""
    max_connections: Count = 10_000
    """Most connections of this process."""
    max_connections_per_address: Count = 10_000
    """Most connections from one address; behind a proxy all have the same."""
    max_connections_per_user: Count = 1_000
    """Most connections with one key, where keys are asked for."""
    messages_per_s: Count = 100
    """Most messages a second from one client."""
    auth_timeout_s: PositiveSeconds = 10.0
    """Time to authenticate in."""
    write_timeout_s: PositiveSeconds = 30.0
    """A client that takes nothing for so long is cut off."""


class AuthSettings(_Table, frozen=True):
    """``[auth]``: who may use the server."""

    mode: Literal["none", "keys"] = "none"
    """``none`` is accepted on loopback only."""
    keys: dict[str, Secret] = {}
    """User name to key, ``{ env = … }`` or ``{ file = … }``."""


class LoggingSettings(_Table, frozen=True):
    """``[logging]``."""

    level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    format: Literal["text", "json"] = "text"
    file: str = ""
    """Empty = standard error only."""


class Settings(_Table, frozen=True):
    """All settings, with the places that they came from."""

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    retention: RetentionSettings = RetentionSettings()
    jobs: JobSettings = JobSettings()
    redis: RedisSettings = RedisSettings()
    cluster: ClusterSettings = ClusterSettings()
    cache: CacheSettings = CacheSettings()
    feeds: FeedSettings = FeedSettings()
    providers: ProviderSettings = ProviderSettings()
    quality: QualitySettings = QualitySettings()
    plugins: PluginTables = PluginTables()
    stream: StreamSettings = StreamSettings()
    auth: AuthSettings = AuthSettings()
    logging: LoggingSettings = LoggingSettings()
    origin: Origin = Origin()

    def plugin(self, name: str, clock: Clock) -> PluginSettings:
        """Return what the plugin ``name`` is handed."""
        table = self.plugins.tables.get(name, {})
        return PluginSettings(
            name, clock, lambda kind: convert(table, kind, ("plugins", name), self.origin)
        )

    @property
    def folder(self) -> Path:
        """The folder that relative paths of plugins count from."""
        return self.origin.folder
