"""Turns skips into failures where ``REFUSE_SKIPS`` is set, as in ``.ci/run``.

Who changes something has to have seen the tests of databases and of faults; who only looks around
may lack a server. Other skips, such as for want of Node, are accepted.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

NEEDED = ("PostgreSQL", "Redis", "redis-server", "file system")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # An expected failure has no such reason.
    if report.skipped and os.environ.get("REFUSE_SKIPS") and isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        if any(needed in reason for needed in NEEDED):
            report.outcome = "failed"
            report.longrepr = f"{path}:{line}: {reason}, and REFUSE_SKIPS is set"
    return report
