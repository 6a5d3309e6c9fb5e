"""The measuring of providers: what it keeps, and the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tickloom.testing.bench import table_of

MEASURES = """
def test_parsing(tickloom_speed):
    tickloom_speed.parse("acme", lambda: sum(range(100)), items=10)
"""


def run(folder: Path, *options: str) -> str:
    (folder / "test_it.py").write_text(MEASURES, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:asyncio", "-p", "no:cacheprovider"]
    # A worker's environment would switch its benchmarks off.
    environment = {name: value for name, value in os.environ.items() if "PYTEST_XDIST" not in name}
    done = subprocess.run(
        [*command, *options],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_provider_has_a_row_and_what_was_not_measured_is_a_dash() -> None:
    lines = table_of(
        [("b", "bare", 0.001), ("b", "call", 0.0015), ("a", "parse", 1e-6), ("a", "concurrent", 1)]
    )
    assert [line.split() for line in lines[1:]] == [
        ["a", "1,000,000", "-", "-", "-", "1"],
        ["b", "-", "1,000", "us", "1,500", "us", "1.50", "-"],
    ]


def test_the_table_is_printed_where_benchmarks_are_enabled(tmp_path: Path) -> None:
    out = run(tmp_path, "--benchmark-enable", "--benchmark-only")
    assert "providers of tickloom" in out
    assert any(line.startswith("acme ") for line in out.splitlines())


def test_no_table_is_printed_where_nothing_was_measured(tmp_path: Path) -> None:
    assert "providers of tickloom" not in run(tmp_path, "--benchmark-disable")
