"""Plugins of distributions that are not on the disk, and what came of loading them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

from tickloom.hookspecs import hookimpl
from tickloom.model import Timeliness
from tickloom.plugins import PluginReport, Plugins
from tickloom.roles import Notification, Provider, ProviderInfo

Load = Callable[..., Plugins]


class PlainProvider(Provider):
    def __init__(self, name: str = "plain", **info: Any) -> None:
        self._info = ProviderInfo(
            name=name, title=name, **({"timeliness": Timeliness.DELAYED} | info)
        )
        self.closed = 0

    @property
    def info(self) -> ProviderInfo:
        return self._info

    async def get_quotes(self, symbols: Any) -> Any:
        return {}

    async def aclose(self) -> None:
        self.closed += 1


class PlainNotifier:
    name = "paper"

    async def send(self, notification: Notification) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Point(EntryPoint):
    """An entry point of a distribution that is not on the disk."""

    def __init__(self, name: str, plugin: object, distribution: str = "") -> None:
        super().__init__(name, f"tickloom_{name}", "tickloom")
        dist = SimpleNamespace(name=distribution or f"tickloom-{name}", version="1.2.3")
        vars(self).update(plugin=plugin, dist=dist)

    def load(self) -> Any:
        plugin = vars(self)["plugin"]
        if isinstance(plugin, BaseException):
            raise plugin
        return plugin


def plugin_with(*items: object, hook: str = "tickloom_providers", **fields: Any) -> Any:
    """A plugin whose one hook returns ``items``."""

    def implementation() -> list[object]:
        return list(items)

    return plugin_of(hook, implementation, **fields)


def plugin_of(hook: str, implementation: Any, **fields: Any) -> Any:
    plugin = SimpleNamespace(**({"tickloom_api": (1,)} | fields))
    setattr(plugin, hook, hookimpl(implementation))
    return plugin


def good(name: str = "good") -> Point:
    return Point(name, plugin_with(PlainProvider(name)))


def line_of(plugins: Plugins, name: str) -> PluginReport:
    [line] = [line for line in plugins.report if line.name == name]
    return line


def failure(plugins: Plugins, name: str) -> str:
    line = line_of(plugins, name)
    assert line.state == "failed"
    assert not line.offers
    assert not line.hooks
    return line.reason
