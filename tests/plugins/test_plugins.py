"""Plugins that work, and every way in which one can fail while the rest run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from loguru import logger
from msgspec import Struct

from tickloom.clock import FakeClock
from tickloom.errors import NotConfigured, PluginError
from tickloom.hookspecs import hookimpl
from tickloom.model import Interval, Timeliness
from tickloom.plugins import PluginReport, Plugins, find_entry_points, load_plugins
from tickloom.roles import Notification, PluginSettings, Provider, ProviderInfo, Secret
from tickloom.settings import Settings, load_settings

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


class PlainSeriesValidator:
    name = "smoothness"

    def check_series(self, history: Any) -> list[Any]:
        return []


class PlainValidator:
    name = "strictness"

    def check(self, quote: Any, previous: Any) -> None:
        return None


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


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def load(http: httpx.AsyncClient, clock: FakeClock, tmp_path: Path) -> Load:
    def load(*points: Point, toml: str = "", env: dict[str, str] | None = None) -> Plugins:
        file = tmp_path / "shop.toml"
        file.write_text(toml, encoding="utf-8")
        return load_plugins(load_settings(file, env or {}), http, clock, points)

    return load


def line_of(plugins: Plugins, name: str) -> PluginReport:
    [line] = [line for line in plugins.report if line.name == name]
    return line


def failure(plugins: Plugins, name: str) -> str:
    line = line_of(plugins, name)
    assert line.state == "failed"
    assert not line.offers
    assert not line.hooks
    return line.reason


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


async def test_a_plugin_that_fails_late_leaves_nothing_behind(load: Load) -> None:
    plugin = plugin_with(PlainProvider("early"))
    plugin.tickloom_validators = hookimpl(lambda: [SimpleNamespace(name="v")])
    plugins = load(Point("bad", plugin), Point("next", plugin_with(PlainProvider("early"))))
    assert "which has no check" in failure(plugins, "bad")
    assert line_of(plugins, "next").offers == ("provider early",)


async def test_plugins_that_are_not_enabled_are_not_even_imported(load: Load) -> None:
    plugins = load(
        good(), Point("bad", ImportError("seen")), toml='[plugins]\nenabled = ["good"]\n'
    )
    line = line_of(plugins, "bad")
    assert (line.state, line.reason) == ("disabled", "not in plugins.enabled")
    assert plugins.failed == []


async def test_an_empty_list_of_enabled_plugins_means_none(load: Load) -> None:
    plugins = load(good(), toml="[plugins]\nenabled = []\n")
    assert plugins.providers == {}
    assert line_of(plugins, "good").state == "disabled"


async def test_an_enabled_plugin_that_is_not_installed_is_reported(load: Load) -> None:
    plugins = load(good(), toml='[plugins]\nenabled = ["good", "yahoo", "yahoo"]\n')
    line = line_of(plugins, "yahoo")
    assert line.state == "not installed"
    assert line.reason == ("it is named in plugins.enabled: no installed distribution offers it")
    assert plugins.failed == [line]


async def test_a_table_for_a_plugin_that_is_not_installed_is_reported(load: Load) -> None:
    line = line_of(load(good(), toml="[plugins.yahoo]\n"), "yahoo")
    assert line.state == "not installed"
    assert line.reason.startswith("its table in the settings is used by nobody")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[plugins]\nstrict = true\nenabled = ["good", "yahoo"]\n', "plugin yahoo not installed"),
        ("[plugins]\nstrict = true\n", "plugin bad failed: ImportError: gone"),
    ],
)
async def test_strict_makes_the_first_failure_fatal(load: Load, toml: str, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        load(good(), Point("bad", ImportError("gone")), toml=toml)
    assert "plugins.strict is set" in str(caught.value)


def unconfigured() -> Point:
    def implementation() -> list[object]:
        raise NotConfigured("its vendor closed", fix="Set plugins.idle.base_url.")

    return Point("idle", plugin_of("tickloom_providers", implementation))


@pytest.mark.parametrize("toml", ["", "[plugins]\nstrict = true"])
async def test_a_plugin_that_nobody_configured_is_no_failure(load: Load, toml: str) -> None:
    plugins = load(unconfigured(), good(), toml=toml)
    line = line_of(plugins, "idle")

    assert (line.state, line.reason) == (
        "not configured",
        "its vendor closed. Set plugins.idle.base_url.",
    )
    assert not plugins.failed
    assert list(plugins.providers) == ["good"]


async def test_a_plugin_that_is_asked_for_and_not_configured_fails(load: Load) -> None:
    plugins = load(unconfigured(), toml='[plugins]\nenabled = ["idle"]')
    assert failure(plugins, "idle").startswith("its vendor closed")


async def test_strict_does_not_mind_a_disabled_plugin(load: Load) -> None:
    toml = '[plugins]\nstrict = true\nenabled = ["good"]\n'
    plugins = load(good(), Point("bad", ImportError("gone")), toml=toml)
    assert list(plugins.providers) == ["good"]


class Options(Struct, frozen=True, kw_only=True):
    rate: float = 1.0
    path: Path = Path("here")
    api_key: Secret | None = None


class KeyedOptions(Struct, frozen=True, kw_only=True):
    api_key: Secret


def reading(kind: type[Any], got: list[Any]) -> Point:
    def implementation(settings: PluginSettings) -> list[object]:
        got.append(settings.load(kind))
        return []

    return Point("shop", plugin_of("tickloom_providers", implementation))


async def test_a_plugin_gets_its_own_table_typed(load: Load, tmp_path: Path) -> None:
    got: list[Options] = []
    toml = '[plugins.shop]\nrate = 2\npath = "data"\n'
    assert load(reading(Options, got), toml=toml).failed == []
    assert got == [Options(rate=2.0, path=tmp_path / "data")]


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("rat = 2", "unknown key in [plugins.shop]: found 'rat'"),
        ("rat = 2", "Did you mean rate?"),
        ('rate = "fast"', "plugins.shop.rate cannot be used: found 'fast', expected float"),
    ],
)
async def test_a_wrong_setting_of_a_plugin_names_the_file_and_the_key(
    load: Load, tmp_path: Path, toml: str, reason: str
) -> None:
    plugins = load(reading(Options, []), good(), toml=f"[plugins.shop]\n{toml}\n")
    assert failure(plugins, "shop").startswith(str(tmp_path / "shop.toml"))
    assert reason in failure(plugins, "shop")
    assert list(plugins.providers) == ["good"]


async def test_settings_of_a_plugin_that_reads_none_are_an_error(load: Load) -> None:
    plugins = load(good(), toml="[plugins.good]\nrate = 2\n")
    assert "unknown key in [plugins.good]: found 'rate'" in failure(plugins, "good")
    assert plugins.providers == {}


async def test_a_secret_comes_from_the_environment_and_does_not_print(load: Load) -> None:
    got: list[KeyedOptions] = []
    toml = '[plugins.shop]\napi_key = { env = "SHOP_KEY" }\n'
    load(reading(KeyedOptions, got), toml=toml, env={"SHOP_KEY": "hush"})
    assert got[0].api_key.reveal() == "hush"
    assert "hush" not in repr(got)


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ('api_key = { env = "SHOP_KEY" }', "the environment variable SHOP_KEY is not set"),
        ('api_key = { file = "no/such" }', "the file no/such cannot be read"),
        ('api_key = "hush"', "found plain text, expected { env = "),
        ("", "api_key"),
    ],
)
async def test_a_missing_secret_is_reported_without_showing_any(
    load: Load, toml: str, reason: str
) -> None:
    plugins = load(reading(KeyedOptions, []), toml=f"[plugins.shop]\n{toml}\n")
    assert reason in failure(plugins, "shop")
    assert "hush" not in failure(plugins, "shop")


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
