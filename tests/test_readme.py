"""What the README tells a newcomer to type does what it says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elsewhere import ROOT, serving

README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
SHIPPED = ROOT / "examples" / "tickloom.toml"

# What each command must print before it is stopped, by the program that it begins with.
EXPECTED = {
    "curl": {'"symbol":"SIM.ACME"'},
    "tickloom": {"SIM.ACME", "DEMO.AURORA"},
    "python": {"SIM.ACME: ", "DEMO.AURORA: "},
    "node": {"SIM.ACME: "},
}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def client_commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.split()[0] in EXPECTED]


def variables(home: Path) -> dict[str, str]:
    return {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("served")
    options = f"--config={SHIPPED}"
    with serving(BIN / "tickloom", folder, variables(folder), options) as (_, banner):
        yield banner


def skip_where_impossible(words: list[str]) -> None:
    if shutil.which(words[0], path=variables(ROOT)["PATH"]) is None:
        pytest.skip(f"{words[0]} is not installed")
    if words[0] == "node":
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
        major = int(version.stdout.strip().lstrip("v").partition(".")[0])
        flag = "--experimental-websocket" in words
        if flag != (20 <= major < 22) or major < 20:
            pytest.skip(f"this line is for another Node than {version.stdout.strip()}")


def test_there_are_commands_to_try() -> None:
    assert {line.split()[0] for line in client_commands()} == set(EXPECTED)


@pytest.mark.parametrize("line", client_commands())
def test_a_first_client_receives_prices(server: Any, line: str, tmp_path: Path) -> None:
    line = line.replace("http://127.0.0.1:8000/api/v1/market-data", server["api"])
    line = line.replace("ws://127.0.0.1:8765", server["stream"][-1])
    words = shlex.split(line)
    skip_where_impossible(words)
    if words[0] == "tickloom":
        words.append(f"--url={server['stream'][-1]}")
    missing = set(EXPECTED[words[0]])
    if "sse?" in line:
        missing = {'"type":"market_data","symbol":"SIM.', '"type":"market_data","symbol":"DEMO.'}
    if words[0] == "node":
        missing = {f"{symbol}: " for symbol in words if symbol.startswith(("SIM.", "DEMO."))}
    told = ""
    with subprocess.Popen(
        words, cwd=ROOT, env=variables(tmp_path), stdout=subprocess.PIPE, text=True
    ) as client:
        try:
            assert client.stdout is not None
            for text in client.stdout:
                told += text
                missing = {piece for piece in missing if piece not in text}
                if not missing:
                    return
        finally:
            client.kill()
    pytest.fail(f"{missing} did not come; it printed {told!r}")


def test_the_python_sample_prints_a_price(tmp_path: Path) -> None:
    [sample] = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", sample],
        cwd=tmp_path,
        env=variables(tmp_path),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"SIM\.ACME: \d+(\.\d+)?\n", done.stdout)


def test_make_run_serves_the_shipped_settings() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        ["make", "--dry-run", "run"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"tickloom serve --config {SHIPPED.relative_to(ROOT)}\n" in done.stdout


def test_the_server_has_all_its_plugins_and_nothing_to_warn_of(server: Any) -> None:
    states = {line["name"]: line["state"] for line in server["plugins"]}
    assert states["simulated"] == states["replay"] == states["yahoo"] == "active"
    assert server["warnings"] == []
