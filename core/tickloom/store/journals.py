"""Opens the journals that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from tickloom.settings import DatabaseSettings
from tickloom.store.address import kind_of, sqlite_path
from tickloom.store.journal import Journal
from tickloom.store.journal_records import BARS, KEPT, QUOTES, Form, KeptBar
from tickloom.store.quality_rows import Kept
from tickloom.store.rows import Record

R = TypeVar("R")

_MOST_BYTES_BESIDE = 33_554_432


def open_journal(settings: DatabaseSettings) -> Journal[Record] | None:
    """Return the journal of quotes that the settings name; ``None`` = there is none.

    Nothing is made yet.

    Raises:
        ConfigError: The URL names no database that can be used.
    """
    folder = _folder(settings)
    return None if folder is None else Journal(folder, settings.journal_bytes, QUOTES)


def open_bar_journal(settings: DatabaseSettings) -> Journal[KeptBar] | None:
    """Return the journal of live bars, beside that of quotes and of 32 MiB at most.

    Raises:
        ConfigError: The URL names no database that can be used.
    """
    return _beside(settings, "bars", BARS)


def open_quality_journal(settings: DatabaseSettings) -> Journal[Kept] | None:
    """Return the journal of the quarantine, beside that of quotes and of 32 MiB at most.

    Raises:
        ConfigError: The URL names no database that can be used.
    """
    return _beside(settings, "quality", KEPT)


def _beside(settings: DatabaseSettings, what: str, form: Form[R]) -> Journal[R] | None:
    folder = _folder(settings)
    if folder is None:
        return None
    limit = min(settings.journal_bytes, _MOST_BYTES_BESIDE)
    return Journal(folder.with_name(f"{folder.name}-{what}"), limit, form)


def _folder(settings: DatabaseSettings) -> Path | None:
    kind = kind_of(settings.url)
    if kind == "none" or not settings.journal_bytes:
        return None
    if settings.journal_path:
        return Path(settings.journal_path)
    if kind == "sqlite":
        path = sqlite_path(settings.url)
        return path.with_name(f"{path.name}.journal")
    return Path("tickloom.journal")
