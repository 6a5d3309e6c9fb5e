from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import BadRecord
from tickloom.model import MarketState, Quote, encode_json
from tickloom_yahoo.parse_frame import parse_frame

Frames = Callable[..., str]
NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


def decode(content: bytes) -> Any:
    from yfinance.pricing_pb2 import PricingData

    return PricingData.FromString(content)


def quote_of(frame: str | bytes) -> Quote:
    tick = parse_frame(frame, decode, NOW)
    assert tick is not None
    return tick.quote


def test_every_recorded_message_has_the_values_that_its_source_expects(recorded: Path) -> None:
    records = json.loads((recorded / "stream" / "pricing_messages.json").read_bytes())
    assert len(records) >= 8
    for record in records:
        expected = record["expected"]
        tick = parse_frame(record["message"], decode, NOW)
        assert tick is not None
        quote = tick.quote
        assert quote.symbol == expected["id"]
        assert quote.current_price == pytest.approx(Decimal(str(expected["price"])))
        assert quote.timestamp.timestamp() * 1000 == int(expected["time"])
        assert quote.volume == (int(expected["day_volume"]) if "day_volume" in expected else None)
        assert tick.market_hours == expected.get("market_hours", 0)
        assert not quote.is_real_time
        assert len(quote.current_price.as_tuple().digits) <= 9
        encode_json(quote)


def test_both_versions_of_the_stream_are_read(frame_of: Frames) -> None:
    frame = frame_of(price=189.41)
    bare = json.loads(frame)["message"]

    assert quote_of(frame) == quote_of(bare) == quote_of(bare.encode()) == quote_of(f" {frame}\n")


def test_prices_lose_the_noise_of_32_bits(frame_of: Frames) -> None:
    quote = quote_of(
        frame_of(price=189.41, open_price=0.00001234, day_high=70000.5, bid=1.0487, ask=16777216.0)
    )
    assert quote.current_price == Decimal("189.41")
    assert quote.open_price == Decimal("0.00001234")
    assert quote.high_price == Decimal("70000.5")
    assert quote.bid == Decimal("1.0487")
    assert str(quote.ask) == "16777216"


def test_what_is_absent_is_none(frame_of: Frames) -> None:
    quote = quote_of(frame_of(currency=""))

    assert (quote.bid, quote.ask, quote.volume, quote.last_size) == (None, None, None, None)
    assert (quote.price_change, quote.currency, quote.market_cap) == (None, None, None)


@pytest.mark.parametrize(
    ("hours", "state"),
    [
        (0, MarketState.PRE),
        (1, MarketState.REGULAR),
        (2, MarketState.POST),
        (3, None),
        (4, MarketState.CLOSED),
        (99, None),
    ],
)
def test_hours_are_told_also_where_protobuf_leaves_them_out(
    frame_of: Frames, hours: int, state: MarketState | None
) -> None:
    assert quote_of(frame_of(market_hours=hours)).market_state is state


def test_the_change_is_rounded_like_the_price_and_left_out_after_the_session(
    frame_of: Frames,
) -> None:
    fields = {"price": 189.41, "change": 1.3000031, "change_percent": 0.6910846}
    during = quote_of(frame_of(**fields))
    after = quote_of(frame_of(**fields, market_hours=2))

    assert during.price_change == Decimal("1.30")
    assert during.price_change_percent == Decimal("0.691085")
    # From then on it is counted from this session's close, not from the one before.
    assert (after.price_change, after.price_change_percent) == (None, None)


def test_the_last_size_of_crypto_is_its_day_volume_and_therefore_none(frame_of: Frames) -> None:
    coin = frame_of(id="BTC-USD", quote_type=41, last_size=500, day_volume=500)
    share = frame_of(last_size=100, day_volume=5000)

    assert (quote_of(coin).last_size, quote_of(coin).volume) == (None, 500)
    assert quote_of(share).last_size == 100


def test_pence_stay_pence_and_the_market_value_becomes_pence(frame_of: Frames) -> None:
    quote = quote_of(frame_of(id="TSCO.L", currency="GBp", price=431.2, market_cap=2.5e10))

    assert (quote.currency, quote.current_price) == ("GBp", Decimal("431.2"))
    assert quote.market_cap == Decimal(2500000000000)


@pytest.mark.parametrize(
    ("id_", "symbol", "currency"),
    [("BRK-B", "BRK.B", None), ("EURUSD=X", "EURUSD=X", "USD"), ("JPY=X", "USDJPY=X", "JPY")],
)
def test_symbols_become_canonical_and_pairs_know_their_currency(
    frame_of: Frames, id_: str, symbol: str, currency: str | None
) -> None:
    quote = quote_of(frame_of(id=id_, currency=""))
    assert (quote.symbol, quote.currency) == (symbol, currency)


@pytest.mark.parametrize(
    "fields",
    [
        {"price": 0.0},
        {"price": -5.0},
        {"price": float("nan")},
        {"price": float("inf")},
        {"time": 0},
        {"time": -1},
        {"time": 2**62},
        {"id": ""},
        {"id": "not a symbol"},
    ],
)
def test_a_message_without_price_time_or_symbol_is_a_bad_record(
    frame_of: Frames, fields: dict[str, Any]
) -> None:
    with pytest.raises(BadRecord):
        parse_frame(frame_of(**fields), decode, NOW)


def test_odd_values_beside_a_good_price_do_not_cost_it(frame_of: Frames) -> None:
    odd = {"change": float("nan"), "bid": float("inf"), "ask": -1.0, "day_volume": -5}
    quote = quote_of(frame_of(**odd, price_hint=2**40, market_cap=float("inf")))

    assert quote.current_price == Decimal("189.41")
    assert (quote.price_change, quote.bid, quote.ask, quote.volume) == (None, None, None, None)
    assert quote.market_cap is None


@pytest.mark.parametrize("frame", ['{"type": "status"}', '{"type": "heartbeat", "message": "x"}'])
def test_a_frame_about_something_else_is_no_price(frame: str) -> None:
    assert parse_frame(frame, decode, NOW) is None


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xff",
        "???",
        '{"type": "pricing", "message": 1}',
        '{"type": "pricing"',
        base64.b64encode(b"\xff" * 30),
        "A" * 70_000,
    ],
)
def test_a_frame_that_cannot_be_read_is_a_bad_record(frame: str | bytes) -> None:
    with pytest.raises(BadRecord):
        parse_frame(frame, decode, NOW)
