"""Our own plugins, and the example, under the contract that third parties run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

import tickloom_replay as replay
import tickloom_simulated as simulated
from contract.acme import SECRET, AcmeNotifier, AcmeValidator
from tickloom.clock import SystemClock
from tickloom.roles import PluginSettings, Provider
from tickloom.testing import NotifierContract, ProviderContract, ValidatorContract

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def settings_of(name: str, **options: object) -> PluginSettings:
    return PluginSettings(name, SystemClock(), lambda kind: kind(**options))


class TestSimulated(ProviderContract):
    known = ("SIM.ACME", "SIM.GLOBEX")

    def make(self) -> Provider:
        [provider] = simulated.tickloom_providers(settings_of("simulated", ticks_per_s=50.0))
        return provider


class TestReplay(ProviderContract):
    known = ("DEMO.CIRRUS", "DEMO.AURORA")

    def make(self) -> Provider:
        [provider] = replay.tickloom_providers(
            settings_of("replay", path=EXAMPLES / "data", namespace="DEMO.", speed=10_000.0)
        )
        return provider


class TestExample(ProviderContract):
    known = ("EXA.EURUSD", "EXA.EURJPY")

    @pytest.fixture(autouse=True)
    def _found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # It is not installed here; tests/packaging does that.
        monkeypatch.syspath_prepend(EXAMPLES / "third_party_provider")

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Provider]:
        from tickloom_example import provider as example

        async with httpx.AsyncClient(trust_env=False) as http:
            [provider] = example.tickloom_providers(settings_of("example"), http)
            yield provider


class TestNotifier(NotifierContract):
    recipient = "me@example.org"
    bad_recipient = "nobody"
    tells_twins = True
    secrets = (SECRET,)

    def make(self) -> AcmeNotifier:
        self.box: list[str] = []
        return AcmeNotifier(self.box)

    def received(self) -> list[str]:
        return self.box


class TestValidator(ValidatorContract):
    def make(self) -> AcmeValidator:
        return AcmeValidator()
