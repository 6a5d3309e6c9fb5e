"""Any bytes and any JSON give a value or an error of our tree."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import TickloomError
from tickloom.model import HistoricalData, Interval, PriceAdjustment, Quote, Timeliness, encode_json
from tickloom.roles import HistoryRequest
from tickloom_yahoo.adjust import adjust, cut
from tickloom_yahoo.parse_chart import parse_chart, parse_splits
from tickloom_yahoo.parse_company import parse_company
from tickloom_yahoo.parse_frame import parse_frame
from tickloom_yahoo.parse_quote import parse_quotes
from tickloom_yahoo.parse_search import parse_matches
from tickloom_yahoo.refusals import check_answer

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


def decode(content: bytes) -> Any:
    from yfinance.pricing_pb2 import PricingData

    return PricingData.FromString(content)


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    # It takes longer than Hypothesis allows for one example.
    importlib.import_module("yfinance.pricing_pb2")


def read_quotes(body: bytes) -> list[Quote]:
    found = parse_quotes(body, ["ACME"], NOW, extended=True).values()
    return [one for one in found if isinstance(one, Quote)]


def read_chart(body: bytes, interval: Interval, adjustment: PriceAdjustment) -> HistoricalData:
    chart = parse_chart(body, "ACME", interval)
    request = HistoryRequest(
        symbol="ACME", start=date(1, 1, 1), end=date(9999, 12, 31), interval=interval
    )
    chart = adjust(cut(chart, request), request, chart.splits)
    return HistoricalData(
        symbol="ACME",
        interval=interval,
        start_date=request.start,
        end_date=request.end,
        provider="yahoo",
        received_at=NOW,
        data_points=chart.bars,
        timeliness=Timeliness.DELAYED,
        splits=chart.splits,
        dividends=chart.dividends,
    )


PARSERS: dict[str, Callable[[bytes], object]] = {
    "quotes": read_quotes,
    "days": lambda body: read_chart(body, Interval.DAY, PriceAdjustment.NONE),
    "minutes": lambda body: read_chart(body, Interval.MINUTE, PriceAdjustment.SPLITS),
    "months": lambda body: read_chart(body, Interval.MONTH, PriceAdjustment.ALL),
    "splits": lambda body: parse_splits(body, "ACME"),
    "company": lambda body: parse_company(body, "ACME", NOW),
    "search": lambda body: parse_matches(body, 10),
    "frame": lambda body: getattr(parse_frame(body, decode, NOW), "quote", None),
    "refusal": lambda body: str(check_answer(404, {}, body, "bars of ACME", NOW)),
}
parsers = st.sampled_from(sorted(PARSERS))

NUMBERS = (
    st.integers()
    | st.floats(width=32)
    | st.floats()
    | st.integers(-(10**12), 10**12)
    | st.sampled_from([10**60, -(10**60), 1e-300, 0, -0.0])
)
TEXTS = st.text(max_size=8) | st.sampled_from(["ACME", "USD", "EQUITY", "NaN", "1e999", "a lot"])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
COLUMN = st.lists(LEAVES, max_size=5) | LEAVES
TIMES = st.lists(st.integers(1_767_000_000, 1_768_000_000) | LEAVES, max_size=5) | LEAVES
RAW = st.builds(lambda value: {"raw": value, "fmt": "x"}, LEAVES)


def maybe(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


EVENTS = st.dictionaries(
    TEXTS,
    maybe(dict.fromkeys(("date", "amount", "numerator", "denominator", "currency"), LEAVES | RAW))
    | LEAVES,
    max_size=3,
)
CHARTS = st.fixed_dictionaries(
    {
        "meta": st.fixed_dictionaries(
            {"exchangeTimezoneName": st.sampled_from(["America/New_York", "UTC"]) | LEAVES},
            optional={"currency": LEAVES, "priceHint": LEAVES, "dataGranularity": LEAVES},
        ),
        "timestamp": TIMES,
        "indicators": maybe(
            {
                "quote": st.lists(
                    maybe(dict.fromkeys(("open", "high", "low", "close", "volume"), COLUMN)),
                    max_size=2,
                ),
                "adjclose": st.lists(maybe({"adjclose": COLUMN}), max_size=2),
            }
        ),
    },
    optional={"events": maybe({"splits": EVENTS, "dividends": EVENTS}) | LEAVES},
)
QUOTES = maybe(
    dict.fromkeys(
        (
            *("quoteType", "currency", "marketState", "priceHint", "marketCap", "bid", "ask"),
            *("regularMarketPrice", "regularMarketTime", "regularMarketVolume"),
            *("regularMarketPreviousClose", "regularMarketChange", "postMarketPrice"),
            *("postMarketTime", "exchangeDataDelayedBy", "longName"),
        ),
        LEAVES | RAW,
    )
)
COMPANIES = st.dictionaries(
    st.sampled_from(["price", "assetProfile", "summaryDetail", "x"]),
    maybe(
        dict.fromkeys(
            ("longName", "quoteType", "currency", "marketCap", "fullTimeEmployees", "name"),
            LEAVES | RAW,
        )
    )
    | LEAVES,
)
ERRORS = maybe({"code": LEAVES, "description": LEAVES}) | LEAVES


def check(parser: str, content: bytes) -> None:
    with suppress(TickloomError):
        # What comes out must also be fit to send.
        encode_json(PARSERS[parser](content))


@given(parsers, st.binary(max_size=300))
def test_any_bytes(parser: str, content: bytes) -> None:
    check(parser, content)


@given(
    parsers,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=15,
    ),
)
def test_any_json(parser: str, content: Any) -> None:
    check(parser, json.dumps(content).encode())


@given(
    st.sampled_from(["days", "minutes", "months", "splits"]), st.lists(CHARTS, max_size=2), ERRORS
)
def test_any_chart(parser: str, result: Any, error: Any) -> None:
    check(parser, json.dumps({"chart": {"result": result, "error": error}}).encode())
    check(parser, json.dumps({"chart": {"result": result}}).encode())


@given(st.lists(QUOTES.map(lambda one: {"symbol": "ACME", **one}) | LEAVES, max_size=3))
def test_any_quotes(result: Any) -> None:
    check("quotes", json.dumps({"quoteResponse": {"result": result, "error": None}}).encode())


@given(st.lists(COMPANIES, max_size=2), ERRORS)
def test_any_company(result: Any, error: Any) -> None:
    check("company", json.dumps({"quoteSummary": {"result": result, "error": error}}).encode())
    check("company", json.dumps({"quoteSummary": {"result": result}}).encode())


@given(
    st.lists(
        maybe(dict.fromkeys(("symbol", "longname", "quoteType", "exchDisp"), LEAVES | RAW)) | LEAVES
    )
)
def test_any_search(quotes: Any) -> None:
    check("search", json.dumps({"quotes": quotes}).encode())


@given(ERRORS, st.sampled_from([200, 302, 400, 401, 404, 422, 429, 500, 999]))
def test_any_refusal(error: Any, status: int) -> None:
    body = json.dumps({"chart": {"result": None, "error": error}}).encode()
    found = check_answer(status, {}, body, "bars of ACME", NOW)
    assert found is None or isinstance(found, TickloomError)


@given(st.binary(max_size=200))
def test_any_protobuf(content: bytes) -> None:
    check("frame", base64.b64encode(content))


@given(
    st.floats(width=32),
    st.floats(width=32),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
    TEXTS,
)
def test_any_values_in_a_message(
    price: float, other: float, time: int, count: int, text: str
) -> None:
    from yfinance.pricing_pb2 import PricingData

    message = PricingData(
        id="ACME",
        price=price,
        time=time,
        currency=text,
        market_hours=1,
        change=other,
        change_percent=other,
        bid=other,
        day_volume=count,
        last_size=count,
        price_hint=count,
        market_cap=other,
    )
    check("frame", base64.b64encode(message.SerializeToString()))
