"""What ``tickloom serve`` says when it runs: where everything is, and what to type first."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from tickloom import __version__
from tickloom.cli.listening import reachable_host, stream_url
from tickloom.cli.listing import Listing, print_plugins, tell_plugin
from tickloom.cli.output import print_fields
from tickloom.model import Timeliness
from tickloom.roles import ProviderInfo
from tickloom.settings import Settings, redact_url

_API = "/api/v1/market-data"
_ANY_SYMBOL = "AAPL"
_MOST_SHOWN = 8


class Banner:
    """Where a running server is found.

    Args:
        settings: With the ports that are really listened on.
        listing: The plugins of the server.
        trouble: Sentences on what else does not work.
    """

    def __init__(self, settings: Settings, listing: Listing, trouble: list[str]) -> None:
        self._settings = settings
        self._trouble = trouble
        self._listing = listing
        server = settings.server
        host = reachable_host(server.host)
        self.base = f"http://{host}:{server.port}"
        self.streams = [f"ws://{host}:{server.port}/ws"]
        if server.stream_port:
            self.streams.append(stream_url(server))
        self.symbol = _first_symbol(listing)

    def first_steps(self) -> list[str]:
        """Return what a first client would type."""
        key = ' -H "X-API-Key: $TICKLOOM_API_KEY"' if self._settings.auth.mode == "keys" else ""
        stream = f"{_command()} stream {self.symbol} --url {self.streams[-1]}"
        return [
            f"curl{key} {self.base}{_API}/quotes/{self.symbol}",
            f"curl{key} -N '{self.base}{_API}/stream/sse?symbols={self.symbol}'",
            stream,
        ]

    def as_json(self) -> dict[str, Any]:
        """Return all of it for scripts; they wait for this line."""
        settings = self._settings
        return {
            "version": __version__,
            "pid": os.getpid(),
            "api": f"{self.base}{_API}",
            "stream": self.streams,
            "events": f"{self.base}{_API}/stream/sse",
            "docs": f"{self.base}/schema",
            "openapi": f"{self.base}/schema/openapi.json",
            "host": settings.server.host,
            "port": settings.server.port,
            "stream_port": settings.server.stream_port or None,
            "settings": settings.origin.file or None,
            "database": redact_url(settings.database.url) or None,
            "redis": redact_url(settings.redis.url) or None,
            "plugins": [tell_plugin(line) for line in self._listing.report],
            "providers": sorted(self._listing.providers),
            "warnings": self._warnings(),
            "try": self.first_steps(),
        }

    def print(self, console: Console) -> None:
        """Print it for people."""
        settings = self._settings
        console.print(f"tickloom {__version__}", style="bold")
        print_fields(
            console,
            {
                "API": f"{self.base}{_API}",
                "Stream": "  ".join(self.streams),
                "Events": f"{self.base}{_API}/stream/sse",
                "Docs": f"{self.base}/schema",
                "Symbols": "\n".join(map(_describe_symbols, self._listing.providers.values()))
                or None,
                "Settings": settings.origin.file or "defaults and environment, no file",
                "Database": redact_url(settings.database.url) or "none, nothing is stored",
                "Cache": redact_url(settings.redis.url) or "this process",
            },
        )
        console.print()
        if self._listing.report:
            print_plugins(console, self._listing.report)
        for sentence in self._warnings():
            console.print(f"! {sentence}", style="yellow")
        console.print("\nTry", style="bold")
        for line in self.first_steps():
            console.print(f"  {line}", soft_wrap=True)

    def _warnings(self) -> list[str]:
        found = self._trouble + self._listing.absent_providers(self._settings.providers)
        if not self._listing.providers:
            found.append("no provider is running, so there are no prices: install a plugin")
        return found


def _first_symbol(listing: Listing) -> str:
    # A feed of invented prices needs no network and no market hours, and never comes to an end.
    by_choice = sorted(
        listing.providers.values(),
        key=lambda info: (
            info.timeliness is not Timeliness.SIMULATED,
            not info.namespace,
            info.name,
        ),
    )
    return next((min(info.symbols) for info in by_choice if info.symbols), _ANY_SYMBOL)


def _describe_symbols(info: ProviderInfo) -> str:
    if info.symbols is None:
        return f"{info.name}: {f'{info.namespace}…' if info.namespace else 'any that it knows'}"
    some = ", ".join(sorted(info.symbols)[:_MOST_SHOWN])
    more = len(info.symbols) - _MOST_SHOWN
    return f"{info.name}: {some}" + (f" and {more} more" if more > 0 else "")


def _command() -> str:
    # After `make run` the command is in .venv/bin, which is not on anybody's path.
    if shutil.which("tickloom") or Path(sys.argv[0]).name != "tickloom":
        return "tickloom"
    return os.path.relpath(sys.argv[0])
