"""Builds wheels of this checkout, and environments that know nothing else of it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "third_party_provider"
SOURCES = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")), EXAMPLE]

# What the environment must not take over: this checkout, and what leads to it.
_OURS = re.compile(r"_?_?(tickloom|editable).*|.*\.pth")
_LIMIT_S = 120


class Environment:
    """A virtual environment with the third-party packages of this one and nothing of tickloom.

    Args:
        folder: Where it is made.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.home = folder
        self.bin = folder / "venv" / "bin"
        self.python = self.bin / "python"
        borrowed = folder / "borrowed"
        borrowed.mkdir()
        for packages in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for entry in Path(packages).iterdir():
                if not _OURS.fullmatch(entry.name):
                    (borrowed / entry.name).symlink_to(entry)
        [site] = (folder / "venv" / "lib").glob("python*/site-packages")
        (site / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")
        self.site = site

    @property
    def variables(self) -> dict[str, str]:
        """What a process there sees: nothing that could lead back here or to other settings."""
        return {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.home)}

    def run(self, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, command)],
            cwd=cwd,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )

    def ask(self, *words: str, cwd: Path) -> Any:
        """Return what ``tickloom … --json`` prints."""
        done = self.run(self.bin / "tickloom", *words, "--json", cwd=cwd)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def plugins(self, cwd: Path) -> dict[str, list[dict[str, Any]]]:
        """Return the lines of ``tickloom plugins`` by name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for line in self.ask("plugins", cwd=cwd):
            found.setdefault(line["name"], []).append(line)
        return found

    def install(self, *wheels: Path) -> None:
        self._pip("install", "--no-index", "--no-deps", *map(str, wheels))

    def uninstall(self, *names: str) -> None:
        self._pip("uninstall", "--yes", *names)

    def _pip(self, command: str, *words: str) -> None:
        pip("--python", str(self.python), command, *words)


def pip(*words: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(sources: Sequence[Path], folder: Path) -> None:
    pip(
        "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder),
        *map(str, sources),
    )  # fmt: skip


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    tickloom: Path, folder: Path, variables: Mapping[str, str], *options: str | Path
) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Run ``tickloom serve`` in ``folder``; gives the process and what it said of itself."""
    command = [tickloom, "serve", "--port=0", f"--stream-port={free_port()}", "--json", *options]
    log = folder / "stderr.txt"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*map(str, command)],
            cwd=folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, log.read_text()
            yield server, json.loads(line)
        finally:
            server.kill()
