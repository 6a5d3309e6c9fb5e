"""Prints the table of the fan-out after its benchmarks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.fanout.processes import Line

LINES = pytest.StashKey[list[Line]]()
HEAD = ("fan-out", "measured", "beside", "ratio", "wanted")


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[Line], None]:
    """Take a line for the table."""
    return request.config.stash.setdefault(LINES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(LINES, [])
    if not lines:
        return
    rows = [HEAD] + [
        (
            line.what,
            line.ours,
            line.beside,
            "" if line.ratio is None else f"{line.ratio:.3f}",
            line.wanted,
        )
        for line in lines
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.write_sep("-", "fan-out, medians of rounds taken in turns")
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line("  ".join(cells).rstrip())
