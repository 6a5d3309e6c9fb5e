"""Fixtures that any test may use."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from hypothesis import HealthCheck, settings
from loguru import logger

from databases import database, empty_database, nothing_is_left, postgres, template
from refusing import pytest_runtest_makereport
from standins import pytest_configure
from tickloom.clock import FakeClock

__all__ = [
    "database",
    "empty_database",
    "nothing_is_left",
    "postgres",
    "pytest_configure",
    "pytest_runtest_makereport",
    "template",
]

# Machines that run tests are busy with other things; the time of an example says nothing.
settings.register_profile("tickloom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tickloom")

# A shell's background jobs ignore Ctrl-C, and so would the programs that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

RECORDED = Path(__file__).resolve().parent.parent.parent / "shared" / "recorded"


@pytest.fixture(autouse=True)
def no_waits_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for, and connections that hang are let go, in a tenth of the time.

    For tests that wait for just that, and for no other lock.
    """
    monkeypatch.setattr("tickloom.store.sqlite._LOCK_WAIT_S", 0.1)
    monkeypatch.setattr("tickloom.store.job_log_sqlite._LOCK_WAIT_S", 0.2)
    monkeypatch.setattr("tickloom.store.retention_sqlite._LOCK_WAIT_S", 0.2)
    monkeypatch.setattr("tickloom.store.retention_postgres._LOCK_LIMIT_MS", 20)
    monkeypatch.setattr("tickloom.store.postgres._CLOSE_LIMIT_S", 0.3)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("the folder of recorded vendor answers is not beside this checkout")
    return RECORDED


@pytest.fixture
def warnings_told() -> Iterator[list[str]]:
    told: list[str] = []
    sink = logger.add(told.append, level="WARNING", format="{message}")
    yield told
    logger.remove(sink)
