"""Finds plugins, keeps their failures apart, and reports on each by name.

Pluggy's own entry point loader stops at the first plugin that does not import, so each entry point
is loaded by itself here. A failure is a line of the report; the others run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

import httpx
import pluggy
from loguru import logger
from msgspec import Struct

from tickloom import hookspecs
from tickloom.clock import Clock
from tickloom.errors import PluginError, TickloomError
from tickloom.hookspecs import API_VERSION, ENTRY_POINT_GROUP
from tickloom.roles import Notifier, PluginSettings, Provider, ProviderInfo, Validator
from tickloom.settings import Settings

T = TypeVar("T")

PluginState = Literal["active", "disabled", "failed", "not installed"]
_ROLE_METHODS: dict[type, tuple[str, ...]] = {
    Provider: ("info", "get_quotes", "get_history", "get_company", "open_stream", "aclose"),
    Notifier: ("name", "send", "aclose"),
    Validator: ("name", "check"),
}


class PluginReport(Struct, kw_only=True, omit_defaults=True):
    """One line of the plugin report.

    Attributes:
        name: Name of the entry point.
        distribution: The installed distribution that offers it; empty = none.
        version: The distribution's version.
        state: ``active``, ``disabled``, ``failed`` or ``not installed``.
        hooks: The hooks that it implements.
        offers: What it handed over, such as ``provider simulated``.
        reason: Why it is not active.
    """

    name: str
    state: PluginState
    distribution: str = ""
    version: str = ""
    hooks: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    reason: str = ""


class Plugins(Struct, kw_only=True):
    """All that the plugins handed over, and the report on them."""

    providers: dict[str, Provider] = {}
    notifiers: dict[str, Notifier] = {}
    validators: dict[str, Validator] = {}
    report: list[PluginReport] = []

    @property
    def failed(self) -> list[PluginReport]:
        """The plugins that should run and do not."""
        return [line for line in self.report if line.state in {"failed", "not installed"}]

    async def aclose(self) -> None:
        """Close everything that was handed over; a failure does not keep the rest from closing."""
        for closer in (*self.providers.values(), *self.notifiers.values()):
            try:
                await closer.aclose()
            except Exception as error:  # noqa: BLE001 - foreign code
                logger.warning("a plugin failed to close: {!r}", error)


def find_entry_points() -> list[EntryPoint]:
    """Return the installed entry points in order of name, so that the order is always the same."""
    found = entry_points(group=ENTRY_POINT_GROUP)
    return sorted(found, key=lambda point: (point.name, point.value))


def load_plugins(
    settings: Settings,
    http: httpx.AsyncClient,
    clock: Clock,
    points: Iterable[EntryPoint] | None = None,
) -> Plugins:
    """Load the enabled plugins and take what they offer.

    Raises:
        PluginError: ``plugins.strict`` is set and a plugin failed.
    """
    loader = _Loader(settings, http, clock)
    for point in find_entry_points() if points is None else points:
        loader.take(point)
    loader.finish()
    if settings.plugins.strict and loader.plugins.failed:
        line = loader.plugins.failed[0]
        raise PluginError(
            f"plugin {line.name} {line.state}: {line.reason}", fix="plugins.strict is set."
        )
    return loader.plugins


class _Loader:
    def __init__(self, settings: Settings, http: httpx.AsyncClient, clock: Clock) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._manager = pluggy.PluginManager("tickloom")
        self._manager.add_hookspecs(hookspecs)
        self.plugins = Plugins(report=[], providers={}, notifiers={}, validators={})

    def take(self, point: EntryPoint) -> None:
        line = PluginReport(name=point.name, state="failed")
        if point.dist is not None:
            line.distribution, line.version = point.dist.name, point.dist.version
        self.plugins.report.append(line)
        enabled = self._settings.plugins.enabled
        if enabled is not None and point.name not in enabled:
            line.state, line.reason = "disabled", "not in plugins.enabled"
            return
        try:
            self._activate(point, line)
        except TickloomError as error:
            line.reason = str(error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            line.reason = f"{type(error).__name__}: {error}"
        else:
            line.state = "active"
            return
        if self._manager.has_plugin(point.name):
            self._manager.unregister(name=point.name)
        logger.warning("plugin {} failed: {}", point.name, line.reason)

    def _activate(self, point: EntryPoint, line: PluginReport) -> None:
        if any(other.name == point.name for other in self.plugins.report[:-1]):
            raise PluginError(f"the plugin name {point.name} is taken by another distribution")
        plugin = point.load()
        _check_version(plugin, point)
        self._register(plugin, point.name)
        callers = self._manager.get_hookcallers(plugin) or []
        line.hooks = tuple(sorted(caller.name for caller in callers))
        settings = self._settings.plugin(point.name, self._clock)
        offers: list[str] = []
        taken = (
            self._collect(plugin, "tickloom_providers", Provider, self.plugins.providers, settings),
            self._collect(plugin, "tickloom_notifiers", Notifier, self.plugins.notifiers, settings),
            self._collect(
                plugin, "tickloom_validators", Validator, self.plugins.validators, settings
            ),
        )
        for role, (registry, found) in zip(
            ("provider", "notifier", "validator"), taken, strict=True
        ):
            registry.update(found)
            offers.extend(f"{role} {name}" for name in found)
        line.offers = tuple(offers)

    def _register(self, plugin: object, name: str) -> None:
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(
                f"a hook does not fit its specification: {' '.join(str(error).split())}"
            ) from None

    def _collect(
        self,
        plugin: object,
        hook: str,
        role: type[T],
        registry: dict[str, T],
        settings: PluginSettings,
    ) -> tuple[dict[str, T], dict[str, T]]:
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        caller = self._manager.subset_hook_caller(hook, others)
        arguments: dict[str, Any] = {"settings": settings}
        if hook != "tickloom_validators":
            arguments["http"] = self._http
        found: dict[str, T] = {}
        for answer in caller(**arguments):
            if not isinstance(answer, Sequence) or isinstance(answer, str):
                raise PluginError(f"{hook} returned no list", found=answer)
            for item in answer:
                name = _checked_name(item, role, hook)
                if name in registry or name in found:
                    raise PluginError(f"the {role.__name__.lower()} name {name} is taken")
                found[name] = item
        return registry, found

    def finish(self) -> None:
        known = {line.name for line in self.plugins.report}
        tables = self._settings.plugins
        for name in tables.enabled or ():
            if name not in known:
                self._missing(name, "named in plugins.enabled")
        for name in tables.tables:
            if name not in known and name not in (tables.enabled or ()):
                self._missing(name, f"[plugins.{name}] has settings for it")

    def _missing(self, name: str, why: str) -> None:
        reason = f"{why}, but no installed distribution offers it"
        self.plugins.report.append(PluginReport(name=name, state="not installed", reason=reason))
        logger.warning("plugin {} is not installed: {}", name, reason)


def _check_version(plugin: object, point: EntryPoint) -> None:
    versions = getattr(plugin, "tickloom_api", None)
    expected = f"tickloom_api = ({API_VERSION},) in {point.value}"
    if versions is None:
        raise PluginError("it does not state which plugin API it supports", expected=expected)
    if not isinstance(versions, Iterable) or API_VERSION not in tuple(versions):
        raise PluginError("it supports another plugin API", found=versions, expected=expected)


def _checked_name(item: Any, role: type, hook: str) -> str:
    for method in _ROLE_METHODS[role]:
        if not hasattr(item, method):
            raise PluginError(
                f"{hook} returned a {type(item).__name__}, which has no {method}",
                expected=f"all of {', '.join(_ROLE_METHODS[role])}",
            )
    name = item.name if role is not Provider else _checked_info(item).name
    if not isinstance(name, str) or not name:
        raise PluginError(f"{hook} returned an object without a name", found=name)
    return name


def _checked_info(provider: Any) -> ProviderInfo:
    info = provider.info
    if not isinstance(info, ProviderInfo):
        raise PluginError("the provider's info is no ProviderInfo", found=info)
    return info
