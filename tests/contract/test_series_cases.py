"""Every case of a validator of series can fail, and fails for its own reason alone."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tickloom.model import Bar, HistoricalData, Interval, Quality, Timeliness
from tickloom.roles import Finding
from tickloom.testing import SeriesValidatorContract
from tickloom.testing.cases import Tier
from tickloom.testing.cases_running import Outcome, reached, run_case
from tickloom.testing.cases_series import SERIES_CASES
from tickloom.testing.cases_trial import SeriesTrial

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
PRICES = ("open_price", "high_price", "low_price", "close_price")
BAD = HistoricalData(
    symbol="EXA.ONE",
    interval=Interval.DAY,
    start_date=NOW.date(),
    end_date=NOW.date(),
    provider="example",
    received_at=NOW,
    data_points=tuple(
        Bar(timestamp=NOW + timedelta(days=day), **dict.fromkeys(PRICES, Decimal(price)))
        for day, price in enumerate((5, -1, -2, 5))
    ),
    timeliness=Timeliness.END_OF_DAY,
)


class Positive:
    """Flags closes of zero or less."""

    name: Any = "positive"

    def check_series(self, history: HistoricalData) -> Any:
        return [self.found(bar) for bar in history.data_points if bar.close_price <= 0]

    def found(self, bar: Bar) -> Finding:
        values = {"close": bar.close_price}
        reason = f"the close is {bar.close_price}"
        return Finding(timestamp=bar.timestamp, code="bar-zero", reason=reason, values=values)


class Nameless(Positive):
    name = ""


class Iterating(Positive):
    def check_series(self, history: HistoricalData) -> Any:
        return iter(super().check_series(history))


class Harsh(Positive):
    def check_series(self, history: HistoricalData) -> Any:
        found = super().check_series(history)
        if len(history.data_points) > 200 and not found:
            one = self.found(history.data_points[9])
            return [replace(one, quality=Quality.QUARANTINED)]
        return found


class Choking(Positive):
    def check_series(self, history: HistoricalData) -> Any:
        self.first = history.data_points[0]
        return super().check_series(history)


class Elsewhere(Positive):
    def found(self, bar: Bar) -> Finding:
        return replace(super().found(bar), timestamp=bar.timestamp + timedelta(seconds=1))


class Mild(Positive):
    def check_series(self, history: HistoricalData) -> Any:
        return []


class Remembering(Positive):
    def __init__(self) -> None:
        self.seen = 0

    def check_series(self, history: HistoricalData) -> Any:
        self.seen += 1
        # Not in threads, where the order is nobody's.
        odd = self.seen > 20 and threading.current_thread() is threading.main_thread()
        found = super().check_series(history)
        return [replace(one, code="bar-late") for one in found] if odd else found


class Backwards(Positive):
    def check_series(self, history: HistoricalData) -> Any:
        return super().check_series(history)[::-1]


class Starting(Positive):
    gate = threading.Event()

    def check_series(self, history: HistoricalData) -> Any:
        if len(history.data_points) > 200:
            threading.Thread(target=self.gate.wait, args=[0.3]).start()
        return super().check_series(history)


class Slow(Positive):
    def check_series(self, history: HistoricalData) -> Any:
        if len(history.data_points) > 200:
            until_s = time.thread_time() + 0.06
            while time.thread_time() < until_s:
                pass
        return super().check_series(history)


class Mixing(Positive):
    count = itertools.count()

    def check_series(self, history: HistoricalData) -> Any:
        found = super().check_series(history)
        if threading.current_thread() is threading.main_thread():
            return found
        return [replace(one, code=f"bar-{next(self.count)}") for one in found]


BROKEN: dict[str, type[Positive]] = {
    "S01": Nameless,
    "S02": Iterating,
    "S03": Harsh,
    "S04": Choking,
    "S10": Elsewhere,
    "S11": Mild,
    "S12": Remembering,
    "S13": Backwards,
    "S20": Starting,
    "S21": Slow,
    "S22": Mixing,
}


def outcomes_of(kind: type[Positive], **changes: Any) -> list[Outcome]:
    @asynccontextmanager
    async def trial() -> AsyncIterator[SeriesTrial]:
        yield SeriesTrial(validator=kind(), now=NOW, **({"bad": (BAD,)} | changes))

    return [run_case(case, trial) for case in SERIES_CASES]


def failed(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.case.number: one.reason for one in outcomes if one.state == "failed"}


def test_numbers_are_unique_and_every_case_says_what_it_does() -> None:
    numbers = [case.number for case in SERIES_CASES]
    assert numbers == sorted(set(numbers))
    assert all(case.action and case.passes for case in SERIES_CASES)


def test_a_validator_of_series_without_a_fault_reaches_gold() -> None:
    outcomes = outcomes_of(Positive)
    assert {one.state for one in outcomes} == {"passed"}
    assert reached(outcomes) is Tier.GOLD


@pytest.mark.parametrize("case", SERIES_CASES, ids=lambda case: case.number)
def test_a_broken_validator_of_series_fails_its_case_and_no_other(case) -> None:
    found = failed(outcomes_of(BROKEN[case.number]))
    assert list(found) == [case.number], found


def test_without_a_bad_series_the_second_tier_is_not_reached() -> None:
    outcomes = outcomes_of(Positive, bad=())
    assert failed(outcomes) == {}
    assert reached(outcomes) is Tier.BRONZE


class TestPositive(SeriesValidatorContract):
    bad = (BAD,)

    def make(self) -> Positive:
        return Positive()
