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
    """A file, or a folder that is read with all its subfolders; absent = nothing is offered."""
    namespace: Annotated[str, Meta(pattern=r"^[A-Z0-9]+\.$")] | None = None
    """Prefix such as ``DEMO.``: only recorded symbols that begin with it are offered, and no other
    provider is asked for these. Absent = all symbols, behind the providers that are configured."""
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
