"""Symbols, prices and days as the host knows them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tickloom.model import parse_symbol
from tickloom_iex.capture.days import Days, nanoseconds
from tickloom_iex.capture.eligibility import Rank, conditions_of, rank_of
from tickloom_iex.capture.prices import Prices, time_of
from tickloom_iex.capture.symbols import Names, canonical_of


@pytest.mark.parametrize(
    ("venue", "canonical"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK.B"),
        ("ABC.L", "ABC-L"),
        ("PSA-O", "PSA-PO"),
        ("MTL-", "MTL-"),
        ("TRC+", "TRC+"),
        ("AAC=", "AAC="),
        ("ABC#", "ABC-WI"),
        ("GST-A#", "GST-PA-WI"),
        ("ABC*", ""),
        ("", ""),
        ("aapl", ""),
        ("A B", ""),
        ("A\ufffd", ""),
    ],
)
def test_a_symbol_of_the_venue_has_one_canonical_form(venue, canonical):
    assert canonical_of(venue) == canonical
    assert not canonical or parse_symbol(canonical) == canonical


@pytest.mark.parametrize(
    ("venue", "canonical"),
    [("AAPL", "TAPE.AAPL"), ("BRK.B", "TAPE.BRK.B"), ("PSA-O", "TAPE.PSA-PO"), ("PAR", "")],
)
def test_a_namespace_stands_before_every_symbol_that_stays_itself(venue, canonical):
    assert Names("TAPE.")[venue.encode().ljust(8)] == canonical


def test_names_do_not_grow_without_bound():
    names = Names()

    for number in range(70_000):
        names[b"%08d" % number]

    assert len(names) <= 65_536


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (1_489_100, "148.91"),
        (1_490_000, "149.00"),
        (9_998, "0.9998"),
        (367_350, "36.735"),
        (1, "0.0001"),
    ],
)
def test_a_price_has_two_to_four_places(units, text):
    assert str(Prices()[units]) == text
    assert Prices()[units] == Decimal(units) / 10_000


def test_prices_do_not_grow_without_bound():
    prices = Prices()

    for units in range(70_000):
        prices[units]

    assert len(prices) <= 65_536


@pytest.mark.parametrize("time_ns", [-(2**63), 0, 2**63 - 1])
def test_any_time_of_the_venue_is_a_time(time_ns):
    assert time_of(time_ns).tzinfo is UTC
    assert Days().find(time_ns).begin_ns <= time_ns < Days().find(time_ns).end_ns


def test_a_day_begins_at_midnight_in_new_york_also_when_clocks_change():
    days = Days()

    spring = days.find(nanoseconds(datetime(2024, 3, 10, 12, tzinfo=UTC)))
    after = days.find(spring.end_ns)

    assert spring.day == date(2024, 3, 10)
    assert time_of(spring.begin_ns) == datetime(2024, 3, 10, 5, tzinfo=UTC)
    assert time_of(spring.noon_ns) == datetime(2024, 3, 10, 16, tzinfo=UTC)
    assert time_of(spring.end_ns) == datetime(2024, 3, 11, 4, tzinfo=UTC)
    assert after.day == date(2024, 3, 11)


@pytest.mark.parametrize(
    ("flags", "rank", "codes"),
    [
        (0x00, Rank.REGULAR, ()),
        (0x80, Rank.REGULAR, ("F",)),
        (0x18, Rank.REGULAR, ("8", "X")),
        (0x40, Rank.EXTENDED, ("T",)),
        (0x20, Rank.VOLUME, ("I",)),
        (0xE0, Rank.VOLUME, ("F", "T", "I")),
    ],
)
def test_sale_conditions_decide_what_a_trade_counts_for(flags, rank, codes):
    assert rank_of(flags) == rank
    assert conditions_of(flags) == codes
