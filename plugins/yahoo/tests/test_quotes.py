from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import BadRecord, NoData, ProviderUnavailable, TickloomError, UnknownSymbol
from tickloom.model import MarketState, Quote, encode_json
from tickloom_yahoo.parse_quote import parse_quotes

Body = Callable[[str], bytes]
NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


def quote_of(body: bytes, symbol: str, **options: Any) -> Quote:
    found = parse_quotes(body, [symbol], NOW, **options)[symbol]
    assert isinstance(found, Quote), found
    return found


def answer_of(**fields: Any) -> bytes:
    record = {
        "symbol": "ACME",
        "quoteType": "EQUITY",
        "regularMarketPrice": 10.5,
        "regularMarketTime": 1767366000,
        **fields,
    }
    return json.dumps({"quoteResponse": {"result": [record], "error": None}}).encode()


def test_every_recorded_quote_is_a_value_or_an_error_of_its_symbol(
    recorded: Path, body: Body
) -> None:
    files = [*recorded.glob("quote/*.json"), *recorded.glob("scheb/*Quote.json")]
    assert len(files) > 20
    values = 0
    for file in files:
        content = body(str(file.relative_to(recorded)))
        records = json.loads(content)["quoteResponse"]["result"] or []
        symbols = [record["symbol"] for record in records]
        found = parse_quotes(content, symbols, NOW)
        assert list(found) == symbols
        for record in records:
            one = found[record["symbol"]]
            if isinstance(one, TickloomError):
                assert "regularMarketPrice" not in record
                continue
            values += 1
            assert one.current_price == Decimal(str(record["regularMarketPrice"]))
            assert one.timestamp.timestamp() == record["regularMarketTime"]
            assert not one.is_real_time
            encode_json(one)
    assert values > 20


def test_a_share_has_exact_prices_and_the_last_sessions_close(body: Body) -> None:
    quote = quote_of(body("quote/quote-AAPL.json"), "AAPL")

    assert quote.current_price == Decimal("244.6")
    assert quote.timestamp == datetime(2025, 2, 14, 21, 0, tzinfo=UTC)
    assert quote.previous_close == Decimal("241.53")
    # Yahoo's own figure is 3.0700073.
    assert quote.price_change == Decimal("3.07")
    assert quote.price_change_percent == Decimal("1.271064")
    assert quote.volume == 40896227
    assert quote.market_cap == 3674405863424
    assert quote.market_state is MarketState.CLOSED
    assert quote.close_price == quote.current_price
    assert (quote.currency, quote.exchange) == ("USD", "NasdaqGS")
    assert quote.additional_data == {
        "name": "Apple Inc.",
        "quote_type": "EQUITY",
        "delay_minutes": 0,
    }


def test_extended_hours_take_the_newer_price_with_its_own_time(body: Body) -> None:
    content = body("quote/quote-AAPL.json")
    quote = quote_of(content, "AAPL", extended=True)

    assert quote.current_price == Decimal("244.64")
    assert quote.timestamp == datetime(2025, 2, 15, 0, 59, 58, tzinfo=UTC)
    assert quote.price_change == Decimal("3.11")
    assert quote.close_price == Decimal("244.6")


def test_pence_stay_pence_and_the_market_value_becomes_pence(body: Body) -> None:
    quote = quote_of(body("quote/quote-OCDO.L.json"), "OCDO.L")

    assert (quote.current_price, quote.currency) == (Decimal("308.8"), "GBp")
    assert quote.market_cap == Decimal(255460352000)
    assert quote.close_price is None
    assert quote.market_state is MarketState.REGULAR


def test_currencies_have_no_volume_and_crypto_keeps_its_own(body: Body) -> None:
    pair = quote_of(body("quote/quote-EURUSD=X.json"), "EURUSD=X")
    coin = quote_of(body("quote/quote-BTC-USD.json"), "BTC-USD")

    assert (pair.volume, pair.current_price) == (None, Decimal("1.0489877"))
    assert coin.current_price == Decimal("96077.45")


def test_bids_of_nothing_are_left_out(body: Body) -> None:
    quote = quote_of(body("quote/multi-yahoofinance.json"), "ADYEN.AS")

    assert quote.bid is None
    assert quote_of(body("quote/quote-OCDO.L.json"), "OCDO.L").bid == Decimal("308.5")
    # Some are counted in lots, some in shares; Yahoo does not say which.
    assert quote.bid_size is None


@pytest.mark.parametrize(
    ("name", "symbol", "kind"),
    [
        ("quote/quote-BRKS.json", "BRKS", UnknownSymbol),
        ("quote/quote-ADH.json", "ADH", NoData),
        ("quote/quoteCombine-NONEXIST.json", "NONEXIST", UnknownSymbol),
        ("quote/quoteCombine-AAPL-NONEXIST.json", "NONEXIST", UnknownSymbol),
        ("quote/quote-APS.AX.json", "APS.AX", UnknownSymbol),
    ],
)
def test_what_is_dead_or_absent_is_an_error_of_that_symbol(
    body: Body, name: str, symbol: str, kind: type[TickloomError]
) -> None:
    assert type(parse_quotes(body(name), [symbol], NOW)[symbol]) is kind


def test_an_unknown_symbol_leaves_the_rest_of_the_batch_alone(body: Body) -> None:
    content = body("quote/quoteCombine-AAPL-NONEXIST.json")
    found = parse_quotes(content, ["NONEXIST", "AAPL"], NOW)

    assert isinstance(found["NONEXIST"], UnknownSymbol)
    assert isinstance(found["AAPL"], Quote)


def test_wrong_types_in_other_fields_do_not_cost_the_price(body: Body) -> None:
    assert quote_of(body("scheb/invalidDateTimeQuote.json"), "AAPL").current_price
    quote = quote_of(answer_of(bid="a lot", marketCap=[], priceHint="two", quoteType=7), "ACME")
    assert (quote.current_price, quote.bid, quote.market_cap) == (Decimal("10.5"), None, None)


@pytest.mark.parametrize("price", [-1, 0, "a lot", "NaN", "Infinity", [1], {}, True])
def test_an_unusable_price_is_an_error_of_its_symbol_alone(price: object) -> None:
    good = json.loads(answer_of())["quoteResponse"]["result"][0]
    bad = good | {"symbol": "BAD", "regularMarketPrice": price}
    content = json.dumps({"quoteResponse": {"result": [bad, good]}}).encode()
    found = parse_quotes(content, ["BAD", "ACME"], NOW)

    assert isinstance(found["BAD"], BadRecord | NoData)
    assert isinstance(found["ACME"], Quote)


def test_an_absurd_price_passes_for_the_validators_to_judge() -> None:
    body = answer_of(regularMarketPrice=10**60, regularMarketVolume=10**60)
    quote = quote_of(body, "ACME")

    assert quote.current_price == 10**60
    assert quote.volume is None


@pytest.mark.parametrize("time", [None, "soon", 10**60, -(10**60), 4102444800])
def test_a_quote_without_a_credible_time_is_a_bad_record(time: object) -> None:
    found = parse_quotes(answer_of(regularMarketTime=time), ["ACME"], NOW)
    assert isinstance(found["ACME"], BadRecord)


def test_numbers_may_come_with_their_text_for_people() -> None:
    price = {"raw": 10.25, "fmt": "10.25"}
    time = {"raw": 1767366000, "fmt": "10:00AM EST"}
    quote = quote_of(answer_of(regularMarketPrice=price, regularMarketTime=time), "ACME")
    assert quote.current_price == Decimal("10.25")


def test_a_pair_is_found_under_either_of_its_names_and_a_class_by_its_dash() -> None:
    assert quote_of(answer_of(symbol="JPY=X"), "USDJPY=X").symbol == "USDJPY=X"
    assert quote_of(answer_of(symbol="BRK-B"), "BRK.B").symbol == "BRK.B"


def test_all_market_states_are_understood() -> None:
    states = {
        state: quote_of(answer_of(marketState=state), "ACME").market_state
        for state in ("PRE", "REGULAR", "POST", "POSTPOST", "PREPRE", "CLOSED", "LUNCH")
    }
    assert states == {
        "PRE": MarketState.PRE,
        "REGULAR": MarketState.REGULAR,
        "POST": MarketState.POST,
        "POSTPOST": MarketState.CLOSED,
        "PREPRE": MarketState.CLOSED,
        "CLOSED": MarketState.CLOSED,
        "LUNCH": None,
    }


@pytest.mark.parametrize("content", [b"", b"<html>", b"{}", b"[]", b'{"quoteResponse": 1}'])
def test_no_answer_is_the_providers_fault(content: bytes) -> None:
    with pytest.raises(ProviderUnavailable):
        parse_quotes(content, ["ACME"], NOW)
