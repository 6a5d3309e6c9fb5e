"""The checks against recorded faulty series and their repairs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tickloom_validators.evaluation import Outcome, evaluate, table_of

_REPOSITORY = Path(__file__).parents[3]
# What a bar says of itself: no repair of dividends or splits touches it, and it is a fault.
PLAIN = {"bar-range"}


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    named = os.environ.get("TICKLOOM_RECORDED")
    root = Path(named) if named else _REPOSITORY.parent / "shared" / "recorded"
    folder = root / "bad_data" / "yfinance"
    if not folder.is_dir():
        pytest.skip("the recorded faulty series are not at hand; TICKLOOM_RECORDED can name them")
    return evaluate(folder)


def test_every_fault_that_a_repair_marks_is_flagged(outcomes) -> None:
    """``python -m tickloom_validators.evaluation FOLDER`` prints the table."""
    assert len(table_of(outcomes).splitlines()) == len(outcomes) + 1
    assert {one.name: one.missed for one in outcomes if one.missed} == {}


def test_at_most_a_thousandth_of_the_rows_without_fault_is_flagged(outcomes) -> None:
    controls = [one for one in outcomes if "no-bad" in one.name]
    assert sum(one.rows for one in controls) > 2_000
    assert sum(len(one.told) for one in controls) <= 0.001 * sum(one.rows for one in controls)


def test_at_most_a_thousandth_of_the_rows_that_no_repair_changes_is_flagged(outcomes) -> None:
    """Apart from bars whose low is not lowest, and those of two series plainly in another unit."""
    unchanged = needless = 0
    for one in outcomes:
        unchanged += one.rows - len(one.faults)
        plain = PLAIN | ({"bar-unit"} if one.name.startswith(("LSC-L", "CLC-L")) else set())
        needless += sum(1 for codes in one.needless.values() if codes - plain)
    assert needless <= 0.001 * unchanged
