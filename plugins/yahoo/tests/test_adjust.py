from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tickloom.errors import NotSupported
from tickloom.model import Interval, PriceAdjustment, Split
from tickloom.roles import HistoryRequest
from tickloom_yahoo.adjust import adjust, cut
from tickloom_yahoo.parse_chart import Chart, parse_chart

Body = Callable[[str], bytes]


def chart_of(
    days: Sequence[tuple[str, float, float | None]],
    events: dict[str, Any] | None = None,
    interval: Interval = Interval.DAY,
) -> Chart:
    """Return the chart of days with their close and adjusted close."""
    closes = [close for _, close, _ in days]
    quote = dict.fromkeys(("open", "high", "low", "close"), closes)
    indicators: dict[str, Any] = {"quote": [{**quote, "volume": [400] * len(days)}]}
    indicators["adjclose"] = [{"adjclose": [adjusted for _, _, adjusted in days]}]
    result = {
        "meta": {"currency": "USD", "exchangeTimezoneName": "America/New_York"},
        "timestamp": [seconds(day) for day, _, _ in days],
        "indicators": indicators,
        "events": events or {},
    }
    answer = {"chart": {"result": [result], "error": None}}
    return parse_chart(json.dumps(answer).encode(), "ACME", interval)


def seconds(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T14:30+00:00").timestamp())


def split_of(day: str, new: int, old: int) -> dict[str, Any]:
    return {"splits": {"1": {"date": seconds(day), "numerator": new, "denominator": old}}}


def paid_on(day: str, amount: float) -> dict[str, Any]:
    return {"dividends": {"1": {"date": seconds(day), "amount": amount}}}


def question(adjustment: PriceAdjustment, **changes: Any) -> HistoryRequest:
    usual = {"symbol": "ACME", "start": date(2026, 1, 5), "end": date(2026, 1, 7)}
    return HistoryRequest(**(usual | changes), adjustment=adjustment)


DAYS = [("2026-01-05", 100.0, 99.0), ("2026-01-06", 101.0, 100.0), ("2026-01-07", 102.0, 102.0)]


def test_only_what_begins_in_the_range_stays() -> None:
    events = split_of("2026-01-05", 2, 1) | paid_on("2026-01-07", 0.5)
    wide = chart_of(DAYS, events)
    one = date(2026, 1, 6)
    narrow = cut(wide, question(PriceAdjustment.NONE, start=one, end=one))

    assert [bar.close_price for bar in narrow.bars] == [101]
    assert (narrow.splits, narrow.dividends) == ((), ())
    assert len(cut(wide, question(PriceAdjustment.NONE)).splits) == 1


def test_split_adjusted_prices_are_yahoos_own() -> None:
    chart = chart_of(DAYS, split_of("2026-01-06", 4, 1))
    assert adjust(chart, question(PriceAdjustment.SPLITS), chart.splits) is chart


def test_raw_prices_undo_splits_of_their_time_and_those_after_it() -> None:
    chart = chart_of(DAYS, split_of("2026-01-06", 4, 1) | paid_on("2026-01-05", 0.25))
    later = Split(day=date(2026, 2, 2), ratio=Decimal("0.5"))
    raw = adjust(chart, question(PriceAdjustment.NONE), (*chart.splits, later))

    # In today's shares: four for one on the 6th, then one for two.
    assert [bar.close_price for bar in raw.bars] == [200, Decimal("50.5"), 51]
    assert [bar.volume for bar in raw.bars] == [200, 800, 800]
    assert [one.amount for one in raw.dividends] == [Decimal("0.5")]
    assert raw.splits == chart.splits


def test_without_splits_raw_prices_are_as_they_came() -> None:
    chart = chart_of(DAYS)
    assert adjust(chart, question(PriceAdjustment.NONE), ()) is chart


def test_a_month_that_spans_a_split_is_in_the_shares_after_it() -> None:
    chart = chart_of([("2026-01-02", 100.0, 100.0)], interval=Interval.MONTH)
    split = Split(day=date(2026, 1, 20), ratio=Decimal(4))
    month = question(PriceAdjustment.NONE, interval=Interval.MONTH)

    assert adjust(chart, month, [split]).bars[0].close_price == 100
    later = Split(day=date(2026, 2, 1), ratio=Decimal(4))
    assert adjust(chart, month, [later]).bars[0].close_price == 400


def test_fully_adjusted_prices_scale_the_whole_bar() -> None:
    whole = adjust(chart_of(DAYS), question(PriceAdjustment.ALL), ())

    assert [bar.close_price for bar in whole.bars] == [99, 100, 102]
    assert [bar.open_price for bar in whole.bars] == [99, 100, 102]
    assert [bar.volume for bar in whole.bars] == [400, 400, 400]


def test_without_adjusted_closes_nothing_is_called_adjusted() -> None:
    chart = chart_of([(day, close, None) for day, close, _ in DAYS])
    with pytest.raises(NotSupported):
        adjust(chart, question(PriceAdjustment.ALL), ())


def test_recorded_prices_before_a_split_come_out_as_they_were_traded(body: Body) -> None:
    name = "chart/historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json"
    chart = parse_chart(body(name), "NVDA", Interval.DAY)
    # The recording is of a time after another split, ten for one, that is not in its range.
    later = Split(day=date(2024, 6, 10), ratio=Decimal(10))
    raw = adjust(chart, question(PriceAdjustment.NONE), (*chart.splits, later))

    assert raw.bars[0].timestamp == datetime(2021, 2, 1, 5, 0, tzinfo=UTC)
    assert raw.bars[0].close_price == Decimal("529.48")
