"""serve as a process: the banner, the way out, and what keeps it from starting."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cli.home import LIMIT_S, SETTINGS, Home, ending


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
        return json.load(answer)


def test_serve_starts_in_an_empty_folder_and_its_banner_is_true(home: Home) -> None:
    (home.folder / "tickloom.toml").unlink()
    with home.serving(None, TICKLOOM_PLUGINS__ENABLED='["ticking"]') as (process, banner):
        assert banner["pid"] == process.pid
        assert banner["port"] > 0
        assert banner["settings"] is None
        assert fetch(f"{banner['api']}/quotes/TICK.ONE")["symbol"] == "TICK.ONE"
        assert fetch(banner["openapi"])["info"]["title"] == "tickloom"
        with urllib.request.urlopen(banner["docs"], timeout=LIMIT_S) as page:
            assert page.status == 200
        assert (home.folder / "tickloom.db").exists()
        warnings = " ".join(banner["warnings"])
        assert "the primary provider yahoo is not running: not in" in warnings


def test_serve_loads_what_columns_need_by_itself_once_it_serves(home: Home) -> None:
    with home.serving() as (process, _):
        maps = Path(f"/proc/{process.pid}/maps")
        until_s = time.monotonic() + LIMIT_S
        while "libarrow" not in maps.read_text(encoding="utf-8"):
            assert time.monotonic() < until_s
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_0_and_no_traceback(home: Home, number: int) -> None:
    with home.serving() as (process, _):
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_the_banner_tells_people_where_everything_is_and_what_to_type(
    home: Home, free_port: int
) -> None:
    home.install("broken", "import nothing_of_this_name\n")
    home.write("tickloom.toml", SETTINGS.replace('["ticking"]', '["ticking", "broken"]'))
    process = home.popen("serve", "--port", str(free_port), "--stream-port", "0")
    with ending(process):
        assert process.stdout is not None
        lines: list[str] = []
        while not any("tickloom stream" in line for line in lines):
            lines.append(process.stdout.readline())
            assert lines[-1], "the banner ended too early"
    text = "".join(lines)
    base = f"http://127.0.0.1:{free_port}"
    for part in (
        f"API       {base}/api/v1/market-data",
        f"Stream    ws://127.0.0.1:{free_port}/ws",
        f"Docs      {base}/schema",
        "Symbols   ticking: TICK.ONE, TICK.TWO",
        "Settings  tickloom.toml",
        "Database  sqlite:///tickloom.db",
        "No module named 'nothing_of_this_name'",
        f"curl {base}/api/v1/market-data/quotes/TICK.ONE",
        f"curl -N '{base}/api/v1/market-data/stream/sse?symbols=TICK.ONE'",
        f"tickloom stream TICK.ONE --url ws://127.0.0.1:{free_port}/ws",
    ):
        assert part in text


def test_a_port_in_use_is_named_and_is_exit_code_3(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = home.run("serve", "--port", str(port), "--json")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "port-in-use"
    assert str(port) in error["message"]
    assert "server.port" in error["fix"]
    assert (done.returncode, done.stdout) == (3, "")


def test_the_second_port_carries_the_stream_too(home: Home, free_port: int) -> None:
    with home.serving(None, "--stream-port", str(free_port)) as (_, banner):
        assert banner["stream"][1] == f"ws://127.0.0.1:{free_port}/"
        done = home.run("stream", "TICK.ONE", "--count", "1", "--url", banner["stream"][1])
    assert done.returncode == 0
    assert "TICK.ONE" in done.stdout


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--config", "nowhere.toml"], "the settings file nowhere.toml cannot be read"),
        (["--port", "70000"], "server.port cannot be used: found 70000"),
        (["--workers", "2"], "several workers need Redis"),
        (["--host", "0.0.0.0"], 'auth.mode is "none"'),
        (["--host", "192.0.2.1"], "192.0.2.1"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line_and_3(
    home: Home, args: list[str], complaint: str
) -> None:
    done = home.run("serve", *args)
    [line] = done.stderr.splitlines()
    assert complaint in line
    assert (done.returncode, done.stdout) == (3, "")


def test_a_broken_plugin_stops_the_start_only_where_strict_says_so(home: Home) -> None:
    home.install("broken", "import nothing_of_this_name\n")
    home.write("tickloom.toml", SETTINGS.replace('["ticking"]', '["ticking", "broken"]'))
    with home.serving() as (_, banner):
        states = {line["name"]: line["state"] for line in banner["plugins"]}
        assert (states["ticking"], states["broken"]) == ("active", "failed")
    done = home.run("serve", "--port", "0", TICKLOOM_PLUGINS__STRICT="true")
    assert "error: plugin broken failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_several_workers_serve_one_port_and_redis_may_be_away(home: Home, free_port: int) -> None:
    redis = f"redis://127.0.0.1:{free_port}/0"
    with home.serving(None, "--workers", "2", REDIS_URL=redis) as (process, banner):
        assert banner["providers"] == ["ticking"]
        assert fetch(f"{banner['api']}/quotes/TICK.ONE")["symbol"] == "TICK.ONE"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_database_that_is_away_does_not_keep_prices_from_flowing(
    home: Home, free_port: int
) -> None:
    url = f"postgresql://bob:hunter2@127.0.0.1:{free_port}/x"
    with home.serving(None, DATABASE_URL=url) as (process, banner):
        assert fetch(f"{banner['api']}/quotes/TICK.ONE")["symbol"] == "TICK.ONE"
        assert "does not answer" in banner["warnings"][0]
        assert "hunter2" not in json.dumps(banner)
        # At its end a server tries for ten seconds to store what is left.
        process.kill()
