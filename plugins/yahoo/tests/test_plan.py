from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import InvalidDates, NoData, NotSupported, TickloomError
from tickloom.model import Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom_yahoo.plan import INTERVALS, Plan, plan_history

NOW = datetime(2026, 1, 7, 15, 0, tzinfo=UTC)


def plan_of(start: str, end: str, *, extended: bool = False, **changes: Any) -> Plan:
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    request = HistoryRequest(symbol="ACME", start=first, end=last, **changes)
    return plan_history(request, NOW, extended=extended)


def days_of(query: dict[str, str]) -> tuple[str, str]:
    first, last = (datetime.fromtimestamp(int(query[name]), UTC) for name in ("period1", "period2"))
    return str(first.date()), str(last.date())


def test_days_are_asked_for_with_one_more_on_either_side() -> None:
    plan = plan_of("2025-12-01", "2025-12-31", adjustment=PriceAdjustment.SPLITS)

    assert days_of(plan.bars) == ("2025-11-30", "2026-01-02")
    assert (plan.bars["interval"], plan.bars["events"]) == ("1d", "div,splits")
    assert plan.later_splits is None


def test_raw_bars_of_the_past_need_the_splits_since() -> None:
    plan = plan_of("2025-12-01", "2025-12-30")

    assert plan.later_splits is not None
    assert days_of(plan.later_splits) == ("2025-12-30", "2026-01-09")
    assert plan.later_splits["events"] == "splits"
    assert plan_of("2025-12-01", "2026-01-07").later_splits is None


@pytest.mark.parametrize(
    ("interval", "begin"),
    [
        # A Thursday: weeks begin on Mondays, or Yahoo would begin them all on Thursdays.
        (Interval.WEEK, "2025-11-10"),
        (Interval.DAYS_5, "2025-11-13"),
        (Interval.MONTH, "2025-10-31"),
        (Interval.QUARTER, "2025-09-30"),
    ],
)
def test_longer_bars_begin_where_the_calendar_has_them(interval: Interval, begin: str) -> None:
    plan = plan_of("2025-11-13", "2026-01-07", interval=interval)
    assert days_of(plan.bars)[0] == begin


def test_a_range_into_the_future_ends_tomorrow() -> None:
    assert days_of(plan_of("2026-01-05", "9999-12-31").bars)[1] == "2026-01-10"
    with pytest.raises(NoData):
        plan_of("2026-01-09", "2026-02-01")


def test_a_reversed_range_is_refused() -> None:
    with pytest.raises(InvalidDates):
        plan_of("2026-01-05", "2026-01-04")


def test_bars_of_minutes_that_are_partly_too_old_are_refused_with_the_oldest_day() -> None:
    with pytest.raises(InvalidDates, match="2025-12-30"):
        plan_of("2025-12-01", "2026-01-05", interval=Interval.MINUTE)
    with pytest.raises(NoData, match="60 days"):
        plan_of("2025-06-01", "2025-06-05", interval=Interval.MINUTES_5)


def test_extended_hours_are_asked_for_in_minutes_only() -> None:
    minutes = plan_of("2026-01-06", "2026-01-07", interval=Interval.MINUTES_5, extended=True)
    days = plan_of("2026-01-06", "2026-01-07", extended=True)

    assert minutes.bars["includePrePost"] == "true"
    assert days.bars["includePrePost"] == "false"


def test_what_yahoo_does_not_have_is_not_supported() -> None:
    with pytest.raises(NotSupported):
        plan_of("2026-01-06", "2026-01-07", interval=Interval.SECOND)
    with pytest.raises(NotSupported):
        plan_of(
            "2026-01-06", "2026-01-07", interval=Interval.MINUTE, adjustment=PriceAdjustment.ALL
        )


@given(
    st.dates(),
    st.dates(),
    st.sampled_from(Interval),
    st.sampled_from(PriceAdjustment),
    st.booleans(),
)
def test_any_question_has_a_plan_or_an_error_of_ours(
    start: date, end: date, interval: Interval, adjustment: PriceAdjustment, extended: bool
) -> None:
    with suppress(TickloomError):
        plan = plan_of(
            str(start), str(end), interval=interval, adjustment=adjustment, extended=extended
        )
        assert plan.bars["interval"] in INTERVALS
        assert int(plan.bars["period1"]) < int(plan.bars["period2"])
