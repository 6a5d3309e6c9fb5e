"""Any bytes, in every layer: values or BadRecord, nothing else, and never without an end."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event as Flag

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickloom.errors import BadRecord, NoData
from tickloom.model import parse_symbol
from tickloom.roles import HistoryRequest
from tickloom.testing import check_quote
from tickloom_iex.capture.archive import Capture
from tickloom_iex.capture.bars import INTERVALS, check_request, make_bars, reach_of
from tickloom_iex.capture.book import Book
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.frames import find_udp
from tickloom_iex.capture.market import Market
from tickloom_iex.capture.messages import decode_segment
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.packets import read_packets
from tickloom_iex.capture.playback import Playback
from tickloom_iex.capture.segments import SegmentReader
from tickloom_iex.capture.survey import Survey
from tickloom_iex.capture.symbols import Names, canonical_of
from tickloom_iex.capture.trades import read_trades

MAGICS = [
    b"", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",
    b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a", b"\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
]  # fmt: skip
_NOW = datetime(2026, 1, 2, tzinfo=UTC)
LINKS = [0, 1, 12, 14, 101, 105, 108, 113, 228, 229, 276]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def whole(forge) -> list[bytes]:
    """Captures with something of everything, in several forms."""
    tops = forge.segments(
        [
            [forge.event("O"), forge.status("A", "T"), forge.quote("A", 100, 200)],
            [forge.trade("A", 150, key=1), forge.trade("BRK.B", 170, key=2, flags=0x60)],
            [],
            [forge.trade("A", 150, key=1, kind="B"), forge.halt("A", "O"), forge.event("C")],
        ]
    )
    deep = forge.segments(
        [
            [forge.level("A", 100, 5), forge.level("A", 200, 5, buy=False)],
            [forge.level("A", 250, 5), forge.level("A", 100, 0)],
        ],
        protocol=0x8004,
    )
    frames = [forge.frame(one) for one in tops]
    six = [forge.frame(b"", packet=forge.ipv6(one, extensions=1), kind=0x86DD) for one in tops]
    return [
        forge.pcap(frames),
        forge.pcap(six, order=">", nano=True),
        forge.pcapng(frames, order=">"),
        forge.pcapng([forge.frame(one) for one in deep]),
        gzip.compress(forge.pcap([forge.frame(one) for one in deep])),
    ]


def _use(content: bytes, folder: Path) -> None:
    """All that is done with a capture: it is played, looked through, and its trades are read."""
    path = folder / "capture"
    path.write_bytes(content)
    capture = Capture(path=path, protocol=0x8003, begin_ns=0, day=date(2024, 3, 5))
    try:
        list(read_trades(path, _NOW))
    except BadRecord:
        return
    playback = Playback([capture], CaptureOptions(path=path, speed=0), Flag())
    while (piece := playback.read({"A"})) is not None:
        for quote in [*piece.others, *(one for moment in piece.moments for one in moment.quotes)]:
            check_quote(quote, "iex_captures")
    survey = Survey([capture], None, Flag())
    try:
        while survey.step():
            pass
        for symbol in survey.first:
            rows = list(survey.trades.read(symbol, -(2**63), 2**63 - 1, Flag()))
            assert all(row[2] > 0 for row in rows)
    finally:
        survey.close()


@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=300))
def test_any_file_is_read_or_refused(folder, magic, rest):
    _use(magic + rest, folder)


@settings(max_examples=400)
@given(data=st.data())
def test_a_damaged_capture_is_read_or_refused(folder, whole, data):
    content = bytearray(data.draw(st.sampled_from(whole)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        kind = data.draw(st.sampled_from(["set", "cut", "put", "drop"]))
        if kind == "set":
            content[at : at + 1] = data.draw(st.binary(min_size=1, max_size=8))
        elif kind == "cut":
            del content[at:]
        elif kind == "put":
            content[at:at] = data.draw(st.binary(max_size=40))
        else:
            del content[at : at + data.draw(st.integers(1, 60))]
    _use(bytes(content), folder)


@given(blocks=st.lists(st.binary(max_size=80), max_size=6), magic=st.sampled_from(MAGICS))
def test_packets_lie_within_their_buffer(blocks, magic):
    try:
        for data, begin, end, time_ns, _ in read_packets([magic, *blocks], "x", CaptureCounts()):
            assert 0 <= begin <= end <= len(data)
            assert isinstance(time_ns, int)
    except BadRecord:
        pass


@given(st.binary(max_size=120), st.sampled_from(LINKS), st.integers(0, 20), st.integers(0, 20))
def test_a_payload_lies_within_its_frame(data, link, before, after):
    end = max(before, len(data) - after)

    place = find_udp(data, before, end, link)

    assert place is None or before <= place[0] <= place[1] <= end


def test_endless_extensions_and_tags_end_with_the_frame():
    data = b"\0" * 12 + b"\x81\0" * 500_000
    assert find_udp(data, 0, 100, 1) is None
    assert find_udp(b"\x60" + b"\0" * 4_000_000, 0, 100, 101) is None


@given(
    st.binary(max_size=200),
    st.sampled_from([0x8002, 0x8003, 0x8004]),
    st.integers(0, 65_535),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
)
def test_any_segment_gives_messages_or_counts(forge, folder, body, protocol, count, first, sent):
    segment = bytearray(forge.segment(protocol=protocol, count=count, length=len(body)))
    segment[24:32] = first.to_bytes(8, "little", signed=True)
    segment[32:40] = sent.to_bytes(8, "little", signed=True)

    _use(forge.capture(bytes(segment) + body, forge.segment(forge.event("O"))), folder)


_TEXT = st.text(alphabet="ABCZ.-+#=^ az", max_size=8)
_WORD = st.integers(0, 2**32 - 1)
_LONG = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("QTB85HOSX"),
            st.integers(0, 255),
            _TEXT,
            _WORD,
            _LONG | st.integers(1, 9),
            _LONG,
        ),
        max_size=30,
    )
)
def test_any_messages_make_proper_quotes(forge, folder, parts):
    messages = []
    for kind, flags, symbol, size, price, number in parts:
        head = kind.encode() + bytes([flags]) + number.to_bytes(8, "little", signed=True)
        tail = size.to_bytes(4, "little") + price.to_bytes(8, "little", signed=True)
        messages.append(head + symbol.encode().ljust(8) + tail + tail + b"\0" * 8)
    path = folder / "messages"
    path.write_bytes(forge.capture(forge.segment(*messages), forge.segment(forge.event("O"))))
    counts = CaptureCounts()
    market = Market(counts, None)
    seen = 0

    for segment in SegmentReader(counts, Flag()).read(path):
        for message in market.open(segment):
            seen += 1
            market.take(message)
            symbol = getattr(message, "symbol", "A")
            quote = market.quote(symbol)
            if quote is not None:
                assert check_quote(quote, "iex_captures") is quote
                assert quote.current_price > 0
    assert seen + counts.invalid >= len(messages) - counts.unknown - sum(
        one[:1] == b"X" for one in messages
    )


@given(st.text(max_size=10) | _TEXT, st.sampled_from(["", "TAPE."]))
def test_any_name_has_a_canonical_symbol_or_none(name, namespace):
    symbol = canonical_of(name, namespace)

    assert not symbol or (symbol.startswith(namespace) and parse_symbol(symbol) == symbol)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4_000_000 * 10**9), _LONG, st.integers(1, 10**12),
            st.integers(1, 2**32 - 1), _WORD, st.integers(0, 255),
        ),
        max_size=40,
    ),
    st.sampled_from(INTERVALS),
)  # fmt: skip
def test_bars_hold_together_whatever_the_trades(rows, interval):
    request = HistoryRequest(
        symbol="A", start=date(1969, 1, 1), end=date(2100, 1, 1), interval=interval
    )
    check_request(request)
    reach_of(request)
    try:
        bars = make_bars(rows, request)
    except NoData:
        return
    for bar in bars:
        assert bar.low_price <= min(bar.open_price, bar.close_price)
        assert bar.high_price >= max(bar.open_price, bar.close_price)
    assert [one.timestamp for one in bars] == sorted({one.timestamp for one in bars})
    assert sum(one.volume for one in bars) <= sum(row[3] for row in rows)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30), st.integers(0, 3)), max_size=60))
def test_a_doubtful_book_is_never_crossed_and_knows_its_best_level(changes):
    book, size = Book(), 0
    book.is_doubtful = True
    for is_buy, price, amount in changes:
        size += book.set(price, amount, is_buy=is_buy)
        size -= book.settle(is_buy=is_buy)

        top = book.top()
        assert len(book) == size
        assert top.bid == max(book._bids.levels, default=0)
        assert top.ask == min(book._asks.levels, default=0)
        assert not top.bid or not top.ask or top.bid < top.ask


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_prices_are_exact(first, second):
    from tickloom_iex.capture.prices import Prices

    prices = Prices()

    assert prices[first] * 10_000 == first
    assert (prices[first] + prices[second]) / 2 == Decimal(first + second) / 20_000


def test_names_are_found_by_their_bytes(forge, read):
    found = read(forge.capture(forge.segment(forge.trade("BRK.B", 1))))

    assert decode_segment(found.segments[0], CaptureCounts(), Names("X."))[0].symbol == "X.BRK.B"
