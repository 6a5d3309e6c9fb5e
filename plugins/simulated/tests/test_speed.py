"""How fast a quote is; ``make bench`` prints a table of all providers."""

from __future__ import annotations

import pytest

from tickloom.clock import SystemClock
from tickloom.testing.bench import ProviderSpeed, asking
from tickloom_simulated.options import SimulatedOptions
from tickloom_simulated.provider import SimulatedProvider

WIDTH = 20


@pytest.fixture
def provider() -> SimulatedProvider:
    return SimulatedProvider(SimulatedOptions(), SystemClock())


def test_a_call(tickloom_speed: ProviderSpeed, provider: SimulatedProvider) -> None:
    tickloom_speed.call("simulated", asking(provider, "SIM.ACME"))


def test_calls_at_the_same_time(tickloom_speed: ProviderSpeed, provider: SimulatedProvider) -> None:
    tickloom_speed.concurrent("simulated", asking(provider, "SIM.ACME"), WIDTH)
