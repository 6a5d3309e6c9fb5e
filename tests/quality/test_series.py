from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tickloom.model import Bar, HistoricalData, Interval, Quality, Timeliness
from tickloom.quality import SeriesInspector
from tickloom.roles import Finding

BEGIN = datetime(2026, 1, 2, 5, tzinfo=UTC)


class Scripted:
    name = "scripted"

    def __init__(self, *findings: Finding, error: BaseException | None = None) -> None:
        self._findings = findings
        self._error = error

    def check_series(self, history: HistoricalData) -> tuple[Finding, ...]:
        if self._error is not None:
            raise self._error
        return self._findings


def found(day: int, code: str, quality: Quality = Quality.FLAGGED) -> Finding:
    return Finding(
        timestamp=BEGIN + timedelta(days=day), code=code, reason="it is so", quality=quality
    )


@pytest.fixture
def history() -> HistoricalData:
    price = Decimal(100)
    bars = tuple(
        Bar(
            timestamp=BEGIN + timedelta(days=day),
            open_price=price,
            high_price=price,
            low_price=price,
            close_price=price,
        )
        for day in range(3)
    )
    return HistoricalData(
        symbol="EXA",
        interval=Interval.DAY,
        start_date=date(2026, 1, 2),
        end_date=date(2026, 1, 4),
        provider="example",
        received_at=BEGIN,
        data_points=bars,
        timeliness=Timeliness.END_OF_DAY,
    )


def test_findings_of_all_validators_come_oldest_bar_first(history) -> None:
    one, two = Scripted(found(2, "late"), found(0, "early")), Scripted(found(1, "between"))
    inspector = SeriesInspector({"one": one, "two": two})
    assert [finding.code for finding in inspector.inspect(history)] == ["early", "between", "late"]
    assert inspector.stats() == {
        "inspected_bars": 3,
        "codes": {"late": 1, "early": 1, "between": 1},
        "failed_validators": {},
        "left_out": [],
    }


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3)])
def test_a_validator_that_fails_is_counted_and_the_others_are_heard(history, error) -> None:
    broken = Scripted(error=error)
    inspector = SeriesInspector({"broken": broken, "one": Scripted(found(0, "early"))})
    for _ in range(2):
        assert [finding.code for finding in inspector.inspect(history)] == ["early"]
    assert inspector.stats()["failed_validators"] == {"broken": 2}


def test_a_finding_that_is_no_complaint_is_left_out(history) -> None:
    inspector = SeriesInspector({"one": Scripted(found(0, "fine", Quality.OK))})
    assert inspector.inspect(history) == []


@pytest.mark.parametrize(
    "rubbish",
    [
        *(None, "odd", ("odd",), (None,)),
        (replace(found(0, "odd"), timestamp=datetime(2026, 1, 2)),),  # noqa: DTZ001
        (replace(found(0, "odd"), timestamp="2026-01-02"),),  # type: ignore[arg-type]
        (replace(found(0, "odd"), code=["odd"]),),  # type: ignore[arg-type]
        (replace(found(0, "odd"), values=None),),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_finding_counts_as_a_failure(history, rubbish) -> None:
    class Rubbish:
        name = "rubbish"

        def check_series(self, history: HistoricalData) -> Any:
            return rubbish

    inspector = SeriesInspector({"rubbish": Rubbish(), "one": Scripted(found(0, "early"))})
    assert [finding.code for finding in inspector.inspect(history)] == ["early"]
    assert inspector.stats()["failed_validators"] == {"rubbish": 1}
