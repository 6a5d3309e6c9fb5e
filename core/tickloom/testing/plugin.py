"""What pytest loads wherever tickloom is installed: fixtures, and a table after benchmarks.

It imports nothing of tickloom before a test asks for it, and changes nothing for tests that do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tickloom.clock import FakeClock
    from tickloom.testing.bench import ProviderSpeed
    from tickloom.testing.server import FaultServer

SPEEDS = pytest.StashKey[list[tuple[str, str, float]]]()


@pytest.fixture
def tickloom_clock() -> FakeClock:
    """A clock that stands still until it is told to go on."""
    from tickloom.clock import FakeClock  # noqa: PLC0415 - see the module's docstring

    return FakeClock()


@pytest.fixture
def tickloom_fault_server() -> Callable[..., FaultServer]:
    """The class of the local server that plays faults; give it a handler."""
    from tickloom.testing import FaultServer  # noqa: PLC0415 - see the module's docstring

    return FaultServer


@pytest.fixture
def tickloom_speed(request: pytest.FixtureRequest, benchmark: Any) -> ProviderSpeed:
    """What measures a provider for the table; needs pytest-benchmark."""
    from tickloom.testing.bench import ProviderSpeed  # noqa: PLC0415 - see the module's docstring

    return ProviderSpeed(benchmark, request.config.stash.setdefault(SPEEDS, []).append)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of the providers that were measured, if any."""
    measured = terminalreporter.config.stash.get(SPEEDS, [])
    if measured:
        from tickloom.testing.bench import table_of  # noqa: PLC0415 - see the module's docstring

        terminalreporter.write_sep("-", "providers of tickloom, median of each measurement")
        for line in table_of(measured):
            terminalreporter.write_line(line)
