"""Sources and readers of scripted providers, and a question for bars."""

from __future__ import annotations

import random
from datetime import date

from scripted import ScriptedProvider
from tickloom.clock import FakeClock
from tickloom.feeds import Reader, RequestBudget, Router, Source
from tickloom.roles import Budget, HistoryRequest
from tickloom.settings import ProviderSettings

SETTINGS = ProviderSettings(primary="first", fallback=("second",))
DAY = HistoryRequest(symbol="AAPL", start=date(2026, 1, 1), end=date(2026, 1, 2))


def make_source(provider: ScriptedProvider, timeout_s: float = 5) -> Source:
    clock = FakeClock()
    return Source(
        provider, clock, timeout_s, RequestBudget("first", Budget(), clock), random.Random(1)
    )


def make_reader(*providers: ScriptedProvider) -> Reader:
    return Reader(Router([make_source(provider) for provider in providers], SETTINGS))
