"""What a begin of the venue, and missing messages, do to bid and ask."""

from __future__ import annotations

from decimal import Decimal

from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.market import Market


def _fold(reading) -> Market:
    market = Market(CaptureCounts(), None)
    for segment in reading.segments:
        for message in market.open(segment):
            market.take(message)
    return market


def test_a_restart_clears_the_books_of_its_channel_alone(forge, read):
    made = [
        forge.segment(
            forge.trade("A", 150),
            forge.level("A", 100, 1),
            forge.level("A", 200, 1, buy=False),
            protocol=0x8004,
        ),
        forge.segment(
            forge.trade("B", 150), forge.level("B", 100, 1), protocol=0x8004, channel=2, at=1
        ),
        forge.segment(protocol=0x8004, sequence=1, at=20),
        forge.segment(forge.level("A", 300, 1, buy=False), protocol=0x8004, sequence=1, at=21),
    ]
    market = _fold(read(forge.capture(*made)))

    assert (market.quote("A").bid, market.quote("A").ask) == (None, Decimal("0.03"))
    assert market.quote("B").bid == Decimal("0.01")
    assert market._levels == 2
    assert market.quote("A").current_price == Decimal("0.015")


def _levels(forge, *, second):
    first = [forge.trade("A", 150), forge.level("A", 100, 1), forge.level("A", 200, 1, buy=False)]
    return forge.capture(
        forge.segment(*first, protocol=0x8004),
        forge.segment(forge.level("A", 250, 1), protocol=0x8004, sequence=second, at=1),
    )


def test_after_a_gap_a_newer_level_removes_what_it_crosses(forge, read):
    quote = _fold(read(_levels(forge, second=40))).quote("A")

    assert (quote.bid, quote.ask) == (Decimal("0.025"), None)


def test_without_a_gap_levels_are_taken_at_their_word(forge, read):
    quote = _fold(read(_levels(forge, second=4))).quote("A")

    assert (quote.bid, quote.ask) == (Decimal("0.025"), Decimal("0.02"))
