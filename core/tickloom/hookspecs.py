"""The hooks of a plugin. This is the whole contract; :mod:`tickloom.roles` says what is returned.

A plugin is a module or object behind an entry point in group ``tickloom``. It states the versions
of this contract that it supports in ``tickloom_api``, for example ``tickloom_api = (1,)``, and
implements any of the hooks below. An implementation may leave out arguments that it does not need.
Hooks are synchronous and do no I/O; the objects that they return are asynchronous.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pluggy

from tickloom.roles import Notifier, PluginSettings, Provider, SeriesValidator, Validator

API_VERSION = 1
ENTRY_POINT_GROUP = "tickloom"

hookspec = pluggy.HookspecMarker("tickloom")
hookimpl = pluggy.HookimplMarker("tickloom")


@hookspec
def tickloom_providers(settings: PluginSettings, http: httpx.AsyncClient) -> Sequence[Provider]:  # type: ignore[empty-body]
    """Return the providers of this plugin."""


@hookspec
def tickloom_notifiers(settings: PluginSettings, http: httpx.AsyncClient) -> Sequence[Notifier]:  # type: ignore[empty-body]
    """Return the notifiers of this plugin."""


@hookspec
def tickloom_validators(settings: PluginSettings) -> Sequence[Validator]:  # type: ignore[empty-body]
    """Return the validators of this plugin."""


@hookspec
def tickloom_series_validators(settings: PluginSettings) -> Sequence[SeriesValidator]:  # type: ignore[empty-body]
    """Return the validators of this plugin that judge a whole series of bars."""
