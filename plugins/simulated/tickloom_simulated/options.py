"""The settings of ``[plugins.simulated]``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class SimulatedOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is simulated.

    Attributes:
        symbols: Names without the prefix; ``ACME`` is served as ``SIM.ACME``.
        ticks_per_s: Ticks a second for each symbol.
        seed: The same seed gives the same market.
    """

    symbols: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100_000)] = (
        "ACME",
        "GLOBEX",
        "INITECH",
    )
    ticks_per_s: Annotated[float, Meta(gt=0, le=1_000_000)] = 2.0
    seed: int = 7
