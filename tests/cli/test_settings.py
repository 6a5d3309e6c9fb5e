"""plugins, config, doctor and migrate: what the settings come to."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli.home import SETTINGS, Home
from tickloom.settings import load_settings, show
from tickloom.store import known_migrations

Invoke = Callable[..., Result]


def checks_of(result: Result) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


@pytest.fixture
def broken(home: Home) -> None:
    home.install("broken", "import nothing_of_this_name\n")
    home.write("tickloom.toml", SETTINGS.replace('["ticking"]', '["ticking", "broken"]'))


@pytest.mark.parametrize("args", [["plugins"], ["plugins", "list"]])
def test_plugins_lists_what_runs_and_what_it_offers(invoke: Invoke, args: list[str]) -> None:
    lines = {line["name"]: line for line in json.loads(invoke(*args, "--json").stdout)}
    assert lines["ticking"] == {
        "name": "ticking",
        "state": "active",
        "distribution": "ticking",
        "version": "1.2.3",
        "hooks": ["tickloom_providers"],
        "offers": ["provider ticking"],
        "reason": "",
    }
    [row] = [line for line in invoke(*args).stdout.splitlines() if line.startswith("ticking")]
    assert row.split() == [
        "ticking",
        "1.2.3",
        "ticking",
        "active",
        "provider",
        "ticking",
        "providers",
    ]


@pytest.mark.usefixtures("broken")
def test_a_broken_plugin_is_named_with_its_reason_and_the_others_run(invoke: Invoke) -> None:
    result = invoke("plugins")
    [row] = [line for line in result.stdout.splitlines() if line.startswith("broken")]
    assert "failed" in row
    assert "No module named 'nothing_of_this_name'" in row
    assert (result.exit_code, result.stderr) == (0, "")
    assert invoke("plugins", "--strict").exit_code == 1
    assert invoke("quote", "TICK.ONE").exit_code == 0


def test_config_check_says_what_it_read(invoke: Invoke) -> None:
    result = invoke("config", "check", REDIS_URL="")
    assert (result.exit_code, result.stdout) == (0, "ok: tickloom.toml\n")
    result = invoke("config", "check", "--json", LOG_LEVEL="error")
    found = json.loads(result.stdout)
    assert found["ok"]
    assert (found["file"], found["variables"]) == ("tickloom.toml", ["LOG_LEVEL"])


def test_config_check_types_the_tables_of_plugins(invoke: Invoke, home: Home) -> None:
    home.write("tickloom.toml", SETTINGS + '\n[plugins.ticking]\nticks_per_s = "many"\n')
    result = invoke("config", "check")
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    for part in ("plugin ticking", "plugins.ticking.ticks_per_s", "'many'"):
        assert part in line
    assert result.exit_code == 1


@pytest.mark.usefixtures("broken")
def test_config_check_fails_for_a_broken_plugin_even_where_strict_would_stop(
    invoke: Invoke,
) -> None:
    result = invoke("config", "check", "--json", TICKLOOM_PLUGINS__STRICT="true")
    [problem] = json.loads(result.stdout)["problems"]
    assert problem["plugin"] == "broken"
    assert result.exit_code == 1


def test_config_check_fails_with_3_for_a_wrong_setting(invoke: Invoke, home: Home) -> None:
    home.write("tickloom.toml", "[server]\nport = 70000\n")
    result = invoke("config", "check")
    assert "server.port" in result.stderr
    assert "70000" in result.stderr
    assert result.exit_code == 3


def test_what_config_show_prints_can_be_loaded_again(invoke: Invoke, home: Home) -> None:
    text = invoke("config", "show").stdout
    assert text.startswith("# tickloom.toml\n")
    shown = home.write("shown.toml", text)
    before = show(load_settings(home.folder / "tickloom.toml", environment={}))
    assert show(load_settings(shown, environment={})) == before
    assert json.loads(invoke("config", "show", "--json").stdout)["server"] == before["server"]


def test_config_show_keeps_secrets_to_itself(invoke: Invoke, home: Home) -> None:
    home.write(
        "tickloom.toml",
        '[auth]\nmode = "keys"\n[auth.keys]\nalice = { env = "ALICE" }\n'
        '[database]\nurl = "postgresql://bob:hunter2@db/name"\n'
        '[plugins.other]\napi_token = "hunter2"\n',
    )
    for args in (["config", "show"], ["config", "show", "--json"]):
        result = invoke(*args, ALICE="hunter2")
        assert result.exit_code == 0
        assert "hunter2" not in result.output
        assert "bob" in result.stdout
    assert tomllib.loads(invoke("config", "show", ALICE="x").stdout)["auth"]["mode"] == "keys"


def test_migrate_makes_a_database_once(invoke: Invoke, home: Home) -> None:
    newest = known_migrations()[-1]
    first = json.loads(invoke("migrate", "--json").stdout)
    assert first["migrations"] == list(known_migrations())
    second = json.loads(invoke("migrate", "--json").stdout)
    assert (second["migrations"], second["schema"]) == ([], newest)
    with closing(sqlite3.connect(home.folder / "tickloom.db")) as connection:
        assert connection.execute("SELECT count(*) FROM migration").fetchone()[0] >= 1


def test_migrate_fails_with_3_where_the_folder_is_missing(invoke: Invoke) -> None:
    result = invoke("migrate", DATABASE_URL="sqlite:///nowhere/x.db")
    assert "nowhere" in result.stderr
    assert result.exit_code == 3


def test_migrate_fails_with_4_where_no_database_answers(invoke: Invoke, free_port: int) -> None:
    url = f"postgresql://bob:hunter2@127.0.0.1:{free_port}/x"
    result = invoke("migrate", "--json", DATABASE_URL=url)
    assert json.loads(result.stderr)["error"]["code"] == "store-unavailable"
    assert "hunter2" not in result.output
    assert result.exit_code == 4


def test_doctor_finds_nothing_wrong_with_a_sound_setup(invoke: Invoke) -> None:
    result = invoke("doctor", "--json", TICKLOOM_SERVER__PORT="0", TICKLOOM_SERVER__STREAM_PORT="0")
    checks = checks_of(result)
    states = {name: check["state"] for name, check in checks.items()}
    assert states.pop("database") == "warning"
    assert set(states.values()) == {"ok"}
    assert checks["provider ticking"]["detail"].startswith("simulated, TICK.ONE at 100.11")
    assert "these prices are made up" in checks["provider ticking"]["detail"]
    assert result.exit_code == 0


def test_doctor_names_what_is_away_and_what_to_do(
    invoke: Invoke, home: Home, free_port: int
) -> None:
    home.install("broken", "import nothing_of_this_name\n")
    home.write("tickloom.toml", SETTINGS.replace('["ticking"]', '["ticking", "broken", "gone"]'))
    result = invoke(
        "doctor",
        "--json",
        REDIS_URL=f"redis://127.0.0.1:{free_port}",
        DATABASE_URL="sqlite:///nowhere/x.db",
        TICKLOOM_PLUGINS__TICKING__AWAY="true",
    )
    checks = checks_of(result)
    for name in ("redis", "database", "disk", "provider ticking", "plugin broken", "plugin gone"):
        assert checks[name]["state"] == "failed", name
    assert checks["redis"]["fix"] == "Start Redis, or change redis.url."
    assert "is away" in checks["provider ticking"]["detail"]
    assert result.exit_code == 1


IDLE = """
from tickloom.errors import NotConfigured
from tickloom.hookspecs import hookimpl

tickloom_api = (1,)


@hookimpl
def tickloom_providers():
    raise NotConfigured("its vendor closed", fix="Set plugins.idle.base_url.")
"""


def test_a_fallback_that_nobody_configured_is_told_calmly(invoke: Invoke, home: Home) -> None:
    home.install("idle", IDLE)
    providers = '[providers]\nprimary = "ticking"\nfallback = ["idle"]\n'
    home.write("tickloom.toml", f"{providers}[plugins.ticking]\n")
    variables = {
        "TICKLOOM_SERVER__PORT": "0",
        "TICKLOOM_SERVER__STREAM_PORT": "0",
        "TICKLOOM_DATABASE__URL": "",
    }
    result = invoke("doctor", "--json", **variables)
    checks = checks_of(result)

    assert {check["state"] for check in checks.values()} == {"ok"}
    assert checks["plugin idle"]["detail"] == (
        "not configured 1.2.3: its vendor closed. Set plugins.idle.base_url."
    )
    assert result.exit_code == 0
    assert invoke("config", "check", **variables).stderr == ""
    assert invoke("plugins", "list", "--strict", **variables).exit_code == 0


def test_a_primary_that_nobody_configured_is_warned_of(invoke: Invoke, home: Home) -> None:
    home.install("idle", IDLE)
    home.write("tickloom.toml", '[providers]\nprimary = "idle"\nfallback = []\n')
    result = invoke("config", "check")

    assert "the primary provider idle is not running: its vendor closed" in result.stderr
    assert result.exit_code == 0


def test_a_plugin_that_runs_for_another_provider_than_named_is_told_as_such(
    invoke: Invoke, home: Home
) -> None:
    source = (home.site / "ticking.py").read_text(encoding="utf-8")
    home.install("other", source.replace('"ticking"', '"other_one"').replace("TICK.", "OTHER."))
    home.write("tickloom.toml", '[providers]\nprimary = "ticking"\nfallback = ["other"]\n')
    assert invoke("config", "check").stderr == ""

    home.write("tickloom.toml", '[providers]\nprimary = "other"\nfallback = []\n')
    assert (
        "the primary provider other is not running: its plugin offers provider other_one "
        "with these settings"
    ) in invoke("config", "check").stderr


def test_doctor_tells_of_wrong_settings_what_can_be_told(invoke: Invoke, home: Home) -> None:
    home.write("tickloom.toml", "[sever]\n")
    result = invoke("doctor")
    assert "failed   settings:" in result.stdout
    assert "Did you mean server?" in result.stdout
    assert "ok       python:" in result.stdout
    assert result.exit_code == 1


def test_doctor_leaves_no_file_behind(invoke: Invoke, home: Home) -> None:
    before = sorted(home.folder.iterdir())
    assert invoke("doctor").exit_code == 0
    assert [path for path in sorted(home.folder.iterdir()) if path not in before] == []
    assert not Path("tickloom.db").exists()
