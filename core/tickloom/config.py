"""The settings as one object with plain attributes, for scripts that set a few and go.

What is set here lies over the settings file and the environment for every manager that is made
afterwards; ``log_level`` takes effect at once where logging was set up by tickloom.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tickloom.errors import ConfigError
from tickloom.model import DataProvider
from tickloom.monitoring.logs import set_level
from tickloom.settings import Settings, load_settings

__all__ = ["Config", "DataProvider", "config"]

_PLACES: dict[str, tuple[str, ...]] = {
    "primary_provider": ("providers", "primary"),
    "fallback_providers": ("providers", "fallback"),
    "yahoo_finance_rate_limit": ("providers", "budgets", "yahoo", "per_minute"),
    "alpha_vantage_rate_limit": ("providers", "budgets", "alpha_vantage", "per_minute"),
    "iex_cloud_rate_limit": ("providers", "budgets", "iex", "per_minute"),
    "quote_cache_ttl": ("cache", "quote_ttl_s"),
    "historical_cache_ttl": ("cache", "historical_ttl_s"),
    "company_info_cache_ttl": ("cache", "company_ttl_s"),
    "websocket_host": ("server", "host"),
    "websocket_port": ("server", "stream_port"),
    "real_time_update_interval": ("feeds", "real_time_update_interval_s"),
    "batch_update_interval": ("feeds", "batch_update_interval_s"),
    "redis_url": ("redis", "url"),
    "database_url": ("database", "url"),
    "log_level": ("logging", "level"),
}


class Config:
    """Attributes over the typed settings; an unknown name or a wrong value is a ``ConfigError``."""

    def __init__(self) -> None:
        object.__setattr__(self, "_overrides", {})

    def settings(self) -> Settings:
        """Return the typed settings as they are now."""
        return load_settings(overrides=self._overrides)

    def reset(self) -> None:
        """Forget all that was set here."""
        self._overrides.clear()

    def __getattr__(self, name: str) -> Any:
        if name == "_overrides":
            raise AttributeError(name)
        place = _place(name)
        value: Any = self.settings()
        for key in place:
            value = value.get(key) if isinstance(value, dict) else getattr(value, key, None)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        place = _place(name)
        before = _copied(self._overrides)
        table = self._overrides
        for key in place[:-1]:
            table = table.setdefault(key, {})
        table[place[-1]] = _plain(value)
        try:
            settings = self.settings()
        except ConfigError:
            object.__setattr__(self, "_overrides", before)
            raise
        if name == "log_level":
            set_level(settings.logging.level)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_PLACES]


def _place(name: str) -> tuple[str, ...]:
    if name not in _PLACES:
        raise ConfigError("unknown setting", found=name, expected="one of " + ", ".join(_PLACES))
    return _PLACES[name]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return value


def _copied(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(value) if isinstance(value, dict) else value for key, value in table.items()
    }


config = Config()
