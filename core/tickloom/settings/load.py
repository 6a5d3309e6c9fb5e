"""Finds the settings file, lays the environment over it and types the result."""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tickloom.errors import ConfigError
from tickloom.settings.convert import Origin, convert, unknown_key
from tickloom.settings.tree import PluginTables, Settings

DEFAULT_FILE = "tickloom.toml"
_PREFIX = "TICKLOOM_"

# The names of the product's first release notes; TICKLOOM_<TABLE>__<KEY> reaches any other key.
_VARIABLES: dict[str, tuple[str, ...]] = {
    "REDIS_URL": ("redis", "url"),
    "DATABASE_URL": ("database", "url"),
    "LOG_LEVEL": ("logging", "level"),
    "MARKET_DATA_LOG_FILE": ("logging", "file"),
    "IEX_CLOUD_SANDBOX": ("plugins", "iex", "sandbox"),
}
_SECRET_VARIABLES: dict[str, tuple[str, ...]] = {
    "ALPHA_VANTAGE_API_KEY": ("plugins", "alpha_vantage", "api_key"),
    "IEX_CLOUD_API_KEY": ("plugins", "iex", "api_key"),
}
_TOML_VALUE = re.compile(r"true|false|[+-]?\d[\d_.eE+-]*|[\[{\"'].*", re.DOTALL)
_TABLES = tuple(name for name in Settings.__struct_fields__ if name != "origin")


def load_settings(
    file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of ``file``, of the environment and of ``overrides``, in this order.

    Args:
        file: A TOML file. ``None`` = ``TICKLOOM_CONFIG``, else ``tickloom.toml`` in the working
            directory where there is one, else none.
        environment: ``None`` = that of the process.
        overrides: Nested tables that win over both, such as the options of the command line.

    Raises:
        ConfigError: The file is missing or no TOML, or a setting is wrong.
    """
    environment = dict(os.environ if environment is None else environment)
    chosen = file or environment.get("TICKLOOM_CONFIG") or None
    if chosen is None and Path(DEFAULT_FILE).is_file():
        chosen = DEFAULT_FILE
    raw = _read(Path(chosen)) if chosen else {}
    variables: dict[tuple[str, ...], str] = {}
    _lay_environment(raw, environment, variables, str(chosen or ""))
    _merge(raw, overrides or {})
    origin = Origin(
        file=str(chosen or ""),
        folder=Path(chosen).resolve().parent if chosen else Path.cwd(),
        variables=variables,
        environment=environment,
    )
    return _typed(raw, origin)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError(
            f"the settings file {file} cannot be read",
            found=error.strerror,
            expected="a TOML file",
            fix="Check the path that --config or TICKLOOM_CONFIG names.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _lay_environment(
    raw: dict[str, Any],
    environment: Mapping[str, str],
    variables: dict[tuple[str, ...], str],
    file: str,
) -> None:
    for name, path in _SECRET_VARIABLES.items():
        if environment.get(name) and _find(raw, path) is None:
            _put(raw, path, {"env": name}, file)
            variables[path] = name
    for name, path in _VARIABLES.items():
        if environment.get(name):
            _put(raw, path, _value(environment[name], name), file)
            variables[path] = name
    for name, text in sorted(environment.items()):
        if name.startswith(_PREFIX) and "__" in name:
            path = tuple(name.removeprefix(_PREFIX).lower().split("__"))
            _put(raw, path, _value(text, name), file)
            variables[path] = name


def _value(text: str, name: str) -> Any:
    if name == "LOG_LEVEL":
        return text.upper()
    if not _TOML_VALUE.fullmatch(text):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _find(raw: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = raw
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _put(raw: dict[str, Any], path: tuple[str, ...], value: Any, file: str) -> None:
    table = raw
    for depth, key in enumerate(path[:-1], 1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            name = ".".join(path[:depth])
            raise ConfigError(f"{file}: {name} cannot be used", found=table, expected="a table")
    table[path[-1]] = value


def _merge(raw: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            _merge(raw.setdefault(key, {}), value)
        else:
            raw[key] = value


def _typed(raw: dict[str, Any], origin: Origin) -> Settings:
    tables: dict[str, Any] = {}
    for name, table in raw.items():
        if name not in _TABLES:
            raise unknown_key((name,), list(_TABLES), origin)
        if name == "plugins" and isinstance(table, dict):
            tables[name] = convert(_plugin_tables(table, origin), PluginTables, (name,), origin)
        else:
            tables[name] = convert(table, _kind(name), (name,), origin)
    settings = Settings(**tables, origin=origin)
    _check(settings)
    return settings


def _kind(name: str) -> type:
    return type(getattr(Settings(), name))


def _plugin_tables(raw: Mapping[str, Any], origin: Origin) -> dict[str, Any]:
    shaped: dict[str, Any] = {"tables": {}}
    for key, value in raw.items():
        if key in {"enabled", "strict"}:
            shaped[key] = value
        elif isinstance(value, dict):
            shaped["tables"][key] = value
        else:
            known = ["enabled", "strict", "a table for each plugin"]
            raise unknown_key(("plugins", key), known, origin)
    return shaped


def _check(settings: Settings) -> None:
    origin = settings.origin
    if settings.auth.mode == "none" and not is_loopback(settings.server.host):
        raise ConfigError(
            f"{origin.name(('server', 'host'))}: server.host is open to other machines while "
            'auth.mode is "none"',
            found=settings.server.host,
            expected="a loopback address such as 127.0.0.1",
            fix='Set auth.mode = "keys" and add keys to [auth.keys], or listen on loopback.',
        )
    if settings.auth.mode == "keys" and not settings.auth.keys:
        raise ConfigError(
            f'{origin.name(("auth", "mode"))}: auth.mode is "keys" but [auth.keys] is empty',
            fix='Add a line such as alice = { env = "ALICE_KEY" } to [auth.keys].',
        )
    if settings.server.workers > 1 and not settings.redis.url:
        raise ConfigError(
            f"{origin.name(('server', 'workers'))}: several workers need Redis to share their "
            "cache and streams",
            found=settings.server.workers,
            expected="1 worker, or redis.url set",
            fix="Set redis.url or REDIS_URL, or run one worker.",
        )
    scheme = settings.database.url.partition(":")[0]
    if scheme not in {"", "sqlite", "postgresql", "postgres"}:
        raise ConfigError(
            f"{origin.name(('database', 'url'))}: database.url has an unknown scheme",
            found=scheme,
            expected="sqlite:///file or postgresql://user@host/name",
        )


def is_loopback(host: str) -> bool:
    """True where only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def with_overrides(settings: Settings, overrides: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Return ``settings`` with single values replaced, checked again."""
    changed = {
        name: msgspec.structs.replace(getattr(settings, name), **table)
        for name, table in overrides.items()
    }
    result = msgspec.structs.replace(settings, **changed)
    _check(result)
    return result
