"""Plugins that are switched off, not installed or not configured, and when that is fatal."""

from __future__ import annotations

import pytest

from pointed import Load, Point, failure, good, line_of, plugin_of
from tickloom.errors import NotConfigured, PluginError


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
