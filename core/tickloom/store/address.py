"""What a database URL names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tickloom.errors import ConfigError
from tickloom.settings import redact_url

_EXPECTED = "sqlite:///file, sqlite:////folder/file, postgresql://user@host/name, or empty"
_SQLITE = "sqlite:///"


def kind_of(url: str) -> str:
    """Return ``sqlite``, ``postgresql``, or ``none`` for the empty URL, which stores nothing.

    Raises:
        ConfigError: The URL names no database that can be used.
    """
    if not url:
        return "none"
    if url.startswith("sqlite:"):
        sqlite_path(url)
        return "sqlite"
    if url.startswith(("postgresql://", "postgres://")) and _is_readable(url):
        return "postgresql"
    raise ConfigError(
        "database.url cannot be used",
        found=redact_url(url),
        expected=_EXPECTED,
        fix="Write an @, : or / within a password as %40, %3A or %2F.",
    )


def sqlite_path(url: str) -> Path:
    """Return the file; three slashes name it from the working directory, four from the root.

    Raises:
        ConfigError: The URL names no file.
    """
    name = url.removeprefix(_SQLITE)
    # A database in memory would be another one for each connection.
    if not url.startswith(_SQLITE) or not name or ":memory:" in name or "?" in name:
        raise ConfigError("database.url names no file", found=redact_url(url), expected=_EXPECTED)
    return Path(name)


def _is_readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        # Several hosts in one URL have no single port.
        return "," in url
    return parts.netloc.count("@") <= 1
