"""TOML and environment to typed settings. No other room reads the environment."""

from tickloom.settings.load import DEFAULT_FILE, is_loopback, load_settings, with_overrides
from tickloom.settings.show import redact_url, show
from tickloom.settings.tree import (
    AuthSettings,
    CacheSettings,
    ClusterSettings,
    DatabaseSettings,
    FeedSettings,
    JobSettings,
    LoggingSettings,
    PluginTables,
    ProviderSettings,
    QualitySettings,
    RedisSettings,
    RetentionSettings,
    RingSettings,
    ServerSettings,
    Settings,
    StreamSettings,
)

__all__ = [
    "DEFAULT_FILE",
    "AuthSettings",
    "CacheSettings",
    "ClusterSettings",
    "DatabaseSettings",
    "FeedSettings",
    "JobSettings",
    "LoggingSettings",
    "PluginTables",
    "ProviderSettings",
    "QualitySettings",
    "RedisSettings",
    "RetentionSettings",
    "RingSettings",
    "ServerSettings",
    "Settings",
    "StreamSettings",
    "is_loopback",
    "load_settings",
    "redact_url",
    "show",
    "with_overrides",
]
