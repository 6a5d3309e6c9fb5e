"""Recorded captures, against what is known of them and a slow reading of its own."""

from __future__ import annotations

import gzip
import struct
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tickloom.errors import BadRecord
from tickloom.model import Interval, parse_symbol
from tickloom.roles import HistoryRequest
from tickloom_iex.capture import CaptureOptions, make_capture_provider, read_trades
from tickloom_iex.capture.messages import (
    PriceLevel,
    QuoteUpdate,
    SystemEvent,
    TradeReport,
    TradingStatus,
)

# Of the recordings' own table of contents.
KNOWN = {
    "TOPS16_slice.pcap.gz": (
        5_859,
        158,
        "A:360 B:1 D:10 H:7801 O:7800 P:7799 Q:17172 S:3 T:2637",
        0x8003,
    ),
    "DEEP10_slice.pcap.gz": (
        30_328,
        3_277,
        "5:2963 8:2958 E:33 H:60055 O:60055 P:60053 S:27 T:18845",
        0x8004,
    ),
}


def _slowly(path: Path) -> list[bytes]:
    """Every message of a classic little-endian pcap over Ethernet and IPv4, in plain steps."""
    data = gzip.decompress(path.read_bytes())
    place, messages = 24, []
    while place < len(data):
        size = int.from_bytes(data[place + 8 : place + 12], "little")
        frame = data[place + 16 : place + 16 + size]
        place += 16 + size
        segment = frame[14 + (frame[14] & 15) * 4 + 8 :]
        count, at = int.from_bytes(segment[14:16], "little"), 40
        for _ in range(count):
            length = int.from_bytes(segment[at : at + 2], "little")
            messages.append(segment[at + 2 : at + 2 + length])
            at += 2 + length
    return messages


def _expected(text: str) -> Counter[str]:
    return Counter({kind: int(count) for kind, count in (one.split(":") for one in text.split())})


@pytest.mark.parametrize("name", KNOWN)
def test_the_counts_are_those_that_are_known(recorded, read, name):
    packets, heartbeats, kinds, protocol = KNOWN[name]
    expected = _expected(kinds)

    found = read(recorded / name)

    counts = found.counts
    assert (counts.packets, counts.segments, counts.heartbeats) == (packets, packets, heartbeats)
    assert counts.messages == expected.total()
    assert {one.protocol for one in found.segments} == {protocol}
    assert Counter(type(one).__name__ for one in found.messages) == Counter(
        {
            "QuoteUpdate": expected["Q"],
            "TradeReport": expected["T"] + expected["B"],
            "PriceLevel": expected["5"] + expected["8"],
            "TradingStatus": expected["H"],
            "OperationalHalt": expected["O"],
            "SystemEvent": expected["S"],
        }
    )
    assert counts.breaks == expected["B"]
    skipped = (counts.foreign, counts.lost, counts.duplicates, counts.unknown, counts.short)
    assert skipped == (0, 0, 0, 0, 0)
    assert (counts.invalid, counts.truncated) == (0, 0)


@pytest.mark.parametrize(
    ("name", "restarts"), [("TOPS16_slice.pcap.gz", 0), ("DEEP10_slice.pcap.gz", 7)]
)
def test_the_test_network_began_anew_so_often(recorded, read, name, restarts):
    found = read(recorded / name)

    begins = [one for one in found.messages if isinstance(one, SystemEvent) and one.event == "O"]
    assert len(begins) == restarts + 1
    assert found.counts.restarts == restarts


@pytest.mark.parametrize("name", KNOWN)
def test_the_values_are_those_of_a_slow_reading(recorded, read, name):
    slow = [one for one in _slowly(recorded / name) if one[:1] in b"QTB85HOS"]

    found = read(recorded / name).messages

    assert len(found) == len(slow)
    for message, raw in zip(found, slow, strict=True):
        assert message.time_ns == int.from_bytes(raw[2:10], "little")
        if isinstance(message, TradeReport):
            assert (message.size, message.price, message.trade_id) == struct.unpack(
                "<Iqq", raw[18:38]
            )
            assert (message.flags, message.is_break) == (raw[1], raw[:1] == b"B")
        elif isinstance(message, QuoteUpdate):
            values = (message.bid_size, message.bid, message.ask, message.ask_size)
            assert values == struct.unpack("<IqqI", raw[18:42])
        elif isinstance(message, PriceLevel):
            assert (message.size, message.price) == struct.unpack("<Iq", raw[18:30])
            assert (message.is_buy, message.is_complete) == (raw[:1] == b"8", raw[1] == 1)
        elif isinstance(message, TradingStatus):
            assert message.status == chr(raw[1])


@pytest.mark.parametrize("name", KNOWN)
def test_every_symbol_has_a_canonical_form_of_its_own(recorded, read, name):
    slow = {one[10:18] for one in _slowly(recorded / name) if one[:1] in b"QTB85HO"}

    symbols = {one.symbol for one in read(recorded / name).messages if hasattr(one, "symbol")}

    assert len(symbols) == len(slow) > 7_000
    assert all(parse_symbol(one) == one for one in symbols)
    assert {"AAPL", "BRK.A", "TAP.A", "PSA-PO", "TRC+"} <= symbols


@pytest.mark.parametrize("name", KNOWN)
async def test_the_bars_of_a_day_are_those_of_a_slow_sum(recorded, clock, name):
    trades = defaultdict(list)
    broken = set()
    for raw in _slowly(recorded / name):
        if raw[:1] in b"TB":
            size, price, key = struct.unpack("<Iqq", raw[18:38])
            symbol = raw[10:18].decode().strip()
            if raw[:1] == b"B":
                broken.add((symbol, key))
            trades[symbol].append((raw[:1], raw[1], size, price, key))
    day = date(2017, 7, 10) if "TOPS" in name else date(2017, 4, 25)
    provider = make_capture_provider(CaptureOptions(path=recorded / name), clock)

    for symbol in ("AAPL", "MSFT", "ZXIET", "ZIEXT", "AMZN"):
        mine = [one for one in trades[symbol] if one[0] == b"T" and (symbol, one[4]) not in broken]
        prices = [price for _, flags, _, price, _ in mine if not flags & 0x60]
        if not prices:
            continue
        request = HistoryRequest(symbol=symbol, start=day, end=day, interval=Interval.DAY)
        (bar,) = (await provider.get_history(request)).data_points
        assert bar.timestamp == datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
        assert (bar.open_price, bar.close_price) == (
            Decimal(prices[0]) / 10_000,
            Decimal(prices[-1]) / 10_000,
        )
        assert (bar.high_price, bar.low_price) == (
            Decimal(max(prices)) / 10_000,
            Decimal(min(prices)) / 10_000,
        )
        assert bar.volume == sum(one[2] for one in mine)
        assert bar.trade_count == len(mine)
    await provider.aclose()


async def test_the_last_quotes_are_those_of_the_last_messages(recorded, clock, listen):
    newest = {}
    for raw in _slowly(recorded / "TOPS16_slice.pcap.gz"):
        if raw[:1] == b"Q":
            newest[raw[10:18].decode().strip()] = (raw[1], *struct.unpack("<IqqI", raw[18:42]))
    options = CaptureOptions(path=recorded / "TOPS16_slice.pcap.gz", speed=0, loop=False)
    provider = make_capture_provider(options, clock)
    stream = await provider.open_stream()
    listener = listen(stream)
    await stream.subscribe(["AAPL"])
    await stream._task

    for symbol in ("AAPL", "AMZN", "ELLO", "SSL", "TWO"):
        flags, bid_size, bid, ask, ask_size = newest[symbol]
        quote = (await provider.get_quotes([symbol]))[symbol]
        if flags & 0x80:
            bid = ask = bid_size = ask_size = 0
        assert (quote.bid or 0, quote.ask or 0) == (Decimal(bid) / 10_000, Decimal(ask) / 10_000)
        assert (quote.bid_size or 0, quote.ask_size or 0) == (bid_size, ask_size)
    assert listener.quotes
    await provider.aclose()


def test_the_levels_of_deep_make_the_best_prices_of_a_slow_book(recorded, read):
    from tickloom_iex.capture.counts import CaptureCounts
    from tickloom_iex.capture.market import Market

    found = read(recorded / "DEEP10_slice.pcap.gz")
    market, compared = Market(CaptureCounts(), None), 0
    books: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
    for segment in found.segments:
        if segment.is_fresh:
            books.clear()
        for message in market.open(segment):
            market.take(message)
            if not isinstance(message, PriceLevel):
                continue
            sides = books.setdefault(message.symbol, ({}, {}))
            side = sides[0 if message.is_buy else 1]
            side[message.price] = message.size
            if message.is_complete:
                bids, asks = ([price for price, size in one.items() if size] for one in sides)
                top = market._sessions[message.symbol]._top
                assert (top.bid, top.ask) == (max(bids, default=0), min(asks, default=0))
                compared += 1
    assert compared == 5_694


def test_the_trade_that_was_broken_is_told_twice(recorded, clock):
    trades = list(read_trades(recorded / "TOPS16_slice.pcap.gz", clock.now()))

    (broken,) = [one for one in trades if one.is_cancelled]
    both = [one for one in trades if one.trade_id == broken.trade_id]
    assert len(trades) == 2_638
    assert [(one.symbol, one.size, one.price) for one in both] == [
        ("ZXIET", 3_860, Decimal("29.99"))
    ] * 2
    assert broken.conditions == ("8", "X")


@pytest.mark.parametrize(
    ("name", "protocol", "symbol", "values"),
    [
        ("TOPS15Segment", 0x8002, "ZIEXT", (0, 0, 10_000, 100)),
        ("TOPS16Segment", 0x8003, "ZXIET", (471, 999_500, 3_914_566)),
    ],
)
def test_bare_segments_are_read(recorded, forge, read, name, protocol, symbol, values):
    payload = (recorded / "messages" / f"{name}.bin").read_bytes()

    found = read(forge.capture(payload))

    (message,) = found.messages
    assert (found.segments[0].protocol, message.symbol) == (protocol, symbol)
    if isinstance(message, QuoteUpdate):
        assert (message.bid_size, message.bid, message.ask, message.ask_size) == values
    else:
        assert (message.size, message.price, message.trade_id) == values


def test_bare_messages_are_read(recorded, forge, read):
    files = sorted((recorded / "messages").glob("*Message.bin"))

    found = read(forge.capture(forge.segment(*(one.read_bytes() for one in files))))

    assert len(files) == 6
    assert {type(one) for one in found.messages} == {
        PriceLevel,
        QuoteUpdate,
        SystemEvent,
        TradeReport,
        TradingStatus,
    }
    assert found.counts.short == found.counts.unknown == found.counts.invalid == 0


@pytest.mark.parametrize("folder", ["Deep.IexTp.v1.0", "Tops.IexTp.v1.5", "Tops.IexTp.v1.6"])
def test_captures_of_single_messages_are_read(recorded, read, folder):
    for path in sorted((recorded / "omi" / folder).glob("*.pcap")):
        found = read(path)

        assert found.counts.segments == found.counts.packets >= 1
        assert bool(found.messages) != (path.stem == "Heartbeat")
        assert found.counts.invalid == found.counts.short == found.counts.truncated == 0


def test_captures_of_deep_plus_are_refused(recorded, read):
    for path in sorted((recorded / "omi" / "DeepPlus.IexTp.1.0.2").glob("*.pcap")):
        with pytest.raises(BadRecord, match="found protocol 0x8005"):
            read(path)
