"""Prices of Alpha Vantage."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from tickloom.errors import NotConfigured
from tickloom.hookspecs import hookimpl
from tickloom.roles import PluginSettings, Provider
from tickloom_alpha_vantage.client import AlphaVantageClient
from tickloom_alpha_vantage.options import AlphaVantageSettings
from tickloom_alpha_vantage.provider import AlphaVantageProvider

tickloom_api = (1,)


@hookimpl
def tickloom_providers(settings: PluginSettings, http: httpx.AsyncClient) -> Sequence[Provider]:
    """Return the one provider.

    Raises:
        NotConfigured: There is no key.
    """
    options = settings.load(AlphaVantageSettings)
    if options.api_key is None:
        raise NotConfigured(
            "plugins.alpha_vantage.api_key is missing",
            fix="Set ALPHA_VANTAGE_API_KEY; the vendor gives keys away at alphavantage.co/support.",
        )
    client = AlphaVantageClient(
        http, options.base_url, options.api_key, options.entitlement, settings.clock
    )
    return [AlphaVantageProvider(client, options, settings.clock)]
