"""The names of well-known providers and how fresh a provider's values are."""

from __future__ import annotations

from enum import StrEnum


class DataProvider(StrEnum):
    """Names of the providers that tickloom's own plugins offer.

    Any plugin adds names of its own, so wherever a provider is named plain text does as well.
    """

    YAHOO_FINANCE = "yahoo"
    ALPHA_VANTAGE = "alpha_vantage"
    IEX_CLOUD = "iex"
    SIMULATED = "simulated"
    REPLAY = "replay"


class Timeliness(StrEnum):
    """How old a provider's newest value is when it arrives."""

    REAL_TIME = "real_time"
    DELAYED = "delayed"
    END_OF_DAY = "end_of_day"
    REPLAYED = "replayed"
    SIMULATED = "simulated"
