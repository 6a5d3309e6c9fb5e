from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import NoData, ProviderUnavailable, TickloomError, UnknownSymbol
from tickloom.fetch import MAX_BYTES, parse_off_loop
from tickloom.model import Dividend, Interval, Split, encode_json
from tickloom.testing import LoopLag
from tickloom_yahoo.parse_chart import Chart, parse_chart, parse_splits

Body = Callable[[str], bytes]
OPEN_S = 1767364200  # 2026-01-02 09:30 in New York


def chart_of(body: bytes, interval: Interval = Interval.DAY) -> Chart:
    return parse_chart(body, "ACME", interval)


def answer_of(times: list[int], zone: str = "America/New_York", **columns: Any) -> bytes:
    prices = {
        name: [10.0 + number for number in range(len(times))] for name in ("open", "high", "low")
    }
    quote = {**prices, "close": prices["open"], "volume": [100] * len(times), **columns}
    result = {
        "meta": {"currency": "USD", "exchangeTimezoneName": zone, "instrumentType": "EQUITY"},
        "timestamp": times,
        "indicators": {"quote": [quote]},
    }
    return json.dumps({"chart": {"result": [result], "error": None}}).encode()


def test_every_recorded_chart_is_bars_or_an_error_of_ours(recorded: Path, body: Body) -> None:
    files = list(recorded.glob("chart/*"))
    files += [recorded / f"scheb/{name}.json" for name in ("historicalData", "splitData", "noData")]
    assert len(files) > 20
    counted = 0
    for file in files:
        content = body(str(file.relative_to(recorded)))
        meta = json.loads(content)["chart"]["result"][0]["meta"]
        try:
            chart = chart_of(content, Interval(meta["dataGranularity"]))
        except TickloomError:
            continue
        times = [bar.timestamp for bar in chart.bars]
        assert times == sorted(set(times))
        for bar in chart.bars:
            assert bar.low_price <= bar.close_price <= bar.high_price
            encode_json(bar)
        counted += len(times)
    assert counted > 400


def test_a_daily_bar_begins_at_the_venues_midnight_and_has_no_noise(body: Body) -> None:
    chart = chart_of(body("chart/chart-AAPL.json"))
    bar = chart.bars[0]

    # As delivered: 164.97999572753906, 166.69000244140625 …
    assert (bar.open_price, bar.high_price) == (Decimal("164.98"), Decimal("166.69"))
    assert (bar.low_price, bar.close_price) == (Decimal("162.15"), Decimal("164.32"))
    assert bar.adjusted_close == Decimal("161.69987")
    assert bar.volume == 91162800
    assert bar.timestamp == datetime(2022, 2, 22, 5, 0, tzinfo=UTC)
    assert (chart.currency, chart.exchange) == ("USD", "NasdaqGS")


def test_prices_before_a_split_keep_the_places_that_they_need(body: Body) -> None:
    name = "chart/historical-via-chart-NVDA-split-2021-02-01-to-2022-01-31.csv.json"
    chart = chart_of(body(name))

    assert len(chart.bars) == 252
    assert chart.bars[0].open_price == Decimal("13.05325")
    assert chart.bars[0].close_price == Decimal("13.237")
    assert chart.splits == (Split(day=date(2021, 7, 20), ratio=Decimal(4)),)


@pytest.mark.parametrize(
    ("name", "zone", "first", "volume"),
    [
        ("OCDO.L", "Europe/London", datetime(2020, 1, 2, 0, 0, tzinfo=UTC), 728520),
        ("BTC-USD", "UTC", datetime(2020, 1, 1, 0, 0, tzinfo=UTC), 18565664997),
        ("EURUSD=X", "Europe/London", datetime(2020, 1, 1, 0, 0, tzinfo=UTC), None),
        ("0P000071W8.TO", "America/Toronto", datetime(2020, 1, 2, 5, 0, tzinfo=UTC), None),
        ("GC=F", "America/New_York", datetime(2020, 1, 2, 5, 0, tzinfo=UTC), 214),
    ],
)
def test_days_are_those_of_the_venue(
    body: Body, name: str, zone: str, first: datetime, volume: int | None
) -> None:
    chart = chart_of(body(f"chart/chart-{name}-2020-01-01-to-2020-01-03.json"))

    assert chart.zone.key == zone
    assert (chart.bars[0].timestamp, chart.bars[0].volume) == (first, volume)
    assert chart.currency == {"OCDO.L": "GBp", "0P000071W8.TO": "CAD"}.get(name, "USD")


def test_events_carry_the_day_on_which_they_happened(body: Body) -> None:
    days = chart_of(body("chart/chart-AAPL-2020-08-31-to-2020-11-07.json"))
    months = chart_of(body("scheb/splitData.json"), Interval.MONTH)

    assert days.splits == (Split(day=date(2020, 8, 31), ratio=Decimal(4)),)
    assert days.dividends == (
        Dividend(day=date(2020, 11, 6), amount=Decimal("0.205"), currency="USD"),
    )
    # The event of a month's bar is filed under the first of the month.
    assert months.splits == days.splits


def test_times_before_1970_are_read(body: Body) -> None:
    chart = chart_of(body("chart/pricehist-ibm-long-partial.json"))

    assert chart.bars[0].timestamp == datetime(1962, 1, 2, 5, 0, tzinfo=UTC)
    assert chart.splits[0] == Split(day=date(1964, 5, 18), ratio=Decimal("1.25"))


def test_null_bars_are_left_out_and_counted(body: Body) -> None:
    chart = chart_of(body("chart/pricehist-inrx-with-null.json"))
    assert (len(chart.bars), chart.skipped) == (3, 1)

    partly = chart_of(answer_of([OPEN_S, OPEN_S + 86400], close=[None, 5]))
    assert (len(partly.bars), partly.skipped) == (1, 1)


def test_a_column_of_closes_alone_makes_bars(body: Body) -> None:
    chart = chart_of(body("chart/portfolio-historical01.txt"))

    assert (len(chart.bars), chart.skipped) == (123, 1)
    assert chart.bars[0].open_price == chart.bars[0].close_price == Decimal("188.55")


@pytest.mark.parametrize(
    "name",
    [
        "chart/chart-AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m.json",
        "chart/chart-TSLA-2025-01-01-to-2025-01-02-interval-1h.fake.json",
        "chart/chart-notimestamp-weird-quote.fake.json",
        "scheb/noData.json",
    ],
)
def test_an_answer_without_times_has_no_bars(body: Body, name: str) -> None:
    assert chart_of(body(name)).bars == ()


def test_the_bar_of_an_open_day_begins_at_midnight_like_the_others() -> None:
    chart = chart_of(answer_of([OPEN_S - 86400, OPEN_S + 3723]))
    assert [bar.timestamp.hour for bar in chart.bars] == [5, 5]


def test_a_day_that_comes_twice_is_one_bar_of_its_newer_state() -> None:
    chart = chart_of(answer_of([OPEN_S, OPEN_S + 3723]))

    assert len(chart.bars) == 1
    assert chart.bars[0].close_price == 11


def test_the_running_day_becomes_part_of_its_month() -> None:
    chart = chart_of(answer_of([OPEN_S, OPEN_S + 86400 * 9 + 100]), Interval.MONTH)
    bar = chart.bars[0]
    assert (len(chart.bars), bar.open_price, bar.close_price) == (1, 10, 11)
    assert (bar.high_price, bar.low_price, bar.volume) == (11, 10, 200)


def test_a_finished_day_is_not_counted_twice_in_its_month(body: Body) -> None:
    chart = chart_of(body("scheb/splitData.json"), Interval.MONTH)
    bar = chart.bars[-1]

    assert len(chart.bars) == 60
    assert bar.timestamp == datetime(2024, 10, 1, 4, 0, tzinfo=UTC)
    # The daily recording of the same days has the same sum.
    days = chart_of(body("scheb/historicalData.json")).bars
    assert bar.volume == sum(day.volume or 0 for day in days[1:])
    assert bar.high_price == max(day.high_price for day in days[1:])


def test_the_first_hour_after_a_break_for_lunch_begins_where_it_does() -> None:
    # Tokyo: 10:00, 11:00, and 12:30 after the break.
    hours = [datetime(2026, 11, 24, *clock, tzinfo=UTC) for clock in ((1, 0), (2, 0), (3, 30))]
    body = answer_of([int(hour.timestamp()) for hour in hours], "Asia/Tokyo")

    assert [bar.timestamp for bar in chart_of(body, Interval.HOUR).bars] == hours


def test_the_bar_of_a_running_minute_begins_with_its_minute() -> None:
    times = [OPEN_S, OPEN_S + 60, OPEN_S + 120 + 17]
    chart = chart_of(answer_of(times), Interval.MINUTE)
    assert [bar.timestamp.second for bar in chart.bars] == [0, 0, 0]

    joined = chart_of(answer_of([OPEN_S, OPEN_S + 60, OPEN_S + 77]), Interval.MINUTE)
    assert len(joined.bars) == 2
    assert (joined.bars[1].open_price, joined.bars[1].close_price) == (11, 12)


def test_hours_are_counted_from_the_begin_of_the_session() -> None:
    times = [OPEN_S, OPEN_S + 3600, OPEN_S + 3600 + 1234]
    chart = chart_of(answer_of(times), Interval.HOUR)
    assert [bar.timestamp.minute for bar in chart.bars] == [30, 30]


def test_single_values_of_a_wrong_type_cost_their_bar_alone() -> None:
    days = [OPEN_S, OPEN_S + 86400, OPEN_S + 3 * 86400]
    chart = chart_of(answer_of(days, close=[10, "a lot", 12], volume=[1, 2, "many"]))

    assert [bar.close_price for bar in chart.bars] == [10, 12]
    assert [bar.volume for bar in chart.bars] == [1, None]


def test_columns_may_be_shorter_than_the_times() -> None:
    chart = chart_of(answer_of([OPEN_S, OPEN_S + 86400], close=[10], volume=[]))
    assert (len(chart.bars), chart.bars[0].volume) == (1, None)


def test_what_yahoo_says_instead_of_bars_is_understood() -> None:
    def said(description: str) -> bytes:
        error = {"code": "Not Found", "description": description}
        return json.dumps({"chart": {"result": None, "error": error}}).encode()

    with pytest.raises(UnknownSymbol):
        chart_of(said("No data found, symbol may be delisted"))
    with pytest.raises(NoData):
        chart_of(said("1m data not available for startTime=1 and endTime=2."))
    for content in (b"", b"<html>", b"{}", b'{"chart": 5}'):
        with pytest.raises(ProviderUnavailable):
            chart_of(content)
    with pytest.raises(NoData):
        chart_of(b'{"chart": {"result": [], "error": null}}')


def test_bars_of_another_interval_than_asked_for_are_refused() -> None:
    content = json.loads(answer_of([OPEN_S]))
    content["chart"]["result"][0]["meta"]["dataGranularity"] = "60m"
    body = json.dumps(content).encode()

    assert len(chart_of(body, Interval.HOUR).bars) == 1
    with pytest.raises(NoData, match="60m"):
        chart_of(body, Interval.MINUTES_30)


def test_splits_are_read_whatever_the_bars_are(body: Body) -> None:
    expected = (Split(day=date(2020, 8, 31), ratio=Decimal(4)),)
    assert parse_splits(body("scheb/splitData.json"), "AAPL") == expected
    assert parse_splits(body("chart/chart-AAPL-2020-08-31-to-2020-11-07.json"), "AAPL") == expected


async def test_the_longest_answer_that_is_taken_holds_up_nobody() -> None:
    count = 60_000
    prices = dict.fromkeys(("open", "high", "low", "close"), [164.97999572753906] * count)
    body = answer_of([OPEN_S + 60 * number for number in range(count)], **prices)
    assert 4_000_000 < len(body) < MAX_BYTES
    lags = []
    # What else this machine does meanwhile is not the parser's doing: three attempts.
    for _ in range(3):
        async with LoopLag() as lag:
            chart = await parse_off_loop(parse_chart, body, "ACME", Interval.MINUTE)
        assert len(chart.bars) == count
        lags.append(lag.worst_s)
        if lag.worst_s < 0.05:
            return
    pytest.fail(f"the loop was held up for {min(lags):.3f} s")
