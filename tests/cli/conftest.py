"""Fixtures of the command line's tests."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from loguru import logger

from cli.home import Home, is_ours
from tickloom.cli import tickloom


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def invoke(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Run a command in this process, in the folder of ``home``."""
    monkeypatch.chdir(home.folder)
    monkeypatch.syspath_prepend(home.site)
    for name in os.environ:
        if is_ours(name):
            monkeypatch.delenv(name)

    def run(*args: str, **variables: str) -> Result:
        return CliRunner().invoke(tickloom, args, env=variables, prog_name="tickloom")

    yield run
    # The command's log goes to a stream that the runner has closed.
    logger.remove()
    for name in ("ticking", "broken", "idle", "other"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """One server for all tests of a module; gives its folder and the URL of its stream."""
    home = Home(tmp_path_factory.mktemp("server"))
    with home.serving() as (_, banner):
        yield home, banner["stream"][0]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
