"""A folder to run the command line in, with a plugin that only these tests know."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LIMIT_S = 40

SETTINGS = """
[plugins]
enabled = ["ticking"]

[providers]
primary = "ticking"
fallback = []

[logging]
level = "WARNING"
"""


class Home:
    """A working directory for the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.write("tickloom.toml", SETTINGS)
        self.install("ticking", Path(__file__).with_name("ticking.py").read_text(encoding="utf-8"))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def install(self, name: str, source: str) -> None:
        """Lay down a distribution of one module as pip would."""
        info = self.site / f"{name}-1.2.3.dist-info"
        info.mkdir(parents=True)
        (self.site / f"{name}.py").write_text(source, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[tickloom]\n{name} = {name}\n")

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not is_ours(name)}
        # Behind it what the tests themselves run with, where that is not what is installed.
        paths = [str(self.site), *filter(None, [kept.get("PYTHONPATH")])]
        return kept | {"PYTHONPATH": os.pathsep.join(paths)} | variables

    def popen(self, *args: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tickloom", *args],
            cwd=self.folder,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.popen(*args, **variables)
        with ending(process):
            out, err = process.communicate(timeout=LIMIT_S)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    @contextmanager
    def serving(
        self, port: int | None = None, *args: str, **variables: str
    ) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
        """Run a server; gives the process and the banner that it printed."""
        ports = ["--port", str(port or 0), "--stream-port", "0"]
        process = self.popen("serve", "--json", *ports, *args, **variables)
        with ending(process):
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                pytest.fail(f"the server did not start: {process.communicate(timeout=LIMIT_S)[1]}")
            yield process, json.loads(line)


def is_ours(name: str) -> bool:
    others = {"REDIS_URL", "DATABASE_URL", "LOG_LEVEL", "MARKET_DATA_LOG_FILE", "NO_COLOR"}
    return name.startswith("TICKLOOM_") or name in others


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
