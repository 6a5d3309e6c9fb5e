"""Any answer is a value or an error of ours."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import TickloomError
from tickloom_alpha_vantage.quote import parse_bulk, parse_global_quote, parse_rate
from tickloom_alpha_vantage.reference import (
    parse_company,
    parse_dividends,
    parse_matches,
    parse_splits,
)
from tickloom_alpha_vantage.refusals import check_refusal
from tickloom_alpha_vantage.series import parse_series

NOW = datetime(2026, 5, 18, 15, 0, tzinfo=UTC)
PARSERS = [
    lambda body: check_refusal(body, NOW),
    lambda body: parse_series(body, "UTC", "USD"),
    lambda body: parse_global_quote(body, "IBM", NOW),
    lambda body: parse_rate(body, "USDJPY=X", NOW),
    lambda body: parse_bulk(body, {"IBM": "IBM"}, NOW, real_time=True),
    lambda body: parse_company(body, "IBM", NOW),
    lambda body: parse_matches(body, 10),
    parse_splits,
    lambda body: parse_dividends(body, "USD"),
]


def test_every_recorded_answer_is_a_value_or_an_error_of_ours(recorded: Path) -> None:
    files = [file for file in recorded.rglob("*") if file.is_file()]
    assert len(files) > 40
    for file in files:
        for parse in PARSERS:
            with suppress(TickloomError):
                parse(file.read_bytes())


@pytest.mark.parametrize("parse", PARSERS[1:])
def test_csv_of_another_function_is_refused_or_not_known(parse: Any) -> None:
    for body in (b"one,two\n1,2\n", b"\n", b"\xff\xfe,\n"):
        with pytest.raises(TickloomError):
            parse(body)


@given(st.binary(max_size=300), st.sampled_from(PARSERS))
def test_any_bytes_give_a_value_or_an_error_of_ours(body: bytes, parse: Any) -> None:
    with suppress(TickloomError):
        parse(body)


KEYS = st.sampled_from(
    [
        *("Meta Data", "Global Quote", "Time Series (Daily)", "05. price", "1. open", "2. high"),
        *("3. low", "4. close", "7. latest trading day", "2026-01-05", "6. Time Zone", "message"),
        *("data", "Realtime Currency Exchange Rate", "Information", "1. symbol", "bestMatches"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=12) | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, JSON), st.sampled_from(PARSERS))
def test_any_json_gives_a_value_or_an_error_of_ours(answer: Any, parse: Any) -> None:
    with suppress(TickloomError):
        parse(json.dumps(answer).encode())
