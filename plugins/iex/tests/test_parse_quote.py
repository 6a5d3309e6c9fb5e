from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import BadRecord, NoData, ProviderUnavailable, UnknownSymbol
from tickloom.model import MarketState, Quote
from tickloom_iex.parse_quote import parse_batch, parse_quote
from tickloom_iex.parse_tops import parse_rates

Cassette = Callable[[str], tuple[int, bytes]]

# A Friday, 10:00 in New York.
NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def open_market(**changes: Any) -> dict[str, Any]:
    at = NOW - timedelta(seconds=2)
    usual = {
        "symbol": "ACME",
        "primaryExchange": "NASDAQ",
        "currency": "USD",
        "latestPrice": 101.25,
        "latestSource": "IEX real time price",
        "latestUpdate": ms(at),
        "latestVolume": 1200,
        "open": 100.5,
        "openTime": ms(NOW - timedelta(minutes=30)),
        "high": 102,
        "highTime": ms(NOW - timedelta(minutes=16)),
        "low": 0,
        "close": 99.5,
        "closeTime": ms(NOW - timedelta(hours=18)),
        "previousClose": 99.5,
        "change": 1.75,
        "changePercent": 0.01759,
        "iexRealtimePrice": 101.25,
        "iexRealtimeSize": 100,
        "iexBidPrice": 101.2,
        "iexBidSize": 300,
        "iexAskPrice": 0,
        "iexAskSize": 0,
        "isUSMarketOpen": True,
    }
    return usual | changes


def read(record: Any, *, now: datetime = NOW, scrambled: bool = False) -> Quote:
    body = json.dumps(record).encode()
    return parse_quote(body, "ACME", "ACME", now, scrambled=scrambled)


def test_a_quote_of_an_open_market_is_read_field_by_field() -> None:
    quote = read(open_market())

    assert quote.current_price == Decimal("101.25")
    assert quote.timestamp == NOW - timedelta(seconds=2)
    assert quote.is_real_time
    assert quote.market_state is MarketState.REGULAR
    assert (quote.open_price, quote.high_price) == (Decimal("100.5"), 102)
    assert (quote.bid, quote.bid_size, quote.last_size) == (Decimal("101.2"), 300, 100)
    assert quote.price_change_percent == Decimal("1.759")
    assert quote.volume == 1200


def test_zero_means_missing() -> None:
    quote = read(open_market())
    assert (quote.low_price, quote.ask, quote.ask_size) == (None, None, None)


def test_the_close_of_the_day_before_is_no_close_of_this_session() -> None:
    quote = read(open_market())
    assert (quote.close_price, quote.previous_close) == (None, Decimal("99.5"))


def test_an_open_of_the_day_before_is_left_out() -> None:
    quote = read(open_market(openTime=ms(NOW - timedelta(days=1))))
    assert quote.open_price is None


@pytest.mark.parametrize(
    "changes",
    [
        {"latestSource": "15 minute delayed price"},
        {"latestSource": "Close"},
        {"latestSource": "Previous close"},
        {"latestSource": None},
        {"latestUpdate": ms(NOW - timedelta(minutes=16))},
        {"isUSMarketOpen": False},
    ],
)
def test_real_time_is_claimed_for_nothing_else(changes: dict[str, Any]) -> None:
    assert not read(open_market(**changes)).is_real_time


def test_values_of_a_sandbox_are_never_real_time_and_say_so() -> None:
    quote = read(open_market(), scrambled=True)

    assert not quote.is_real_time
    assert (quote.additional_data or {})["scrambled"] is True


@pytest.mark.parametrize(("hour", "state"), [(13, MarketState.PRE), (22, MarketState.POST)])
def test_recent_trades_out_of_hours_tell_the_phase(hour: int, state: MarketState) -> None:
    now = NOW.replace(hour=hour)
    record = open_market(
        isUSMarketOpen=False, latestUpdate=ms(now), extendedPriceTime=ms(now), extendedPrice=101
    )
    quote = read(record, now=now)

    assert quote.market_state is state
    assert (quote.additional_data or {})["extended_price"] == 101


def test_a_closing_price_that_is_dated_with_a_day_carries_the_time_of_the_close() -> None:
    record = open_market(
        latestSource="Previous close", latestUpdate=ms(datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert read(record | {"closeTime": None}).timestamp == datetime(2026, 1, 1, 21, 0, tzinfo=UTC)
    closed = datetime(2026, 1, 1, 21, 0, 0, 364_000, tzinfo=UTC)
    assert read(record | {"closeTime": ms(closed)}).timestamp == closed


def test_without_a_latest_price_that_of_iex_counts_and_then_the_late_one() -> None:
    record = open_market(latestPrice=None, iexLastUpdated=ms(NOW))
    assert read(record).current_price == Decimal("101.25")
    assert read(record).price_change is None
    late = record | {"iexRealtimePrice": 0, "delayedPrice": 100, "delayedPriceTime": ms(NOW)}
    assert (read(late).current_price, read(late).is_real_time) == (100, False)


def test_a_field_of_another_type_costs_only_itself() -> None:
    quote = read(open_market(marketCap="a lot", high={"a": 1}, currency=7))

    assert quote.current_price == Decimal("101.25")
    assert (quote.market_cap, quote.high_price, quote.currency) == (None, None, "USD")


@pytest.mark.parametrize("latest", [-5, 10**60, "Infinity"])
def test_a_price_that_cannot_be_is_a_bad_record(latest: Any) -> None:
    with pytest.raises(BadRecord):
        read(open_market(latestPrice=latest))


def test_a_price_without_a_time_or_from_the_future_is_a_bad_record() -> None:
    for update in (0, None, 10**15, ms(NOW + timedelta(hours=1))):
        with pytest.raises(BadRecord):
            read(open_market(latestUpdate=update))


def test_a_clock_that_is_a_little_ahead_is_no_fault() -> None:
    assert read(open_market(latestUpdate=ms(NOW + timedelta(seconds=20)))).timestamp == NOW


def test_another_symbol_than_the_one_asked_for_is_a_bad_record() -> None:
    with pytest.raises(BadRecord):
        read(open_market(symbol="OTHER"))


def test_nothing_and_no_price_are_told_apart() -> None:
    for body in (b"null", b"[]"):
        with pytest.raises(UnknownSymbol):
            parse_quote(body, "ACME", "ACME", NOW, scrambled=False)
    with pytest.raises(NoData):
        read({"symbol": "ACME", "latestPrice": None})
    with pytest.raises(ProviderUnavailable):
        parse_quote(b"<html>", "ACME", "ACME", NOW, scrambled=False)


def test_a_batch_gives_each_symbol_its_own_answer() -> None:
    body = json.dumps(
        {
            "ACME": {"quote": open_market()},
            "BAD": {"quote": open_market(latestPrice=-1)},
            "NULL": {"quote": None},
            "ODD": [],
            "STRANGER": {"quote": open_market()},
        }
    ).encode()
    wanted = {name: name for name in ("ACME", "BAD", "NULL", "ODD", "GONE")}
    found = parse_batch(body, wanted, NOW, scrambled=False)

    assert isinstance(found["ACME"], Quote)
    assert isinstance(found["BAD"], BadRecord)
    assert isinstance(found["ODD"], BadRecord)
    assert set(found) == {"ACME", "BAD", "ODD"}


def test_rates_are_never_real_time_and_priced_in_the_second_currency() -> None:
    body = json.dumps(
        [
            {"symbol": "EURUSD", "rate": 1.0875, "timestamp": ms(NOW)},
            {"symbol": "USDJPY", "rate": None, "timestamp": 0},
            {"symbol": "XXXYYY", "rate": 1, "timestamp": ms(NOW)},
        ]
    ).encode()
    found = parse_rates(body, {"EURUSD": "EURUSD=X", "USDJPY": "USDJPY=X"}, NOW, scrambled=False)
    rate = found["EURUSD=X"]

    assert isinstance(rate, Quote)
    assert (rate.current_price, rate.currency, rate.is_real_time) == (
        Decimal("1.0875"),
        "USD",
        False,
    )
    assert isinstance(found["USDJPY=X"], NoData)
    assert len(found) == 2


def test_a_recorded_quote_of_a_closed_market(cassette: Cassette) -> None:
    _, body = cassette("quote/msft")
    quote = parse_quote(body, "MSFT", "MSFT", NOW, scrambled=False)

    assert quote.current_price == Decimal("119.36")
    assert quote.timestamp == datetime(2019, 4, 4, 20, 0, 0, 193_000, tzinfo=UTC)
    assert (quote.close_price, quote.previous_close) == (Decimal("119.36"), Decimal("119.97"))
    assert (quote.price_change, quote.price_change_percent) == (Decimal("-0.61"), Decimal("-0.508"))
    assert (quote.volume, quote.market_cap) == (20088221, 915754985600)
    assert (quote.bid, quote.is_real_time) == (None, False)


def test_a_record_of_another_symbol_in_a_batch_is_refused() -> None:
    body = json.dumps({"ACME": {"quote": open_market(symbol="OTHER")}}).encode()

    assert isinstance(parse_batch(body, {"ACME": "ACME"}, NOW, scrambled=False)["ACME"], BadRecord)


def test_a_recorded_batch_of_the_first_api(recorded: Path) -> None:
    body = (recorded / "go-iex" / "batch_quote.json").read_bytes()
    found = parse_batch(body, {"AAPL": "AAPL", "SPY": "SPY", "NOPE": "NOPE"}, NOW, scrambled=False)
    quote = found["AAPL"]

    assert isinstance(quote, Quote)
    assert quote.current_price == Decimal("227.99")
    assert quote.timestamp == datetime(2018, 10, 4, 20, 0, 0, 364_000, tzinfo=UTC)
    assert "NOPE" not in found


def test_recorded_crypto_has_its_book_and_no_close(cassette: Cassette) -> None:
    _, body = cassette("crypto/btcusdt")
    quote = parse_quote(body, "BTC-USDT", "BTCUSDT", NOW, scrambled=False)

    assert (quote.current_price, quote.bid, quote.ask) == (
        Decimal("3563.22"),
        Decimal("3562.94"),
        Decimal("3563.22"),
    )
    assert (quote.bid_size, quote.volume, quote.close_price) == (None, 28053, None)
    assert quote.open_price == Decimal("3527.79")
    assert not quote.is_real_time


def test_a_recorded_quote_of_a_day_with_other_hours(recorded: Path) -> None:
    body = (recorded / "iextrading4j" / "stock_QuoteResponse.json").read_bytes()
    then = datetime(2017, 11, 17, 18, 20, tzinfo=UTC)
    quote = parse_quote(body, "AAPL", "AAPL", then, scrambled=False)

    assert quote.current_price == Decimal("170.39")
    assert quote.is_real_time
    assert (quote.bid, quote.ask, quote.ask_size) == (Decimal("166.18"), 172, 315)
