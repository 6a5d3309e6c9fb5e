"""stream and record against a running server."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.home import LIMIT_S, Home, ending

Server = tuple[Home, str]


def lines_of(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.05)


def epochs_in(path: Path) -> set[bytes]:
    """Return the epochs in a file that is still being written."""
    return set(re.findall(rb'"epoch":"(\w+)"', path.read_bytes() if path.exists() else b""))


def test_stream_as_json_is_each_message_on_a_line(server: Server) -> None:
    home, url = server
    done = home.run("stream", "tick.one", "--url", url, "--count", "3", "--json")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [message["type"] for message in messages[:2]] == ["welcome", "subscribed"]
    ticks = [message for message in messages if message["type"] == "market_data"]
    assert [tick["symbol"] for tick in ticks] == ["TICK.ONE"] * 3
    numbers = [tick["sequence"] for tick in ticks]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert (done.returncode, done.stderr) == (0, "")


def test_stream_into_a_pipe_is_a_line_for_each_price(server: Server) -> None:
    home, url = server
    done = home.run("stream", "TICK.*", "NOPE", "--url", url, "--count", "4")
    assert {line.split()[2] for line in done.stdout.splitlines()} == {"TICK.ONE", "TICK.TWO"}
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr.startswith("rejected NOPE: no provider serves NOPE")
    assert done.returncode == 0


@pytest.mark.parametrize("colour", [True, False])
def test_stream_on_a_terminal_is_a_table_that_keeps_to_no_color(
    server: Server, colour: bool
) -> None:
    home, url = server
    terminal, child = pty.openpty()
    variables = {"TERM": "xterm", "COLUMNS": "120"} | ({} if colour else {"NO_COLOR": "1"})
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tickloom",
            "stream",
            "TICK.*",
            "NOPE",
            "--url",
            url,
            "--count",
            "6",
        ],
        cwd=home.folder,
        env=home.environment(**variables),
        stdout=child,
        stderr=child,
    )
    os.close(child)
    text = b""
    # Linux ends a terminal that nobody holds open any more with an error.
    with suppress(OSError):
        while data := os.read(terminal, 65_536):
            text += data
    os.close(terminal)
    assert process.wait(timeout=LIMIT_S) == 0
    last = text.decode().rpartition("Symbol")[2]
    for part in ("TICK.ONE", "TICK.TWO", "6 prices received", "rejected NOPE"):
        assert part in last
    assert ("\x1b[1;32m" in last) is colour


def test_stream_ends_after_its_time(server: Server) -> None:
    home, url = server
    done = home.run("stream", "TICK.ONE", "--url", url, "--seconds", "0.5", "--json")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ctrl_c_ends_a_stream_with_0(server: Server, number: int) -> None:
    home, url = server
    process = home.popen("stream", "TICK.ONE", "--url", url, "--json")
    with ending(process):
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("command", [["stream"], ["record", "-o", "out.jsonl"]])
def test_only_unknown_symbols_are_an_error(server: Server, command: list[str]) -> None:
    home, url = server
    done = home.run(*command, "NOPE", "--url", url)
    # A connection that takes long on a busy machine is told before.
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: the server accepts none of the symbols: no provider serves NOPE")
    assert (done.returncode, done.stdout) == (1, "")
    assert not (home.folder / "out.jsonl").exists()


@pytest.mark.parametrize("command", [["stream"], ["record", "-o", "out.jsonl"]])
def test_no_server_is_exit_code_4_and_says_how_to_start_one(
    home: Home, free_port: int, command: list[str]
) -> None:
    home.write("tickloom.toml", f"[server]\nstream_port = {free_port}\n")
    done = home.run(*command, "TICK.ONE", "--json")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "server-unavailable"
    assert f"ws://127.0.0.1:{free_port}/ (Connection refused)" in error["message"]
    assert "tickloom serve" in error["fix"]
    assert done.returncode == 4
    assert not (home.folder / "out.jsonl").exists()


def test_a_server_with_keys_wants_one(home: Home) -> None:
    home.write(
        "tickloom.toml",
        '[plugins]\nenabled = ["ticking"]\n'
        '[auth]\nmode = "keys"\n[auth.keys]\nalice = { env = "ALICE" }\n',
    )
    with home.serving(ALICE="s3cret") as (_, banner):
        assert '-H "X-API-Key: $TICKLOOM_API_KEY"' in banner["try"][0]
        target = ("TICK.ONE", "--count", "1", "--url", banner["stream"][0])
        without = home.run("stream", *target, ALICE="s3cret")
        assert "wants a key. Put the key into TICKLOOM_API_KEY" in without.stderr
        wrong = home.run("stream", *target, ALICE="s3cret", TICKLOOM_API_KEY="other")
        assert "does not know the key" in wrong.stderr
        right = home.run("stream", *target, "--key-env", "ALICE", ALICE="s3cret")
        assert "TICK.ONE" in right.stdout
        unset = home.run("stream", *target, "--key-env", "BOB", ALICE="s3cret")
        assert "the variable BOB that --key-env names is not set" in unset.stderr
    codes = (without.returncode, wrong.returncode, right.returncode, unset.returncode)
    assert codes == (1, 1, 0, 3)


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_a_recording_is_a_header_and_then_the_messages(
    server: Server, tmp_path: Path, name: str
) -> None:
    home, url = server
    path = tmp_path / name
    done = home.run("record", "TICK.*", "-o", str(path), "--url", url, "--count", "5", "--json")
    header, *messages = lines_of(path)
    assert header.pop("started_at").endswith("Z")
    assert header == {"type": "recording", "version": 1, "source": url}
    assert [message["type"] for message in messages] == ["market_data"] * 5
    assert isinstance(messages[0]["data"]["current_price"], Decimal)
    assert json.loads(done.stdout) == {
        "file": str(path),
        "quotes": {"TICK.ONE": 3, "TICK.TWO": 2},
        "gaps": 0,
    }
    assert done.returncode == 0


def test_record_does_not_overwrite_without_force(server: Server, tmp_path: Path) -> None:
    home, url = server
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    command = ("record", "TICK.ONE", "-o", str(path), "--url", url, "--count", "1")
    done = home.run(*command)
    assert "there is a file" in done.stderr
    assert (done.returncode, path.read_text()) == (1, "mine")
    assert home.run(*command, "--force").returncode == 0
    assert lines_of(path)[0]["type"] == "recording"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_recording_that_is_interrupted_is_whole(
    server: Server, tmp_path: Path, number: int
) -> None:
    home, url = server
    path = tmp_path / "out.jsonl.gz"
    process = home.popen("record", "TICK.ONE", "-o", str(path), "--url", url)
    with ending(process):
        wait_until(lambda: path.exists() and path.stat().st_size > 100)
        process.send_signal(number)
        _, err = process.communicate(timeout=LIMIT_S)
    prices = len(lines_of(path)) - 1
    assert prices >= 1
    assert err == f"{prices} prices of 1 symbols in {path}\n"
    assert process.returncode == 0


def test_a_recording_goes_on_when_the_server_comes_back(home: Home, free_port: int) -> None:
    path = home.folder / "out.jsonl"
    url = f"ws://127.0.0.1:{free_port}/ws"
    with home.serving(free_port):
        process = home.popen("record", "TICK.ONE", "-o", str(path), "--url", url)
        try:
            wait_until(lambda: len(epochs_in(path)) == 1)
        except BaseException:
            process.kill()
            raise
    with ending(process), home.serving(free_port):
        wait_until(lambda: len(epochs_in(path)) == 2)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=LIMIT_S)
    messages = lines_of(path)[1:]
    [gap] = [message for message in messages if message["type"] != "market_data"]
    assert gap == {"type": "gap", "symbols": ["TICK.ONE"], "reason": "the connection was lost"}
    assert len({message["epoch"] for message in messages if message is not gap}) == 2
    assert "closed with 1012; trying again" in err
    assert f"connected again to {url}" in err
    assert err.endswith(", 1 gaps\n")


def test_replay_plays_what_was_recorded(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("tickloom_replay", reason="the plugin replay is not installed")
    home, url = server
    path = tmp_path / "out.jsonl.gz"
    home.run("record", "TICK.ONE", "-o", str(path), "--url", url, "--count", "5")
    prices = [line["data"]["current_price"] for line in lines_of(path)[1:]]
    settings = {
        "TICKLOOM_PLUGINS__ENABLED": '["replay"]',
        "TICKLOOM_PLUGINS__REPLAY__PATH": str(path),
        "TICKLOOM_PLUGINS__REPLAY__SPEED": "20",
    }
    with home.serving(None, **settings) as (_, banner):
        assert banner["try"][2].startswith("tickloom stream TICK.ONE")
        done = home.run(
            "stream", "TICK.ONE", "--url", banner["stream"][0], "--count", "2", "--json"
        )
    ticks = [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]
    played = [tick["data"] for tick in ticks if tick["type"] == "market_data"]
    assert {quote["provider"] for quote in played} == {"replay"}
    assert {quote["current_price"] for quote in played} <= set(prices)
