"""Settings as text that is safe to print."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tickloom.roles import Secret
from tickloom.settings.tree import Settings

_HIDDEN = "…"
_SECRET_KEY = re.compile(r"key|secret|token|password|passwd|credential", re.IGNORECASE)


def show(settings: Settings) -> dict[str, Any]:
    """Return all settings as plain tables with every secret replaced by ``…``."""
    tables: dict[str, Any] = {
        name: _plain(getattr(settings, name), name)
        for name in settings.__struct_fields__
        if name != "origin"
    }
    plugins = tables["plugins"]
    plugins.update(plugins.pop("tables"))
    if plugins["enabled"] is None:
        del plugins["enabled"]
    return tables


def _plain(value: Any, key: str) -> Any:
    if isinstance(value, Secret):
        return _HIDDEN
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name), name) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {name: _plain(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, key) for item in value]
    if isinstance(value, str):
        return _HIDDEN if value and _SECRET_KEY.search(key) else redact_url(value)
    return value


def redact_url(text: str) -> str:
    """Return ``text`` with the password and query of a URL in it replaced by ``…``.

    A password may hold any character, so everything between the first colon and the last ``@`` is
    taken for one.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        return text
    user, at, host = rest.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:{_HIDDEN}"
    host, query, _ = host.partition("?")
    return f"{scheme}://{user}{at}{host}{f'?{_HIDDEN}' if query else ''}"
