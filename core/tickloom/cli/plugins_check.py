"""``tickloom plugins check``: an installed plugin under the contract, and the tier it reaches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import EntryPoint
from typing import Any

import httpx
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tickloom.cli.listing import list_plugins
from tickloom.clock import Clock, SystemClock
from tickloom.errors import NotConfigured, NotFound, PluginError
from tickloom.feeds.budget import RequestBudget
from tickloom.model import parse_symbol
from tickloom.plugins import Plugins, find_entry_points, load_plugins
from tickloom.roles import Provider, Secret
from tickloom.settings import Settings, load_settings
from tickloom.testing.cases import Case, Tier
from tickloom.testing.cases_notifier import NOTIFIER_CASES
from tickloom.testing.cases_provider import PROVIDER_CASES
from tickloom.testing.cases_running import Outcome, reached, run_case
from tickloom.testing.cases_series import SERIES_CASES
from tickloom.testing.cases_trial import (
    NotifierTrial,
    ProviderTrial,
    SeriesTrial,
    ValidatorTrial,
)
from tickloom.testing.cases_validator import VALIDATOR_CASES

_MOST_SYMBOLS = 5
_SOURCES = {"env", "file"}
# A place in a budget of some calls a minute is worth waiting for, one in tomorrow's is not.
_LONGEST_WAIT_S = 120.0


class Told(Struct, frozen=True, kw_only=True):
    """What the user tells of a plugin.

    Attributes:
        symbols: Known symbols; empty = those that the provider lists.
        unknown: A symbol that no provider serves; empty = one is made up.
        recipient: Who may get a notifier's test messages; empty = none are sent.
        limit_s: Seconds for each case.
    """

    symbols: tuple[str, ...] = ()
    unknown: str = ""
    recipient: str = ""
    limit_s: float = 10.0


class Checked(Struct, frozen=True, kw_only=True):
    """What came of one object that a plugin offers.

    Attributes:
        role: ``provider``, ``notifier``, ``validator`` or ``series_validator``.
        name: Its own name.
        outcomes: One for each case, in order.
    """

    role: str
    name: str
    outcomes: list[Outcome]

    @property
    def tier(self) -> Tier | None:
        """The tier that it reaches."""
        return reached(self.outcomes)

    @property
    def fails(self) -> bool:
        """True where a case of the first tier failed: it does not work at all."""
        return any(one.state == "failed" and one.case.tier is Tier.BRONZE for one in self.outcomes)


def check_plugin(
    name: str, told: Told, config_file: str | None = None
) -> Iterator[Callable[[], Checked]]:
    """Yield what to call for the outcome of each object that the plugin ``name`` offers.

    Raises:
        NotFound: No such plugin is installed.
        NotConfigured: It needs settings that nobody made.
        PluginError: It cannot be loaded with these settings, or offers nothing.
    """
    points = [point for point in find_entry_points() if point.name == name]
    if not points:
        names = sorted({point.name for point in find_entry_points()})
        raise NotFound(
            f"no plugin {name} is installed", expected=f"one of {', '.join(names) or 'none'}"
        )
    # Whether the plugin is enabled says nothing about whether it keeps to the contract.
    settings = load_settings(config_file, overrides={"plugins": {"strict": False}})
    settings = replace(settings, plugins=replace(settings.plugins, enabled=None))
    found = list_plugins(settings, points)
    [line] = [one for one in found.report if one.name == name][:1]
    if line.state == "not configured":
        raise NotConfigured(f"plugin {name} is not configured: {line.reason}")
    if line.state != "active":
        raise PluginError(f"plugin {name} {line.state}: {line.reason}")
    if not line.offers:
        raise PluginError(f"plugin {name} offers nothing with these settings")
    for offer in line.offers:
        role, _, inner = offer.partition(" ")
        yield partial(_check, _Plugin(settings, points[:1], name), role, inner, told)


class _Plugin:
    """Makes the plugin's objects anew for each case.

    Args:
        settings: Those of the host.
        points: The plugin's entry point.
        name: The plugin's name.
    """

    def __init__(self, settings: Settings, points: list[EntryPoint], name: str) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.secrets = _secrets_of(settings, name, self.clock)
        self._points = points

    @asynccontextmanager
    async def loaded(self) -> AsyncIterator[Plugins]:
        """Give what the plugin hands over."""
        timeout_s = self.settings.feeds.provider_timeout_s
        async with httpx.AsyncClient(timeout=timeout_s) as http:
            yield load_plugins(self.settings, http, self.clock, self._points)


def _check(plugin: _Plugin, role: str, name: str, told: Told) -> Checked:
    cases: tuple[Case[Any], ...]
    opened: Callable[[], AbstractAsyncContextManager[Any]]
    if role == "provider":
        cases, opened = PROVIDER_CASES, _provider_trials(plugin, name, told)
    elif role == "notifier":
        cases, opened = NOTIFIER_CASES, partial(_notifier_trial, plugin, name, told)
    elif role == "series_validator":
        cases, opened = SERIES_CASES, partial(_series_trial, plugin, name)
    else:
        cases, opened = VALIDATOR_CASES, partial(_validator_trial, plugin, name)
    outcomes = [run_case(case, opened, told.limit_s) for case in cases]
    return Checked(role=role, name=name, outcomes=outcomes)


def _provider_trials(
    plugin: _Plugin, name: str, told: Told
) -> Callable[[], AbstractAsyncContextManager[ProviderTrial]]:
    budgets: list[RequestBudget] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[ProviderTrial]:
        async with plugin.loaded() as plugins:
            provider = plugins.providers[name]
            if not budgets:
                budgets.append(RequestBudget(name, provider.info.budget, plugin.clock))
            yield ProviderTrial(
                provider=provider,
                clock=plugin.clock,
                known=_known(provider, told),
                unknown=parse_symbol(told.unknown) if told.unknown else "",
                secrets=plugin.secrets,
                take=partial(budgets[0].take, _LONGEST_WAIT_S),
            )

    return opened


@asynccontextmanager
async def _notifier_trial(plugin: _Plugin, name: str, told: Told) -> AsyncIterator[NotifierTrial]:
    async with plugin.loaded() as plugins:
        yield NotifierTrial(
            notifier=plugins.notifiers[name], recipient=told.recipient, secrets=plugin.secrets
        )


@asynccontextmanager
async def _validator_trial(plugin: _Plugin, name: str) -> AsyncIterator[ValidatorTrial]:
    async with plugin.loaded() as plugins:
        yield ValidatorTrial(
            validator=plugins.validators[name], now=plugin.clock.now(), secrets=plugin.secrets
        )


@asynccontextmanager
async def _series_trial(plugin: _Plugin, name: str) -> AsyncIterator[SeriesTrial]:
    async with plugin.loaded() as plugins:
        yield SeriesTrial(
            validator=plugins.series_validators[name],
            now=plugin.clock.now(),
            secrets=plugin.secrets,
        )


def _known(provider: Provider, told: Told) -> tuple[str, ...]:
    namespace = provider.info.namespace or ""
    named = [parse_symbol(text) for text in told.symbols]
    listed = sorted(provider.info.symbols or ())[:_MOST_SYMBOLS]
    return tuple(one for one in named if one.startswith(namespace)) or tuple(listed)


def _secrets_of(settings: Settings, name: str, clock: Clock) -> tuple[str, ...]:
    table = settings.plugins.tables.get(name, {})
    fields = [(key, Secret if _is_secret(value) else Any) for key, value in table.items()]
    if not any(kind is Secret for _, kind in fields):
        return ()
    found = settings.plugin(name, clock).load(msgspec.defstruct("Secrets", fields))
    values = [getattr(found, key) for key, _ in fields]
    return tuple(value.reveal() for value in values if isinstance(value, Secret))


def _is_secret(value: object) -> bool:
    # Other tables are groups of settings.
    return isinstance(value, dict) and len(value) == 1 and not value.keys().isdisjoint(_SOURCES)
