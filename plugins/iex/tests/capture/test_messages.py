"""Messages of TOPS and DEEP, and what is skipped of them."""

from __future__ import annotations

import struct

import pytest

from tickloom_iex.capture.messages import (
    OperationalHalt,
    PriceLevel,
    QuoteFlag,
    QuoteUpdate,
    SystemEvent,
    TradeFlag,
    TradeReport,
    TradingStatus,
)


def _read(forge, read, *messages, **options):
    return read(forge.capture(forge.segment(*messages, **options)))


def test_a_quote_update_has_both_sides_and_its_flags(forge, read):
    message = forge.quote("ZIEXT", 990_500, 991_000, sizes=(9_700, 1_000), at=1.5, flags=0x40)

    found = _read(forge, read, message)

    assert found.messages == [
        QuoteUpdate(1, forge.ns(1.5), "ZIEXT", 0x40, 9_700, 990_500, 991_000, 1_000)
    ]
    assert QuoteFlag(found.messages[0].flags) == QuoteFlag.OUT_OF_SESSION


def test_a_trade_report_and_its_break_share_an_id(forge, read):
    trade = forge.trade("ZIEXT", 990_500, 100, key=429_974, flags=0x28)
    broken = forge.trade("ZIEXT", 990_500, 100, key=429_974, flags=0x28, kind="B", at=1)

    found = _read(forge, read, trade, broken)

    assert found.messages == [
        TradeReport(1, forge.ns(0), "ZIEXT", 0x28, 100, 990_500, 429_974, is_break=False),
        TradeReport(2, forge.ns(1), "ZIEXT", 0x28, 100, 990_500, 429_974, is_break=True),
    ]
    assert TradeFlag(0x28) == TradeFlag.ODD_LOT | TradeFlag.SINGLE_PRICE_CROSS
    assert found.counts.breaks == 1


def test_price_levels_are_of_either_side_and_complete_or_not(forge, read):
    found = _read(
        forge,
        read,
        forge.level("V", 2_027_700, 190, done=False),
        forge.level("V", 2_027_800, 0, buy=False),
        protocol=0x8004,
    )

    assert found.messages == [
        PriceLevel(1, forge.ns(0), "V", is_buy=True, is_complete=False, size=190, price=2_027_700),
        PriceLevel(2, forge.ns(0), "V", is_buy=False, is_complete=True, size=0, price=2_027_800),
    ]


def test_events_and_statuses_are_read(forge, read):
    found = _read(
        forge, read, forge.event("R"), forge.status("A", "H"), forge.halt("A", "O"),
        forge.halt("A", "N"),
    )  # fmt: skip

    assert found.messages == [
        SystemEvent(1, forge.ns(0), "R"),
        TradingStatus(2, forge.ns(0), "A", "H"),
        OperationalHalt(3, forge.ns(0), "A", is_halted=True),
        OperationalHalt(4, forge.ns(0), "A", is_halted=False),
    ]


def test_a_longer_message_is_read_by_what_is_known_of_it(forge, read):
    found = _read(
        forge, read, forge.quote("A", 1, 2, more=b"\x01" * 9), forge.trade("A", 1, more=b"new")
    )

    assert [type(one) for one in found.messages] == [QuoteUpdate, TradeReport]


def test_an_unknown_type_is_skipped_and_counted(forge, read):
    found = _read(forge, read, b"Z" + b"\0" * 30, forge.event("O"))

    assert [one.sequence for one in found.messages] == [2]
    assert found.counts.unknown == 1


def test_a_shorter_message_is_skipped_and_counted(forge, read):
    found = _read(forge, read, forge.quote("A", 1, 2)[:-1], b"", b"T", forge.event("O"))

    assert [one.sequence for one in found.messages] == [4]
    assert found.counts.short + found.counts.unknown == 3


@pytest.mark.parametrize(("kind", "size"), [("D", 31), ("P", 19), ("X", 26), ("A", 80), ("E", 18)])
def test_what_is_known_and_of_no_use_is_not_counted_as_unknown(forge, read, kind, size):
    found = _read(forge, read, kind.encode().ljust(size, b"\0"), forge.event("O"))

    assert [one.sequence for one in found.messages] == [2]
    assert found.counts.unknown == found.counts.invalid == 0


@pytest.mark.parametrize(
    "change",
    [{"price": 0}, {"price": -1}, {"price": 2**62}, {"size": 0}, {"symbol": ""}, {"symbol": "A B"}],
)
def test_a_trade_that_cannot_be_is_skipped_and_counted(forge, read, change):
    wrong = forge.trade(**({"symbol": "A", "price": 10_000} | change))

    found = _read(forge, read, wrong, forge.event("O"))

    assert [one.sequence for one in found.messages] == [2]
    assert found.counts.invalid == 1


@pytest.mark.parametrize("price", [-5, 2**63 - 1])
def test_a_quote_and_a_level_that_cannot_be_are_skipped_and_counted(forge, read, price):
    found = _read(
        forge, read, forge.quote("A", price, 2), forge.quote("A", 1, price),
        forge.level("A", price, 1), forge.event("O"),
    )  # fmt: skip

    assert [one.sequence for one in found.messages] == [4]
    assert found.counts.invalid == 3


@pytest.mark.parametrize(
    ("options", "whole"),
    [({"count": 3}, 2), ({"length": 30}, 0), ({"length": 54}, 1), ({"length": 999, "count": 3}, 2)],
)
def test_a_segment_that_ends_in_the_middle_gives_what_came_before(forge, read, options, whole):
    found = _read(forge, read, forge.quote("A", 1, 2), forge.event("O"), **options)

    assert len(found.messages) == whole
    assert found.counts.truncated == 1


def test_a_message_that_reaches_into_the_next_packet_is_not_read(forge, read):
    body = struct.pack("<H", 400) + forge.quote("A", 1, 2)
    segment = forge.segment(count=1, length=len(body)) + body

    found = read(forge.capture(segment, forge.segment(forge.event("O"), sequence=2)))

    assert [type(one) for one in found.messages] == [SystemEvent]
    assert found.counts.truncated == 1
