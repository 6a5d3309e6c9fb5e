"""Plugins that work: what they offer, under which names, until they are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from loguru import logger

from pointed import (
    Load,
    PlainNotifier,
    PlainProvider,
    Point,
    failure,
    good,
    line_of,
    plugin_of,
    plugin_with,
)
from tickloom.clock import FakeClock
from tickloom.hookspecs import hookimpl
from tickloom.model import Interval
from tickloom.plugins import PluginReport, find_entry_points, load_plugins
from tickloom.roles import PluginSettings
from tickloom.settings import Settings


class PlainSeriesValidator:
    name = "smoothness"

    def check_series(self, history: Any) -> list[Any]:
        return []


class PlainValidator:
    name = "strictness"

    def check(self, quote: Any, previous: Any) -> None:
        return None


async def test_a_good_plugin_is_reported_with_what_it_offers(load: Load) -> None:
    plugins = load(good())
    assert plugins.report == [
        PluginReport(
            name="good",
            distribution="tickloom-good",
            version="1.2.3",
            state="active",
            hooks=("tickloom_providers",),
            offers=("provider good",),
        )
    ]
    assert list(plugins.providers) == ["good"]
    assert plugins.failed == []


async def test_a_plugin_may_offer_all_roles_and_take_all_arguments(
    load: Load, http: httpx.AsyncClient, clock: FakeClock
) -> None:
    seen: list[object] = []

    def providers(settings: PluginSettings, http: httpx.AsyncClient) -> list[object]:
        seen.extend([settings.name, settings.clock, http])
        return [PlainProvider("one"), PlainProvider("two")]

    plugin = plugin_of("tickloom_providers", providers)
    plugin.tickloom_notifiers = hookimpl(lambda settings: [PlainNotifier()])
    plugin.tickloom_validators = hookimpl(lambda: (PlainValidator(),))
    plugin.tickloom_series_validators = hookimpl(lambda: (PlainSeriesValidator(),))
    plugins = load(Point("all", plugin))
    assert seen == ["all", clock, http]
    assert list(plugins.notifiers) == ["paper"]
    assert list(plugins.validators) == ["strictness"]
    assert list(plugins.series_validators) == ["smoothness"]
    assert line_of(plugins, "all").offers == (
        "provider one",
        "provider two",
        "notifier paper",
        "validator strictness",
        "series_validator smoothness",
    )


async def test_the_second_plugin_of_a_name_fails_and_the_first_one_stays(load: Load) -> None:
    second = Point("good", plugin_with(PlainProvider("second")), "tickloom-copy")
    plugins = load(good(), second, good("third"))
    states = [(line.name, line.distribution, line.state) for line in plugins.report]
    assert states == [
        ("good", "tickloom-good", "active"),
        ("good", "tickloom-copy", "failed"),
        ("third", "tickloom-third", "active"),
    ]
    assert plugins.report[1].reason == "the plugin name good is taken by tickloom-good"
    assert list(plugins.providers) == ["good", "third"]


@pytest.mark.parametrize(
    ("hook", "make", "role"),
    [
        ("tickloom_providers", lambda: PlainProvider("paper"), "provider"),
        ("tickloom_notifiers", PlainNotifier, "notifier"),
    ],
)
async def test_the_second_object_of_a_name_fails_with_its_plugin(
    load: Load, hook: str, make: Callable[[], Any], role: str
) -> None:
    first = make()
    plugins = load(
        Point("first", plugin_with(first, hook=hook)),
        Point("other", plugin_with(make(), hook=hook)),
    )
    reason = f"the {role} name paper is taken by the plugin first"
    assert failure(plugins, "other") == reason
    assert getattr(plugins, f"{role}s") == {"paper": first}


async def test_a_provider_and_a_notifier_may_have_the_same_name(load: Load) -> None:
    plugin = plugin_with(PlainProvider("paper"))
    plugin.tickloom_notifiers = hookimpl(lambda: [PlainNotifier()])
    assert line_of(load(Point("both", plugin)), "both").state == "active"


async def test_a_namespace_belongs_to_the_first_provider_that_claims_it(load: Load) -> None:
    plugins = load(
        Point("first", plugin_with(PlainProvider("first", namespace="EXA."))),
        Point("other", plugin_with(PlainProvider("other", namespace="EXA."))),
    )
    assert failure(plugins, "other") == "the namespace EXA. is taken by the provider first"


async def test_closing_goes_on_when_one_plugin_raises_and_another_hangs(load: Load) -> None:
    class Raising(PlainProvider):
        async def aclose(self) -> None:
            raise RuntimeError("stuck door")

    class Hanging(PlainProvider):
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    class Late(PlainNotifier):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    last, late = PlainProvider("last"), Late()
    plugin = plugin_with(Raising("first"), Hanging("second"), last)
    plugin.tickloom_notifiers = hookimpl(lambda: [late])
    plugins = load(Point("mixed", plugin))
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    try:
        await plugins.aclose(limit_s=0.01)
    finally:
        logger.remove(sink)
    assert last.closed == 1
    assert late.closed
    assert lines == [
        "provider first failed to close: RuntimeError: stuck door\n",
        "provider second failed to close: TimeoutError\n",
    ]


async def test_installed_entry_points_come_in_order_of_name() -> None:
    names = [point.name for point in find_entry_points()]
    assert names == sorted(names)
    assert {"replay", "simulated"} <= set(names)


async def test_a_declared_interval_survives_the_check_of_the_info(load: Load) -> None:
    provider = PlainProvider("bars", intervals=(Interval.DAY,), symbols=frozenset({"A", "B"}))
    assert load(Point("bars", plugin_with(provider))).providers["bars"].info.intervals == ("1d",)


async def test_defaults_alone_load_without_a_file(http: httpx.AsyncClient, clock: Any) -> None:
    assert load_plugins(Settings(), http, clock, [good()]).failed == []
