from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted import NOON, make_quote
from tickloom.errors import BadRecord, InvalidInterval
from tickloom.model import (
    Bar,
    HistoricalData,
    Interval,
    MarketState,
    Quality,
    Quote,
    Timeliness,
    decode_json,
    encode_history,
    encode_json,
    encode_msgpack,
    parse_interval,
)

PRICES = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=0, max_value=10**9)
TIMES = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(
    price=PRICES,
    bid=st.none() | PRICES,
    volume=st.none() | st.integers(min_value=0, max_value=2**63 - 1),
    timestamp=TIMES,
    state=st.none() | st.sampled_from(MarketState),
    quality=st.sampled_from(Quality),
    extra=st.none() | st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)),
)
def test_a_quote_comes_back_from_json_as_it_was(
    price: Decimal,
    bid: Decimal | None,
    volume: int | None,
    timestamp: datetime,
    state: MarketState | None,
    quality: Quality,
    extra: dict[str, Any] | None,
) -> None:
    quote = make_quote(
        price=str(price),
        bid=bid,
        volume=volume,
        timestamp=timestamp,
        market_state=state,
        quality=quality,
        additional_data=extra if extra is None or _fits(extra) else None,
    )

    assert decode_json(encode_json(quote), Quote) == quote


def _fits(extra: dict[str, Any]) -> bool:
    return all(not isinstance(item, int) or abs(item) < 2**63 for item in extra.values())


def test_prices_are_json_numbers_and_unknown_fields_are_left_out() -> None:
    quote = make_quote(price="189.4100", bid=Decimal("189.40"))
    text = encode_json(quote)

    assert b'"current_price":189.4100' in text
    assert b'"bid":189.40' in text
    assert set(json.loads(text)) == {
        "symbol",
        "provider",
        "timestamp",
        "received_at",
        "is_real_time",
        "current_price",
        "bid",
    }


def test_times_are_utc_text() -> None:
    assert b'"timestamp":"2026-01-02T17:00:00Z"' in encode_json(make_quote())


def test_messagepack_prices_are_floats() -> None:
    decoded = msgspec.msgpack.decode(encode_msgpack(make_quote(price="189.41")))

    assert decoded["current_price"] == 189.41


@given(st.binary())
def test_any_bytes_are_a_record_or_an_error_of_ours(data: bytes) -> None:
    try:
        decode_json(data, Bar)
    except BadRecord:
        pass


@pytest.mark.parametrize("interval", list(Interval))
def test_every_interval_is_found_by_its_name_and_has_a_length(interval: Interval) -> None:
    assert parse_interval(str(interval)) is interval
    assert interval.duration > timedelta(0)
    assert interval.is_intraday == (interval.duration < timedelta(days=1))


def test_other_spellings_of_an_interval_are_understood() -> None:
    assert parse_interval("60m") is Interval.HOUR
    assert parse_interval("1w") is Interval.WEEK


def test_an_unknown_interval_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInterval, match="found '7m', expected one of 1s, 1m"):
        parse_interval("7m")


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 3_500])
def test_history_in_pieces_is_the_same_json_as_in_one(count: int) -> None:
    price = Decimal("189.41")
    bars = tuple(
        Bar(
            timestamp=NOON + timedelta(minutes=number),
            open_price=price,
            high_price=price,
            low_price=price,
            close_price=price + number,
        )
        for number in range(count)
    )
    history = HistoricalData(
        symbol="AAPL",
        interval=Interval.MINUTE,
        start_date=NOON.date(),
        end_date=NOON.date(),
        provider="scripted",
        received_at=NOON,
        data_points=bars,
        timeliness=Timeliness.DELAYED,
        currency="USD",
    )
    pieces = list(encode_history(history))

    assert b"".join(pieces) == encode_json(history)
    assert max(map(len, pieces)) < 200_000
