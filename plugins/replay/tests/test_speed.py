"""How fast a quote is; ``make bench`` prints a table of all providers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tickloom.clock import SystemClock
from tickloom.roles import PluginSettings, Provider
from tickloom.testing.bench import ProviderSpeed, asking
from tickloom_replay import tickloom_providers

DATA = Path(__file__).resolve().parents[3] / "examples" / "data"
WIDTH = 20


@pytest.fixture
def provider() -> Provider:
    def convert(kind: type) -> object:
        return kind(path=DATA, namespace="DEMO.")

    [provider] = tickloom_providers(PluginSettings("replay", SystemClock(), convert))
    return provider


def test_a_call(tickloom_speed: ProviderSpeed, provider: Provider) -> None:
    tickloom_speed.call("replay", asking(provider, "DEMO.AURORA"))


def test_calls_at_the_same_time(tickloom_speed: ProviderSpeed, provider: Provider) -> None:
    tickloom_speed.concurrent("replay", asking(provider, "DEMO.AURORA"), WIDTH)
