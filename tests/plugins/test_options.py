"""A plugin's own settings and secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from pointed import Load, Point, failure, good, plugin_of
from tickloom.roles import PluginSettings, Secret


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
