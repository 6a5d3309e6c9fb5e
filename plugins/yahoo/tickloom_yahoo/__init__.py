"""Prices of Yahoo Finance."""

from __future__ import annotations

from collections.abc import Sequence

from tickloom.hookspecs import hookimpl
from tickloom.roles import PluginSettings, Provider
from tickloom_yahoo.client import YahooClient
from tickloom_yahoo.options import YahooSettings
from tickloom_yahoo.provider import YahooProvider

tickloom_api = (1,)


@hookimpl
def tickloom_providers(settings: PluginSettings) -> Sequence[Provider]:
    """Return the one provider; it brings its own HTTP client, yfinance's."""
    options = settings.load(YahooSettings)
    return [YahooProvider(YahooClient(options, settings.clock), options, settings.clock)]
