"""Finds plugins, keeps their failures apart, and reports on each by name.

Pluggy's own entry point loader stops at the first plugin that does not import, so each entry point
is loaded by itself here. A failure is a line of the report; the others run.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

import httpx
import msgspec
import pluggy
from loguru import logger
from msgspec import Struct

from tickloom import hookspecs
from tickloom.clock import Clock
from tickloom.errors import NotConfigured, PluginError, TickloomError, scrub
from tickloom.hookspecs import API_VERSION, ENTRY_POINT_GROUP
from tickloom.roles import (
    Notifier,
    PluginSettings,
    Provider,
    ProviderInfo,
    SeriesValidator,
    Validator,
)
from tickloom.settings import Settings

T = TypeVar("T")

PluginState = Literal["active", "disabled", "not configured", "failed", "not installed"]
_CLOSE_LIMIT_S = 5.0
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_NAMESPACE = re.compile(r"[A-Z0-9]{1,16}\.")
_ROLE_METHODS: dict[type, tuple[str, ...]] = {
    Provider: ("info", "get_quotes", "get_history", "get_company", "open_stream", "aclose"),
    Notifier: ("name", "send", "aclose"),
    Validator: ("name", "check"),
    SeriesValidator: ("name", "check_series"),
}
# What a role is called in the name of its hook, and in the report.
_ROLE_NAMES: dict[type, str] = {
    Provider: "provider",
    Notifier: "notifier",
    Validator: "validator",
    SeriesValidator: "series_validator",
}


class PluginReport(Struct, kw_only=True, omit_defaults=True):
    """One line of the plugin report.

    Attributes:
        name: Name of the entry point.
        distribution: The installed distribution that offers it; empty = none.
        version: The distribution's version.
        state: ``active``, ``disabled``, ``not configured``, ``failed`` or ``not installed``.
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
    series_validators: dict[str, SeriesValidator] = {}
    report: list[PluginReport] = []

    @property
    def failed(self) -> list[PluginReport]:
        """The plugins that should run and do not."""
        return [line for line in self.report if line.state in {"failed", "not installed"}]

    async def aclose(self, limit_s: float = _CLOSE_LIMIT_S) -> None:
        """Close everything that was handed over, all at once, each within ``limit_s`` seconds.

        One that fails or hangs is told in the log and does not keep the rest from closing.
        """
        closers: list[tuple[str, Provider | Notifier]] = [
            *((f"provider {name}", one) for name, one in self.providers.items()),
            *((f"notifier {name}", one) for name, one in self.notifiers.items()),
        ]
        await asyncio.gather(*(_close(what, one, limit_s) for what, one in closers))


async def _close(what: str, item: Provider | Notifier, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await item.aclose()
    except Exception as error:  # noqa: BLE001 - foreign code
        logger.warning("{} failed to close: {}", what, scrub(error))


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
        self.plugins = Plugins(
            report=[], providers={}, notifiers={}, validators={}, series_validators={}
        )

    def take(self, point: EntryPoint) -> None:
        line = PluginReport(name=point.name, state="failed")
        self.plugins.report.append(line)
        enabled = self._settings.plugins.enabled
        try:
            if point.dist is not None:
                line.distribution, line.version = point.dist.name, point.dist.version
            if enabled is not None and point.name not in enabled:
                line.state, line.reason = "disabled", "not in plugins.enabled"
                return
            self._activate(point, line)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may even call sys.exit
            line.hooks = ()
            line.reason = _reason(error)
            if isinstance(error, NotConfigured) and point.name not in (enabled or ()):
                # It is there because everything is; nobody asked for it.
                line.state = "not configured"
                logger.debug("plugin {} is not configured: {}", point.name, line.reason)
                return
            logger.warning("plugin {} failed: {}", point.name, line.reason)
        else:
            line.state = "active"

    def _activate(self, point: EntryPoint, line: PluginReport) -> None:
        for other in self.plugins.report[:-1]:
            if other.name == point.name:
                raise PluginError(f"the plugin name {point.name} is taken by {other.distribution}")
        plugin = point.load()
        _check_version(plugin, point)
        hooks, line.hooks = _register(plugin, point.name)
        self._take_offers(hooks, line)

    def _take_offers(self, hooks: pluggy.HookRelay, line: PluginReport) -> None:
        settings = _ReadSettings(self._settings.plugin(line.name, self._clock))
        registries: dict[type, dict[str, Any]] = {
            Provider: self.plugins.providers,
            Notifier: self.plugins.notifiers,
            Validator: self.plugins.validators,
            SeriesValidator: self.plugins.series_validators,
        }
        taken = {role: self._collect(hooks, role, settings) for role in registries}
        settings.check_read(self._settings)
        for role, found in taken.items():
            registries[role].update(found)
        line.offers = tuple(
            f"{_ROLE_NAMES[role]} {name}" for role, found in taken.items() for name in found
        )

    def _collect(
        self, hooks: pluggy.HookRelay, role: type, settings: PluginSettings
    ) -> dict[str, Any]:
        hook = f"tickloom_{_ROLE_NAMES[role]}s"
        caller = getattr(hooks, hook)
        arguments: dict[str, Any] = {"settings": settings}
        if role in {Provider, Notifier}:
            arguments["http"] = self._http
        answers = caller(**arguments)
        if caller.get_hookimpls() and not answers:
            raise PluginError(f"{hook} returned None", expected="a list, empty for nothing")
        found: dict[str, Any] = {}
        for item in _listed(answers, hook):
            name = _checked_name(item, role, hook)
            self._check_free(item, role, name, found)
            found[name] = item
        return found

    def _check_free(self, item: Any, role: type, name: str, found: dict[str, Any]) -> None:
        offer = f"{_ROLE_NAMES[role]} {name}"
        holders = [line.name for line in self.plugins.report if offer in line.offers]
        if holders or name in found:
            by = f"the plugin {holders[0]}" if holders else "another one of this plugin"
            raise PluginError(f"the {_ROLE_NAMES[role]} name {name} is taken by {by}")
        namespace = item.info.namespace if role is Provider else None
        for other in (*self.plugins.providers.values(), *found.values()) if namespace else ():
            if other.info.namespace == namespace:
                raise PluginError(
                    f"the namespace {namespace} is taken by the provider {other.info.name}"
                )

    def finish(self) -> None:
        known = {line.name for line in self.plugins.report}
        wanted = dict.fromkeys(
            self._settings.plugins.tables, "its table in the settings is used by nobody"
        )
        wanted |= dict.fromkeys(
            self._settings.plugins.enabled or (), "it is named in plugins.enabled"
        )
        for name, why in wanted.items():
            if name not in known:
                reason = f"{why}: no installed distribution offers it"
                line = PluginReport(name=name, state="not installed", reason=reason)
                self.plugins.report.append(line)
                logger.warning("plugin {} is not installed: {}", name, reason)


class _ReadSettings(PluginSettings):
    """A plugin's settings that know whether the plugin looked at them."""

    def __init__(self, settings: PluginSettings) -> None:
        super().__init__(settings.name, settings.clock, settings.load)
        self._read = False

    def load(self, kind: type[T]) -> T:
        self._read = True
        return super().load(kind)

    def check_read(self, settings: Settings) -> None:
        keys = settings.plugins.tables.get(self.name)
        if keys and not self._read:
            # Nobody would notice a misspelt key in a table that nobody reads.
            settings.plugin(self.name, self.clock).load(_NoSettings)


class _NoSettings(Struct):
    pass


def _register(plugin: object, name: str) -> tuple[pluggy.HookRelay, tuple[str, ...]]:
    # A manager for each plugin: whatever one of them does to it concerns nobody else.
    manager = pluggy.PluginManager("tickloom")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(
            f"a hook does not fit its specification: {' '.join(str(error).split())}"
        ) from None
    names = tuple(sorted(caller.name for caller in manager.get_hookcallers(plugin) or ()))
    if not names:
        raise PluginError(
            "it implements no hook", expected="a function tickloom_providers under @hookimpl"
        )
    return manager.hook, names


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, TickloomError) else scrub(error)


def _listed(answers: Iterable[Any], hook: str) -> list[Any]:
    items: list[Any] = []
    for answer in answers:
        if inspect.iscoroutine(answer):
            answer.close()
            raise PluginError(f"{hook} is async", expected="a plain def that returns a list")
        if not isinstance(answer, Sequence) or isinstance(answer, str):
            raise PluginError(f"{hook} returned no list", found=answer)
        items.extend(answer)
    return items


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
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(
            f"{hook} returned a {type(item).__name__} without a proper name",
            found=name,
            expected="lower-case letters, digits, _ and -",
        )
    return name


def _checked_info(provider: Any) -> ProviderInfo:
    info = provider.info
    if not isinstance(info, ProviderInfo):
        raise PluginError("the provider's info is no ProviderInfo", found=info)
    try:
        msgspec.convert(msgspec.to_builtins(info), ProviderInfo)
    except msgspec.ValidationError as error:
        raise PluginError(f"the provider's info is wrong: {error}") from None
    if info.namespace is not None and not _NAMESPACE.fullmatch(info.namespace):
        raise PluginError(
            f"the namespace of the provider {info.name} cannot be used",
            found=info.namespace,
            expected="capitals and digits with a full stop at the end, such as SIM.",
        )
    return info
