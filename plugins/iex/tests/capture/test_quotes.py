"""Messages folded into quotes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from threading import Event as Flag

import pytest
from msgspec.structs import replace

from tickloom.model import MarketState
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.market import BOOK, NOTHING, TRADE, Market
from tickloom_iex.capture.prices import time_of
from tickloom_iex.capture.segments import SegmentReader

_DAY_S = 86_400.0
DEEP = 0x8004


@pytest.fixture
def market() -> Market:
    return Market(CaptureCounts(), None)


@pytest.fixture
def feed(forge, market, tmp_path):
    """Gives messages to the market, a segment for each call, and returns what each changed."""
    sent = 0

    def give(*messages, at=0.0, **options):
        nonlocal sent
        options.setdefault("sequence", sent + 1)
        sent += len(messages)
        path: Path = tmp_path / "segment.pcap"
        path.write_bytes(forge.capture(forge.segment(*messages, at=at, **options)))
        segment = next(iter(SegmentReader(CaptureCounts(), Flag()).read(path)))
        # A reader of its own takes every segment for a begin.
        return [market.take(one) for one in market.open(replace(segment, is_fresh=False))]

    return give


def test_before_the_first_trade_the_price_is_the_middle(forge, market, feed):
    feed(forge.quote("A", 367_000, 367_700, sizes=(390, 286)))

    quote = market.quote("A")

    assert quote.current_price == Decimal("36.735")
    assert (quote.bid, quote.ask) == (Decimal("36.70"), Decimal("36.77"))
    assert (quote.bid_size, quote.ask_size) == (390, 286)
    assert (quote.volume, quote.last_size, quote.open_price) == (None, None, None)
    assert (quote.currency, quote.exchange, quote.is_real_time) == ("USD", "IEX", False)


def test_a_side_without_price_or_size_is_no_side(forge, market, feed):
    feed(forge.trade("A", 10_000), forge.quote("A", 0, 10_100, sizes=(0, 0)))

    quote = market.quote("A")

    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (None, None, None, None)


def test_without_a_trade_one_side_makes_no_price(forge, market, feed):
    feed(forge.quote("A", 10_000, 0, sizes=(1, 0)))

    assert market.quote("A") is None
    assert market.quote("NONE") is None


def test_a_symbol_that_is_not_active_has_no_bid_and_ask(forge, market, feed):
    feed(forge.trade("A", 10_000), forge.quote("A", 9_900, 10_100, flags=0x80))

    assert market.quote("A").bid is None


def test_trades_make_the_session_of_the_day(forge, market, feed):
    changes = feed(*(forge.trade("A", price, 10, key=price) for price in (300, 500, 200, 400)))

    quote = market.quote("A")

    assert changes == [TRADE] * 4
    assert (quote.open_price, quote.high_price, quote.low_price, quote.current_price) == (
        Decimal("0.03"), Decimal("0.05"), Decimal("0.02"), Decimal("0.04"),
    )  # fmt: skip
    assert (quote.volume, quote.last_size) == (40, 10)
    assert quote.market_state is MarketState.REGULAR


def test_an_odd_lot_counts_to_the_volume_alone(forge, market, feed):
    feed(forge.trade("A", 500, 100), forge.trade("A", 900, 7, key=2, flags=0x20))

    quote = market.quote("A")

    assert (quote.current_price, quote.high_price) == (Decimal("0.05"), Decimal("0.05"))
    assert (quote.volume, quote.last_size) == (107, 100)


def test_a_trade_before_the_session_gives_way_to_the_first_one_of_it(forge, market, feed):
    feed(forge.trade("A", 900, flags=0x40, at=-60), at=-60)
    early = market.quote("A")
    feed(forge.trade("A", 500, key=2), at=1)
    regular = market.quote("A")

    assert (early.current_price, early.market_state) == (Decimal("0.09"), MarketState.PRE)
    assert (regular.open_price, regular.high_price) == (Decimal("0.05"), Decimal("0.05"))
    assert (regular.volume, regular.market_state) == (200, MarketState.REGULAR)


def test_a_trade_after_the_session_counts_to_the_volume_alone(forge, market, feed):
    feed(forge.trade("A", 500), at=0)
    feed(forge.trade("A", 900, key=2, flags=0x40, at=25_000), at=25_000)

    quote = market.quote("A")

    assert (quote.current_price, quote.volume) == (Decimal("0.05"), 200)
    assert quote.market_state is MarketState.POST


def test_a_broken_trade_is_taken_back(forge, market, feed):
    feed(*(forge.trade("A", price, 10, key=price) for price in (300, 500, 400)))
    changes = feed(forge.trade("A", 500, 10, key=500, kind="B"))

    quote = market.quote("A")

    assert changes == [TRADE]
    assert (quote.high_price, quote.volume) == (Decimal("0.04"), 20)


def test_after_the_last_trade_is_broken_the_one_before_counts(forge, market, feed):
    feed(forge.trade("A", 300, 5, key=1), forge.trade("A", 400, 10, key=2))
    feed(forge.trade("A", 400, 10, key=2, kind="B"))

    quote = market.quote("A")

    assert (quote.current_price, quote.last_size) == (Decimal("0.03"), 5)


def test_of_an_old_broken_trade_the_volume_is_taken_back(forge, market, feed):
    feed(*(forge.trade("A", 300 + key, 10, key=key) for key in range(40)))
    feed(forge.trade("A", 300, 10, key=0, kind="B"))

    quote = market.quote("A")

    assert quote.volume == 390
    assert quote.low_price == Decimal("0.03")


def test_a_break_of_what_never_was_changes_nothing(forge, market, feed):
    feed(forge.trade("A", 300, 10, key=1))

    assert feed(forge.trade("A", 300, 10, key=2, kind="B")) == [NOTHING]
    assert market.quote("A").volume == 10


def test_the_last_price_of_a_day_is_the_close_before_the_next(forge, market, feed):
    feed(forge.trade("A", 20_000), at=0)
    feed(forge.quote("A", 20_900, 21_100, at=_DAY_S), at=_DAY_S)
    before = market.quote("A")
    feed(forge.trade("A", 21_000, 3, at=_DAY_S), at=_DAY_S)
    after = market.quote("A")

    assert (before.current_price, before.volume) == (Decimal(2), None)
    assert (after.previous_close, after.price_change) == (Decimal(2), Decimal("0.10"))
    assert (after.price_change_percent, after.volume) == (Decimal("5.0000"), 3)


def test_a_quote_that_comes_late_does_not_replace_a_newer_one(forge, market, feed):
    feed(forge.quote("A", 200, 300), sequence=9)
    changes = feed(forge.quote("A", 100, 400), sequence=5)

    assert changes == [NOTHING]
    assert market.quote("A").bid == Decimal("0.02")


def test_levels_of_deep_make_bid_and_ask_once_they_are_complete(forge, market, feed):
    first = feed(
        forge.level("A", 10_000, 100),
        forge.level("A", 10_200, 300, buy=False),
        forge.level("A", 10_100, 50, done=False),
        protocol=DEEP,
    )
    open_book = market.quote("A")
    second = feed(forge.level("A", 10_000, 0), protocol=DEEP)
    quote = market.quote("A")

    assert (first, second) == ([BOOK, BOOK, NOTHING], [BOOK])
    assert (open_book.bid, open_book.ask) == (Decimal("1.00"), Decimal("1.02"))
    assert (quote.bid, quote.bid_size) == (Decimal("1.01"), 50)
    assert (quote.ask, quote.ask_size) == (Decimal("1.02"), 300)


def test_when_the_best_level_goes_the_next_one_is_the_best(forge, market, feed):
    feed(*(forge.level("A", price, 1) for price in (100, 300, 200)), protocol=DEEP)
    feed(*(forge.level("A", price, 1, buy=False) for price in (900, 700, 800)), protocol=DEEP)
    feed(forge.level("A", 300, 0), forge.level("A", 700, 0, buy=False), protocol=DEEP)

    quote = market.quote("A")

    assert (quote.bid, quote.ask) == (Decimal("0.02"), Decimal("0.08"))


def test_a_level_deep_in_the_book_is_no_new_quote(forge, market, feed):
    feed(forge.level("A", 200, 1), forge.level("A", 300, 1, buy=False), protocol=DEEP)

    assert feed(forge.level("A", 100, 1), protocol=DEEP) == [NOTHING]


def test_no_more_levels_are_kept_than_a_day_has(forge, monkeypatch, market, feed):
    monkeypatch.setattr("tickloom_iex.capture.market._MAX_LEVELS", 3)

    feed(*(forge.level("A", price, 1) for price in (100, 200, 300, 400)), protocol=DEEP)
    feed(forge.level("A", 300, 0), forge.level("A", 500, 1), protocol=DEEP)
    feed(forge.level("A", 900, 1, buy=False), protocol=DEEP)

    assert market._counts.invalid == 2
    assert market._sessions["A"].book.top().bid == 500


def test_no_more_symbols_are_kept_than_there_are(forge, monkeypatch, market, feed):
    monkeypatch.setattr("tickloom_iex.capture.market._MAX_SESSIONS", 2)

    changes = feed(*(forge.trade(symbol, 100) for symbol in "ABC"))

    assert changes == [TRADE, TRADE, NOTHING]
    assert market._counts.invalid == 1


def test_a_halt_is_told_with_the_quote(forge, market, feed):
    feed(forge.trade("A", 100), forge.status("A", "H"))
    halted = market.quote("A")
    feed(forge.status("A", "T"), forge.halt("A", "O"))
    venue = market.quote("A")
    changes = feed(forge.halt("A", "N"), forge.halt("A", "N"), forge.status("A", "T"))

    assert halted.additional_data == venue.additional_data == {"trading_status": "halted"}
    assert changes == [BOOK, NOTHING, NOTHING]
    assert market.quote("A").additional_data is None


def test_the_phase_of_the_day_comes_from_system_events_where_levels_tell_none(forge, market, feed):
    states = []
    for place, letter in enumerate("OSRME"):
        feed(
            forge.event(letter),
            forge.level("A", 100 + place, 1),
            forge.level("A", 900 - place, 1, buy=False),
            protocol=DEEP,
        )
        states.append(market.quote("A").market_state)

    assert states == ["closed", "pre", "regular", "post", "closed"]


def test_the_times_of_a_quote_are_those_of_its_newest_message(forge, market, feed):
    feed(forge.trade("A", 100, at=1), at=2)
    feed(forge.quote("A", 90, 110, at=3.25), at=4)

    assert market.quote("A").timestamp == time_of(forge.ns(3.25))
