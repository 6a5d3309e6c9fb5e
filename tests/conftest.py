"""Fixtures that any test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tickloom.clock import FakeClock

RECORDED = Path(__file__).resolve().parent.parent.parent / "shared" / "recorded"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("the folder of recorded vendor answers is not beside this checkout")
    return RECORDED
