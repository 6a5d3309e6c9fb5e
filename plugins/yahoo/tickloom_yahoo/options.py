"""The settings of the plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct


class YahooSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[plugins.yahoo]``.

    Attributes:
        threads: Most requests at the same time; each has a thread.
        cache_dir: Where the vendor's cookie is kept; ``None`` = ``~/.cache/tickloom/yahoo``. A
            folder that cannot be written is replaced by a temporary one.
        base_url: Replaces ``https://….yahoo.com`` in every request, for proxies and tests; empty =
            the vendor's own hosts.
        stream_url: The vendor's stream.
        timeout_s: Longest time for one request, cookie and crumb included.
        extended_hours: Quotes, bars of minutes and the stream cover trading before and after the
            regular session.
    """

    threads: Annotated[int, Meta(ge=1, le=32)] = 4
    cache_dir: Path | None = None
    base_url: Annotated[str, Meta(pattern=r"^(https?://\S+)?$")] = ""
    stream_url: Annotated[str, Meta(pattern=r"^wss?://\S+$")] = (
        "wss://streamer.finance.yahoo.com/?version=2"
    )
    timeout_s: Annotated[float, Meta(gt=0, le=120)] = 10.0
    extended_hours: bool = False
