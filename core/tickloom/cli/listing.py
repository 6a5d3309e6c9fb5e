"""What the plugins are, loaded only to be listed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

import httpx
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from tickloom.cli.output import make_table
from tickloom.clock import SystemClock
from tickloom.plugins import PluginReport, Plugins, load_plugins
from tickloom.roles import ProviderInfo
from tickloom.settings import ProviderSettings, Settings

_STYLES = {
    "active": "green",
    "disabled": "dim",
    "not configured": "dim",
    "failed": "red",
    "not installed": "yellow",
}


class Listing(Struct, frozen=True):
    """What the plugins said of themselves.

    Attributes:
        report: A line for each plugin.
        providers: What each running provider declares, by name.
    """

    report: list[PluginReport]
    providers: dict[str, ProviderInfo]

    @classmethod
    def of(cls, plugins: Plugins) -> Listing:
        """Return the listing of loaded plugins."""
        infos = {name: provider.info for name, provider in plugins.providers.items()}
        return cls(plugins.report, infos)

    @property
    def failed(self) -> list[PluginReport]:
        """The plugins that should run and do not."""
        return [line for line in self.report if line.state in {"failed", "not installed"}]

    def absent_providers(self, settings: ProviderSettings) -> list[str]:
        """Return a sentence for each provider that ``[providers]`` names and that does not run.

        A fallback that is not configured is none of them, be it that its plugin is not or that the
        plugin runs for another one: those that come by default are named for whoever has use for
        them.
        """
        named = {settings.primary: "primary"} | dict.fromkeys(settings.fallback, "fallback")
        lines = {line.name: line for line in self.report}
        unused = {line.name for line in self.report if line.state in {"not configured", "active"}}
        return [
            f"the {role} provider {name} is not running: {_why_absent(lines.get(name))}"
            for name, role in named.items()
            if name and name not in self.providers
            if role == "primary" or name not in unused
        ]


def _why_absent(line: PluginReport | None) -> str:
    if line is None:
        return "not installed"
    if line.state == "active":
        return f"its plugin offers {', '.join(line.offers) or 'nothing'} with these settings"
    return line.reason or line.state


def list_plugins(settings: Settings, points: Sequence[EntryPoint] | None = None) -> Listing:
    """Load the plugins of ``settings``, list them and let go of them; failures are lines of it.

    Args:
        settings: Those of the host.
        points: The plugins to consider; ``None`` = all installed.

    Raises:
        PluginError: ``plugins.strict`` is set and a plugin failed.
    """

    async def run() -> Listing:
        async with httpx.AsyncClient() as http:
            plugins = load_plugins(settings, http, SystemClock(), points)
            await plugins.aclose()
        return Listing.of(plugins)

    return asyncio.run(run())


def tell_plugin(line: PluginReport) -> dict[str, Any]:
    """Return all that is known of a plugin, also what is empty."""
    return {field: getattr(line, field) for field in line.__struct_fields__}


def print_plugins(console: Console, report: Sequence[PluginReport]) -> None:
    """Print one line for each plugin."""
    table = make_table("Plugin", "Version", "Distribution", "State", "Offers", "Hooks", "Reason")
    for line in report:
        table.add_row(
            line.name,
            line.version,
            line.distribution,
            Text(line.state, style=_STYLES[line.state]),
            ", ".join(line.offers),
            ", ".join(hook.removeprefix("tickloom_") for hook in line.hooks),
            line.reason,
        )
    console.print(table)
