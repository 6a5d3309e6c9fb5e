"""The settings of the plugin."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tickloom.roles import Secret


class AlphaVantageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[plugins.alpha_vantage]``.

    Attributes:
        api_key: The vendor's key.
        base_url: Where to ask, without the path.
        premium: Whether the key pays for adjusted daily series, intraday series and batches.
        entitlement: Fresher values than the end of day that the key pays for; empty = none.
        calls_per_minute: The plan's limit; ``None`` = none of this kind.
        calls_per_day: The plan's limit; ``None`` = none of this kind.
    """

    api_key: Secret | None = None
    base_url: Annotated[str, Meta(pattern=r"^https?://\S+$")] = "https://www.alphavantage.co"
    premium: bool = False
    entitlement: Literal["", "delayed", "realtime"] = ""
    calls_per_minute: Annotated[int, Meta(ge=1)] | None = None
    calls_per_day: Annotated[int, Meta(ge=1)] | None = 25
