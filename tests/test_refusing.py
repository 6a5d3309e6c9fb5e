"""What the checks before a change lands refuse to see skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SAMPLE = """
import pytest

@pytest.fixture
def database():
    pytest.skip("no PostgreSQL answers at 127.0.0.1:5432")

def test_fixture(database):
    pass

def test_itself():
    pytest.skip("redis-server is not installed")

def test_node():
    pytest.skip("node is not installed")

@pytest.mark.xfail(reason="no Redis")
def test_expected():
    assert False
"""


@pytest.mark.parametrize(
    ("refuse", "outcomes"),
    [
        ("", "3 skipped, 1 xfailed"),
        ("1", "1 failed, 1 skipped, 1 xfailed, 1 error"),
    ],
)
def test_what_a_server_is_missing_for_fails_where_skips_are_refused(
    tmp_path: Path, refuse: str, outcomes: str
) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "refusing", "-c", "/dev/null"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-p", "no:cacheprovider", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests"), "REFUSE_SKIPS": refuse},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert f"{outcomes} in" in done.stdout


def test_the_checks_before_a_change_lands_refuse_skips() -> None:
    assert "REFUSE_SKIPS=1" in (ROOT / ".ci" / "run").read_text()
