"""A seeded test feed that needs no network: invented prices for symbols ``SIM.*`` only."""

from __future__ import annotations

from collections.abc import Sequence

from tickloom.hookspecs import hookimpl
from tickloom.roles import PluginSettings, Provider
from tickloom_simulated.options import SimulatedOptions
from tickloom_simulated.provider import SimulatedProvider

tickloom_api = (1,)


@hookimpl
def tickloom_providers(settings: PluginSettings) -> Sequence[Provider]:
    """Return the one provider of this plugin."""
    return [SimulatedProvider(settings.load(SimulatedOptions), settings.clock)]
