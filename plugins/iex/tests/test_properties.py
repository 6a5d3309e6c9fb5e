from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tickloom.clock import FakeClock
from tickloom.errors import InvalidSymbol, NotSupported, TickloomError
from tickloom.fetch import Answer
from tickloom.model import Bar, PriceAdjustment, Quote, encode_json, parse_symbol
from tickloom_iex.parse_chart import Series, parse_days, parse_minutes
from tickloom_iex.parse_company import parse_company, parse_matches
from tickloom_iex.parse_events import parse_dividends, parse_splits
from tickloom_iex.parse_quote import parse_batch, parse_quote
from tickloom_iex.parse_stream import parse_event
from tickloom_iex.parse_tops import parse_rates
from tickloom_iex.records import (
    BarRecord,
    CompanyRecord,
    DividendRecord,
    MatchRecord,
    QuoteRecord,
    RateRecord,
    SplitRecord,
    TopsRecord,
)
from tickloom_iex.refusals import check_answer
from tickloom_iex.symbols import from_vendor, to_vendor

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
NAMES = {"ACME": "ACME"}
PARSERS: list[Callable[[bytes], Any]] = [
    lambda body: parse_quote(body, "ACME", "ACME", NOW, scrambled=False),
    lambda body: parse_batch(body, NAMES, NOW, scrambled=False),
    lambda body: parse_rates(body, NAMES, NOW, scrambled=False),
    *(lambda body, one=one: parse_days(body, one) for one in PriceAdjustment),
    lambda body: parse_minutes(body, market=False),
    lambda body: parse_minutes(body, market=True),
    parse_splits,
    parse_dividends,
    lambda body: parse_company(body, "ACME", NOW, scrambled=False),
    lambda body: parse_matches(body, 10),
    lambda body: parse_event(body, "last", NAMES, NOW, scrambled=True),
    lambda body: parse_event(body, "stocksUS", NAMES, NOW, scrambled=False),
    *(
        lambda body, status=status: check_answer(
            Answer(status, {}, body), FakeClock(), "KEY", ranged=True
        )
        for status in (200, 400, 402, 403, 404, 451, 500)
    ),
]
RECORDS = (
    *(BarRecord, CompanyRecord, DividendRecord, MatchRecord, QuoteRecord, RateRecord),
    *(SplitRecord, TopsRecord),
)
KEYS = st.sampled_from(
    sorted(
        {key for kind in RECORDS for key in kind.__struct_encode_fields__}
        | {"ACME", "quote", "data", "error"}
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.decimals().map(str)
    | st.sampled_from(
        ["ACME", "2026-01-02", "20260102", "09:30", "0001-01-01", "9999-12-31", "sNaN"]
    )
    | st.integers(0, 2 * 10**12)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=25,
)


def parse_all(body: bytes) -> None:
    for parse in PARSERS:
        with suppress(TickloomError):
            check_sound(parse(body))


def check_sound(value: Any) -> None:
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            check_sound(one)
    elif isinstance(value, Series):
        check_sound(value.bars)
    elif isinstance(value, Quote):
        assert value.current_price > 0
        assert value.timestamp <= value.received_at
        encode_json(value)
    elif isinstance(value, Bar):
        assert min(value.open_price, value.high_price, value.low_price, value.close_price) > 0


def test_every_recorded_answer_is_a_value_or_an_error_of_ours(recorded: Path) -> None:
    import yaml

    files = [file for file in recorded.rglob("*") if file.is_file()]
    assert len(files) > 40
    for file in files:
        parse_all(file.read_bytes())
        if file.suffix == ".yml":
            tape = yaml.safe_load(file.read_text(encoding="utf-8"))
            for one in tape["http_interactions"]:
                parse_all(str(one["response"]["body"]["string"]).encode())


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_an_error_of_ours(body: bytes) -> None:
    parse_all(body)


@given(JSON | st.lists(st.dictionaries(KEYS, JSON, max_size=8), max_size=3))
def test_any_json_gives_a_sound_value_or_an_error_of_ours(answer: Any) -> None:
    parse_all(json.dumps(answer).encode())


def test_json_of_any_depth_gives_an_error_of_ours() -> None:
    parse_all(b"[" * 100_000)
    parse_all(b'{"quote":' * 100_000)


@given(st.from_regex(r"[A-Z]{1,5}([-.][A-Z])?", fullmatch=True))
def test_mapping_a_share_there_and_back_is_the_same(text: str) -> None:
    symbol = parse_symbol(text)
    try:
        vendor = to_vendor(symbol)
    except NotSupported:
        return
    assert from_vendor(vendor) == symbol


@given(st.text(max_size=12))
def test_what_is_read_of_the_vendor_is_canonical(text: str) -> None:
    symbol = from_vendor(text)
    if symbol is not None:
        assert parse_symbol(symbol) == symbol
        with suppress(InvalidSymbol):
            assert to_vendor(symbol) == text.upper()
