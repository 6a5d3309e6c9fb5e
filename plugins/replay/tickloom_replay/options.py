"""The settings of the plugin, ``[plugins.replay]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from tickloom.errors import ConfigError


class ReplaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is played, and how fast."""

    path: Path | None = None
    """A file, or a folder that is read with all its subfolders; must be given."""
    speed: Annotated[float, Meta(ge=0, le=1_000_000)] = 60.0
    """Recorded seconds per second: 1 = as recorded, 0 = as fast as it can be taken."""
    loop: bool = True
    """Start again at the end; otherwise the symbols fall silent."""
    shift_to_now: bool = True
    """Quotes carry the time at which they are played; otherwise the recorded time."""
    max_gap_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 900.0
    """Recorded seconds without an event are cut down to this; 0 = left as they are."""
    timezone: str = "UTC"
    """The IANA zone of times that a table gives without an offset."""


def require_path(options: ReplaySettings) -> Path:
    """Return the path to play.

    Raises:
        ConfigError: It is not set.
    """
    if options.path is None:
        raise ConfigError(
            "plugins.replay.path is not set",
            expected="a file or a folder with recorded data",
            fix='Add path = "data" to [plugins.replay], or leave replay out of plugins.enabled.',
        )
    return options.path


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone called ``name``.

    Raises:
        ConfigError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            "plugins.replay.timezone cannot be used",
            found=name,
            expected="an IANA time zone such as America/New_York",
        ) from None
