"""What pytest gets of tickloom, and what a third party's contract looks like there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tickloom.clock import FakeClock
from tickloom.testing import FaultServer

BARE = """
from tickloom.model import Timeliness
from tickloom.roles import Provider, ProviderInfo
from tickloom.testing import ProviderContract

class Mine(Provider):
    info = ProviderInfo(name="mine", title="Mine", timeliness=Timeliness.DELAYED)
    async def get_quotes(self, symbols):
        return {}

class TestMine(ProviderContract):
    def make(self):
        return Mine()
"""


def run(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:asyncio", "-p", "no:cacheprovider", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_case_is_a_test_with_its_number_and_title(tmp_path: Path) -> None:
    done = run(tmp_path, BARE, "-v", "-rs", "-W", "error", "--strict-markers", "--strict-config")
    assert "TestMine::test_contract[P05 A provider can be closed twice] PASSED" in done.stdout
    assert "1 known symbol is needed; none told" in done.stdout
    assert done.returncode == 0, done.stdout


def test_a_case_that_fails_says_what_was_found_and_what_was_expected(tmp_path: Path) -> None:
    source = BARE.replace("def make", 'known = ("ONE",)\n    def make')
    done = run(tmp_path, source)
    assert "P02 A known symbol has a quote of the right types: no quote for the" in done.stdout
    assert "it passes where: The quote bears the symbol" in done.stdout
    assert done.returncode == 1


def test_the_plugin_does_not_load_the_contract_for_those_who_do_not_use_it(tmp_path: Path) -> None:
    source = """
import sys

def test_it():
    heavy = {"tickloom.testing.contract", "tickloom.feeds", "litestar", "redis", "websockets"}
    assert not heavy & set(sys.modules)
"""
    done = run(tmp_path, source)
    assert done.returncode == 0, done.stdout


def test_the_command_line_can_have_the_cases_without_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "import tickloom.cli.plugins_check, tickloom.testing.contract"
    )
    subprocess.run([sys.executable, "-c", code], timeout=30, check=True)


def test_the_clock_of_the_plugin_stands_still(tickloom_clock: FakeClock) -> None:
    assert tickloom_clock.now() == tickloom_clock.now()


def test_the_plugin_gives_the_server_of_faults(tickloom_fault_server: object) -> None:
    assert tickloom_fault_server is FaultServer
