"""The settings of the captures, ``[plugins.iex.captures]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct


class CaptureOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which captures of IEX Exchange are played, and how fast."""

    path: Path
    """A capture, or a folder of captures without its subfolders."""
    namespace: Annotated[str, Meta(pattern=r"^[A-Z0-9]+\.$")] | None = None
    """Prefix such as ``TAPE.`` that is put before every symbol; no other provider is asked for
    these. Absent = the symbols as they are, behind the providers that are configured."""
    speed: Annotated[float, Meta(ge=0, le=1_000_000)] = 60.0
    """Recorded seconds per second: 1 = as recorded, 0 = as fast as it can be taken."""
    loop: bool = True
    """Start again at the end; otherwise the symbols fall silent."""
    shift_to_now: bool = True
    """Quotes carry the time at which they are played; otherwise the venue's time."""
    max_gap_s: Annotated[float, Meta(ge=0, le=31_536_000)] = 900.0
    """Recorded seconds without a message are cut down to this; 0 = left as they are."""
