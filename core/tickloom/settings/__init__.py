"""TOML and environment to typed settings. No other room reads the environment."""

from tickloom.settings.load import DEFAULT_FILE, load_settings
from tickloom.settings.show import redact_url, show
from tickloom.settings.tree import (
    AuthSettings,
    CacheSettings,
    DatabaseSettings,
    FeedSettings,
    LoggingSettings,
    PluginTables,
    ProviderSettings,
    RedisSettings,
    RingSettings,
    ServerSettings,
    Settings,
    StreamSettings,
)

__all__ = [
    "DEFAULT_FILE",
    "AuthSettings",
    "CacheSettings",
    "DatabaseSettings",
    "FeedSettings",
    "LoggingSettings",
    "PluginTables",
    "ProviderSettings",
    "RedisSettings",
    "RingSettings",
    "ServerSettings",
    "Settings",
    "StreamSettings",
    "load_settings",
    "redact_url",
    "show",
]
