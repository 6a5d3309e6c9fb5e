"""Every way in which a plugin can fail while the rest run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from loguru import logger

from pointed import Load, PlainProvider, Point, failure, good, line_of, plugin_of, plugin_with
from tickloom.hookspecs import hookimpl
from tickloom.roles import ProviderInfo


def nothing() -> list[object]:
    return []


def wrong_signature() -> Any:
    return plugin_of("tickloom_providers", lambda settings, htp: [])


def raising(error: BaseException) -> Any:
    def implementation() -> list[object]:
        raise error

    return plugin_of("tickloom_providers", implementation)


async def asynchronous() -> list[object]:
    return []


class RaisingInfo(PlainProvider):
    @property
    def info(self) -> ProviderInfo:
        raise RuntimeError("no info today")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


BROKEN: dict[str, tuple[object, str]] = {
    "import error": (ImportError("No module named 'nowhere'"), "ImportError: No module named"),
    "syntax error": (SyntaxError("invalid syntax"), "SyntaxError: invalid syntax"),
    "exit at import": (SystemExit(3), "SystemExit: 3"),
    "unprintable error": (Unprintable(), "Unprintable"),
    "no version": (
        plugin_with(tickloom_api=None),
        "does not state which plugin API it supports: expected tickloom_api = (1,)",
    ),
    "another version": (
        plugin_with(tickloom_api=(2, 3)),
        "supports another plugin API: found (2, 3), expected tickloom_api = (1,)",
    ),
    "a version that is no list": (plugin_with(tickloom_api=1), "another plugin API: found 1"),
    "wrong signature": (wrong_signature(), "does not fit its specification: Plugin 'bad'"),
    "unknown hook": (
        plugin_of("tickloom_provider", nothing),
        "unknown hook 'tickloom_provider'",
    ),
    "no hook": (SimpleNamespace(tickloom_api=(1,)), "it implements no hook"),
    "hook raises": (raising(ZeroDivisionError("by zero")), "ZeroDivisionError: by zero"),
    "hook exits": (raising(SystemExit("bye")), "SystemExit: bye"),
    "async hook": (
        plugin_of("tickloom_providers", asynchronous),
        "tickloom_providers is async: expected a plain def",
    ),
    "hook returns None": (
        plugin_of("tickloom_providers", lambda: None),
        "tickloom_providers returned None: expected a list",
    ),
    "hook returns text": (
        plugin_of("tickloom_providers", lambda: "good"),
        "tickloom_providers returned no list: found 'good'",
    ),
    "hook returns a number": (
        plugin_of("tickloom_validators", lambda: 5),
        "tickloom_validators returned no list: found 5",
    ),
    "role lacks a method": (
        plugin_with(SimpleNamespace(info=PlainProvider().info)),
        "returned a SimpleNamespace, which has no get_quotes: expected all of info, get_quotes",
    ),
    "notifier lacks a method": (
        plugin_with(SimpleNamespace(name="n"), hook="tickloom_notifiers"),
        "which has no send",
    ),
    "validator lacks a method": (
        plugin_with(SimpleNamespace(name="v"), hook="tickloom_validators"),
        "which has no check",
    ),
    "series validator lacks a method": (
        plugin_with(SimpleNamespace(name="v"), hook="tickloom_series_validators"),
        "which has no check_series",
    ),
    "class instead of object": (plugin_with(PlainProvider), "info is no ProviderInfo"),
    "info raises": (plugin_with(RaisingInfo()), "RuntimeError: no info today"),
    "info of a wrong type": (
        plugin_with(PlainProvider("bad", max_batch="many")),
        "the provider's info is wrong: Expected `int`, got `str` - at `$.max_batch`",
    ),
    "nameless": (plugin_with(PlainProvider("")), "without a proper name: found ''"),
    "name in capitals": (plugin_with(PlainProvider("Big Bad")), "found 'Big Bad', expected lower"),
    "namespace of everything": (
        plugin_with(PlainProvider("bad", namespace="")),
        "the namespace of the provider bad cannot be used: found ''",
    ),
    "namespace without a stop": (
        plugin_with(PlainProvider("bad", namespace="A")),
        "found 'A', expected capitals and digits with a full stop",
    ),
    "two of one name": (
        plugin_with(PlainProvider("same"), PlainProvider("same")),
        "the provider name same is taken by another one of this plugin",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_plugin_is_reported_by_name_while_the_rest_run(
    load: Load, case: str
) -> None:
    plugin, reason = BROKEN[case]
    plugins = load(good("alpha"), Point("bad", plugin), good("zeta"))
    assert reason in failure(plugins, "bad")
    assert [line.name for line in plugins.failed] == ["bad"]
    assert list(plugins.providers) == ["alpha", "zeta"]


async def test_the_keyboard_still_interrupts_the_start(load: Load) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(Point("slow", KeyboardInterrupt()))


async def test_a_distribution_without_readable_metadata_fails_alone(load: Load) -> None:
    class Broken:
        @property
        def name(self) -> str:
            raise KeyError("Name")

    point = good("odd")
    vars(point)["dist"] = Broken()
    plugins = load(point, good())
    assert failure(plugins, "odd") == "KeyError: 'Name'"
    assert list(plugins.providers) == ["good"]


async def test_a_plugin_that_fails_late_leaves_nothing_behind(load: Load) -> None:
    plugin = plugin_with(PlainProvider("early"))
    plugin.tickloom_validators = hookimpl(lambda: [SimpleNamespace(name="v")])
    plugins = load(Point("bad", plugin), Point("next", plugin_with(PlainProvider("early"))))
    assert "which has no check" in failure(plugins, "bad")
    assert line_of(plugins, "next").offers == ("provider early",)


async def test_a_failure_is_told_in_the_log(load: Load) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    try:
        load(Point("bad", ImportError("gone")), toml="[plugins.yahoo]\n")
    finally:
        logger.remove(sink)
    assert [line.partition(":")[0] for line in lines] == [
        "plugin bad failed",
        "plugin yahoo is not installed",
    ]
