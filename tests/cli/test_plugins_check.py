"""`tickloom plugins check`: the contract from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from cli.home import Home

Invoke = Callable[..., Result]


def checked(result: Result) -> dict[str, Any]:
    [offer] = json.loads(result.stdout)["offers"]
    return {case["number"]: case for case in offer["cases"]} | {"tier": offer["tier"]}


def test_every_case_is_printed_with_its_result_and_then_the_tier(invoke: Invoke) -> None:
    result = invoke("plugins", "check", "ticking")
    lines = result.stdout.splitlines()
    assert any(line.split()[:3] == ["P01", "bronze", "passed"] for line in lines)
    assert any(line.startswith("provider ticking: ") for line in lines)


def test_a_provider_that_invents_unknown_symbols_fails_a_bronze_case(invoke: Invoke) -> None:
    # The provider of these tests has a price for whatever it is asked.
    result = invoke("plugins", "check", "ticking", "--json")
    cases = checked(result)
    assert cases["P03"]["state"] == "failed"
    assert "unknown symbol TICK.NOSUCH9 has Quote" in cases["P03"]["reason"]
    assert (cases["P02"]["state"], cases["tier"]) == ("passed", None)
    assert result.exit_code == 1


def test_a_plugin_that_keeps_to_bronze_is_exit_code_0(invoke: Invoke, home: Home) -> None:
    home.write("tickloom.toml", "[plugins.simulated]\nticks_per_s = 50\n")
    result = invoke("plugins", "check", "simulated", "--json")
    assert checked(result)["tier"] is not None
    assert result.exit_code == 0


def test_its_own_settings_are_used(invoke: Invoke, home: Home) -> None:
    home.write("tickloom.toml", "[plugins.ticking]\naway = true\n")
    cases = checked(invoke("plugins", "check", "ticking", "--json"))
    assert cases["P02"]["reason"] == "ProviderUnavailable: provider ticking is away"


def test_a_case_that_hangs_fails_at_its_limit(invoke: Invoke, home: Home) -> None:
    home.write("tickloom.toml", "[plugins.ticking]\nhanging = true\n")
    cases = checked(invoke("plugins", "check", "ticking", "--json", "--limit", "0.05"))
    assert cases["P02"]["reason"] == "no result within 0.05 s"


def test_symbols_that_are_named_are_those_that_are_tried(invoke: Invoke) -> None:
    result = invoke("plugins", "check", "ticking", "--json", "--symbol", "tick.two")
    assert checked(result)["P32"]["reason"] == "2 known symbols are needed; 1 told"


def test_a_plugin_that_is_not_installed_is_told_with_those_that_are(invoke: Invoke) -> None:
    result = invoke("plugins", "check", "nothing")
    [line] = result.stderr.splitlines()
    assert line.startswith("error: no plugin nothing is installed: expected one of ")
    assert "ticking" in line
    assert result.exit_code == 1


@pytest.mark.parametrize("source", ["import nowhere_at_all\n", "tickloom_api = (1,)\n"])
def test_a_plugin_that_cannot_be_loaded_is_told_with_its_reason(
    invoke: Invoke, home: Home, source: str
) -> None:
    home.install("broken", source)
    result = invoke("plugins", "check", "broken")
    [line] = result.stderr.splitlines()
    assert line.startswith("error: plugin broken failed: ")
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("name", "key", "url"),
    [
        ("alpha_vantage", "base_url", "alpha.example"),
        ("iex", "base_url", "iex.example/v1"),
        ("iex", "stream_url", "wss://iex.example"),
        ("yahoo", "base_url", "not a url"),
        ("yahoo", "stream_url", "https://yahoo.example"),
    ],
)
def test_an_address_that_can_be_none_is_told_before_anything_is_asked(
    invoke: Invoke, home: Home, name: str, key: str, url: str
) -> None:
    home.write("tickloom.toml", f'[plugins.{name}]\n{key} = "{url}"\n')
    result = invoke("plugins", "check", name)
    assert (
        f"plugin {name} failed: tickloom.toml: plugins.{name}.{key} cannot be used: found '{url}'"
    ) in result.stderr


_IDLE = """
from tickloom.errors import NotConfigured
from tickloom.hookspecs import hookimpl

tickloom_api = (1,)


@hookimpl
def tickloom_providers(settings):
    raise NotConfigured("its vendor closed", fix="Set plugins.idle.base_url.")
"""


def test_a_plugin_that_nobody_configured_is_told_as_such(invoke: Invoke, home: Home) -> None:
    home.install("idle", _IDLE)
    result = invoke("plugins", "check", "idle")
    assert result.stderr.splitlines() == [
        "error: plugin idle is not configured: its vendor closed. Set plugins.idle.base_url."
    ]
    assert result.exit_code == 3


def test_it_is_told_how_symbols_are_named_where_some_are_missing(invoke: Invoke) -> None:
    result = invoke("plugins", "check", "ticking", "--symbol", "TICK.ONE")
    assert "--symbol ONE --symbol TWO" in result.stdout


_GROUPED = """
from msgspec import Struct
from tickloom.hookspecs import hookimpl

tickloom_api = (1,)


class Group(Struct):
    size: int


class Options(Struct):
    group: Group


class Grouped:
    name = "grouped"

    def check(self, quote, previous):
        return None


@hookimpl
def tickloom_validators(settings):
    settings.load(Options)
    return [Grouped()]
"""


def test_a_group_of_settings_is_not_taken_for_a_secret(invoke: Invoke, home: Home) -> None:
    home.install("grouped", _GROUPED)
    home.write("tickloom.toml", "[plugins.grouped.group]\nsize = 3\n")
    result = invoke("plugins", "check", "grouped", "--json")
    assert checked(result)["tier"] is not None
    assert result.exit_code == 0
