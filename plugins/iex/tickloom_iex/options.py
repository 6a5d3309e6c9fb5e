"""The settings of the plugin."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tickloom.roles import Secret
from tickloom_iex.capture.options import CaptureOptions

Url = Annotated[str, Meta(pattern=r"^(https?://\S+)?$")]
Channel = Literal[
    "stocksUS",
    "stocksUS1Second",
    "stocksUS5Second",
    "stocksUS1Minute",
    "stocksUSNoUTP",
    "stocksUSNoUTP1Second",
    "stocksUSNoUTP5Second",
    "stocksUSNoUTP1Minute",
    "tops",
    "last",
]


class IexSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[plugins.iex]``.

    Attributes:
        base_url: An endpoint that answers as IEX Cloud's v1 did, with its version, such as
            ``https://iex.example/v1``. Empty = the provider ``iex`` does not run.
        api_key: The endpoint's token; ``None`` = it needs none.
        sandbox: Its values are scrambled. A test token (``Tpk_…``, ``Tsk_…``) says so too.
        stream_url: Where its Server-Sent Events are, with the version. Empty = no stream.
        stream_channel: What is streamed; those without ``NoUTP`` need an agreement for shares
            listed at Nasdaq.
        stream_idle_s: Seconds of silence after which a stream counts as broken.
        events: Ask for splits and dividends with daily bars, two more requests for each question.
        market_minutes: Bars of minutes from all venues, 15 minutes late, instead of IEX's own.
        calls_per_second: The endpoint's limit; ``None`` = none of this kind.
        captures: Captures of IEX Exchange that are played; ``None`` = none.
    """

    base_url: Url = ""
    api_key: Secret | None = None
    sandbox: bool = False
    stream_url: Url = ""
    stream_channel: Channel = "stocksUSNoUTP"
    stream_idle_s: Annotated[float, Meta(gt=0, le=86_400)] = 180.0
    events: bool = True
    market_minutes: bool = False
    calls_per_second: Annotated[int, Meta(ge=1)] | None = 20
    captures: CaptureOptions | None = None

    @property
    def is_scrambled(self) -> bool:
        """True where the values are made up."""
        key = self.api_key.reveal() if self.api_key is not None else ""
        return self.sandbox or key.startswith(("Tpk_", "Tsk_"))
