"""Data frames of history, and its pages, from a real server."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from barsamples import answer, bar
from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider
from tickloom.client import Client, History
from tickloom.errors import MissingDependency, RequestError
from tickloom.model import Interval, decode_json, encode_json
from tickloom.roles import HistoryRequest

if TYPE_CHECKING:
    from tickloom.model import HistoricalData

START = datetime(2026, 1, 2, 14, 30, tzinfo=UTC)
BARS = [
    bar(START, "189.410000000000001", volume=None),
    bar(START + timedelta(minutes=1), "0.5", vwap=Decimal("0.50")),
]


def history_of(*bars: Any) -> History:
    return decode_json(encode_json(answer(bars, interval=Interval.MINUTE)), History)


def test_a_frame_of_pandas_has_aware_times_and_every_digit() -> None:
    pandas = pytest.importorskip("pandas")
    frame = history_of(*BARS).to_pandas()

    assert frame.index.name == "timestamp"
    assert str(frame.index.dtype) == "datetime64[us, UTC]"
    assert list(frame.index) == [one.timestamp for one in BARS]
    assert list(frame["close_price"]) == [Decimal("189.410000000000001"), Decimal("0.5")]
    assert str(frame["volume"].dtype) == "Int64"
    assert frame["volume"].isna().tolist() == [True, False]
    assert [pandas.isna(value) for value in frame["vwap"]] == [True, False]


@pytest.mark.parametrize(
    ("decimals", "kind", "closes"),
    [
        ("float", "float64", [189.41, 0.5]),
        ("string", "str", ["189.410000000000001", "0.5"]),
    ],
)
def test_prices_of_pandas_can_be_floats_or_text(
    decimals: Any, kind: str, closes: list[Any]
) -> None:
    pytest.importorskip("pandas")
    frame = history_of(*BARS).to_pandas(decimals)
    assert str(frame["close_price"].dtype) == kind
    assert frame["close_price"].tolist() == closes
    assert frame["vwap"].isna().tolist() == [True, False]


def test_a_frame_without_bars_has_the_same_columns() -> None:
    pytest.importorskip("pandas")
    for decimals in ("decimal", "string", "float"):
        empty, full = history_of().to_pandas(decimals), history_of(*BARS).to_pandas(decimals)
        assert len(empty) == 0
        assert empty.dtypes.to_dict() == full.dtypes.to_dict()
        assert empty.index.dtype == full.index.dtype


def test_a_frame_of_polars_has_aware_times_and_every_digit() -> None:
    polars = pytest.importorskip("polars", reason="polars is an extra, and not of the lock file")
    frame = history_of(*BARS).to_polars()
    assert frame.schema["timestamp"] == polars.Datetime("us", "UTC")
    assert frame.schema["close_price"] == polars.Decimal(38, 18)
    assert frame["close_price"].to_list() == [one.close_price for one in BARS]
    assert frame["volume"].to_list() == [None, 100]
    assert history_of(*BARS).to_polars("float")["close_price"].to_list() == [189.41, 0.5]
    with pytest.raises(RequestError, match="decimals='string'"):
        history_of(bar(START, "1E-19")).to_polars()


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_missing_library_is_named_with_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependency, match=rf"pip install 'tickloom\[{name}\]'"):
        getattr(history_of(), f"to_{name}")()


def test_an_unknown_form_of_decimals_is_refused() -> None:
    wrong: Any = "double"
    with pytest.raises(RequestError, match="one of decimal, string, float"):
        history_of().to_pandas(wrong)


class Days(ScriptedProvider):
    """Gives a bar for each of ten days."""

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        await self._wait("history", request.symbol)
        bars = [bar(START + timedelta(days=n), f"{n}.5") for n in range(10)]
        return answer(bars, symbol=request.symbol, start_date=request.start, end_date=request.end)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_are_followed_to_the_end(order: Any) -> None:
    provider = Days("scripted", **EVERYTHING)
    async with serving(manager_of(provider)) as address, Client(f"http://{address}") as client:
        first, last = date(2026, 1, 1), date(2026, 1, 12)
        pages = [
            page
            async for page in client.history_pages("SIM.ACME", first, last, limit=4, order=order)
        ]
        whole = await client.history("SIM.ACME", first, last)

    assert [len(page.data_points) for page in pages] == [4, 4, 2]
    joined = [one for page in pages for one in page.data_points]
    assert tuple(joined if order == "asc" else joined[::-1]) == whole.data_points
    assert whole.next_page is None
    assert len(provider.calls) == 1
