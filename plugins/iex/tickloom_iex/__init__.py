"""IEX: endpoints that answer as IEX Cloud did, and captures of IEX Exchange."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from tickloom.errors import NotConfigured
from tickloom.hookspecs import hookimpl
from tickloom.roles import PluginSettings, Provider
from tickloom_iex.capture import make_capture_provider
from tickloom_iex.client import IexClient
from tickloom_iex.options import IexSettings
from tickloom_iex.provider import IexProvider

tickloom_api = (1,)


@hookimpl
def tickloom_providers(settings: PluginSettings, http: httpx.AsyncClient) -> Sequence[Provider]:
    """Return the provider of an endpoint, of captures, or both, as far as they are configured.

    Raises:
        NotConfigured: Neither is.
    """
    options = settings.load(IexSettings)
    found: list[Provider] = []
    if options.base_url:
        client = IexClient(http, options, settings.clock)
        found.append(IexProvider(client, options, settings.clock))
    if options.captures is not None:
        found.append(make_capture_provider(options.captures, settings.clock))
    if not found:
        raise NotConfigured(
            "IEX Cloud closed in August 2024",
            fix="Set plugins.iex.base_url to a compatible endpoint.",
        )
    return found
