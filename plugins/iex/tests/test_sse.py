from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.errors import ProviderUnavailable
from tickloom_iex.lines import MOST_SYMBOLS, rearrange
from tickloom_iex.parse_stream import parse_event
from tickloom_iex.sse import EventSplitter

NOW = datetime(2024, 1, 10, 17, 5, tzinfo=UTC)


def split(*pieces: bytes, most: int = 10_000) -> list[bytes]:
    splitter = EventSplitter("iex", most)
    return [event for piece in pieces for event in splitter.feed(piece)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_end_at_a_blank_line_of_any_kind(end: bytes) -> None:
    stream = end.join([b"data: [1]", b"", b"data:[2]", b"", b"data: cut"])
    assert split(stream) == [b"[1]", b"[2]"]


def test_comments_other_fields_and_events_without_data_are_passed_over() -> None:
    stream = (
        b"\xef\xbb\xbf: hello\n\nevent: x\nid: 7\nretry: 3\n\nevent: y\ndata: 1\n\ndatum: 5\n\n"
    )
    assert split(stream) == [b"1"]


def test_lines_of_one_event_are_joined() -> None:
    assert split(b"data: [1,\ndata:  2]\ndata\n\n") == [b"[1,\n 2]\n"]


def test_an_endless_event_is_refused_whether_it_has_lines_or_not() -> None:
    for piece in (b"x" * 50, b"data: " + b"x" * 50 + b"\n", b"data:\n" * 20):
        with pytest.raises(ProviderUnavailable, match="endless"):
            split(*[piece] * 1_000, most=5_000)


def test_heartbeats_without_blank_lines_are_no_endless_event() -> None:
    assert split(*[b":\n"] * 10_000, b"data: 1\n\n", most=100) == [b"1"]


LINES = st.lists(
    st.sampled_from(
        [b"data: a", b"data:b", b"data", b"", b"", b": c", b"id: 1", b"data:  x:y", b"\xff"]
    ),
    max_size=30,
)
ENDS = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=30, max_size=30)


@given(LINES, ENDS, st.lists(st.integers(0, 300), max_size=20), st.booleans())
def test_any_cutting_of_any_stream_gives_the_same_events(
    lines: list[bytes], ends: list[bytes], cuts: list[int], bom: bool
) -> None:
    stream = (b"\xef\xbb\xbf" if bom else b"") + b"".join(
        line + end for line, end in zip(lines, ends, strict=False)
    )
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    single = [stream[n : n + 1] for n in range(len(stream))]

    assert split(*pieces) == split(stream) == split(*single)


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_in_any_pieces_give_the_same_events_or_the_same_refusal(
    stream: bytes, step: int
) -> None:
    def outcome(*pieces: bytes) -> object:
        try:
            return split(*pieces, most=300)
        except ProviderUnavailable:
            return "refused"

    pieces = [stream[n : n + step] for n in range(0, len(stream), step)]
    assert outcome(*pieces) == outcome(stream)


def test_a_record_of_the_last_trade_keeps_every_digit() -> None:
    data = b'[{"symbol":"MYL","price":19.7300,"size":482,"time":1558368449203,"seq":604}]'
    [quote], skipped = parse_event(data, "last", {"MYL": "MYL"}, NOW, scrambled=False)

    assert str(quote.current_price) == "19.7300"
    assert (quote.last_size, skipped) == (482, 0)
    assert quote.timestamp == datetime(2019, 5, 20, 16, 7, 29, 203_000, tzinfo=UTC)
    assert not quote.is_real_time


def test_the_book_has_no_offer_where_it_is_zero_and_no_volume_of_the_session() -> None:
    data = json.dumps(
        {
            "symbol": "IVZ", "bidPrice": 15.67, "bidSize": 301, "askPrice": 0, "askSize": 0,
            "lastUpdated": 1704906277470, "lastSalePrice": 15.7, "lastSaleSize": 100,
            "lastSaleTime": 1704906270000, "volume": 5000,
        }
    ).encode()  # fmt: skip
    [quote], _ = parse_event(data, "tops", {"IVZ": "IVZ"}, NOW, scrambled=False)

    assert (quote.bid, quote.ask, quote.volume) == (Decimal("15.67"), None, None)
    assert (quote.additional_data or {})["iex_volume"] == 5000
    assert quote.is_real_time


def test_a_record_without_a_symbol_is_of_the_only_one_that_was_asked_for() -> None:
    data = b'[{"price": 5, "time": 1704906277470}]'
    [quote], _ = parse_event(data, "last", {"ACME": "ACME"}, NOW, scrambled=False)
    assert quote.symbol == "ACME"
    assert parse_event(data, "last", {"A": "A", "B": "B"}, NOW, scrambled=False) == ([], 1)


def test_recorded_events_are_read(recorded: Path) -> None:
    sse = recorded / "sse"
    [last] = split((sse / "last_MYL_2019.txt").read_bytes() + b"\n\n")[:1]
    assert parse_event(last, "last", {"MYL": "MYL"}, NOW, scrambled=False)[0][0].last_size == 482
    [stock] = split((sse / "stocksUS_SPY_2024.txt").read_bytes() + b"\n\n")[:1]
    [spy], _ = parse_event(stock, "stocksUS", {"SPY": "SPY"}, NOW, scrambled=False)
    assert spy.current_price == Decimal("474.77")
    assert spy.high_price == Decimal("475.34")
    pieces = json.loads((sse / "last_split_chunks_2019.json").read_bytes())
    assert len(split(*(piece.encode() for piece in pieces))) == 1
    for cut in split((sse / "tops_cut_2019.txt").read_bytes() + b"\n\n"):
        with pytest.raises(ProviderUnavailable):
            parse_event(cut, "tops", {"XLB": "XLB", "IVZ": "IVZ"}, NOW, scrambled=False)


NAMES = [f"S{number}" for number in range(400)]
SETS = st.sets(st.sampled_from(NAMES), max_size=300)


@given(st.lists(SETS, min_size=1, max_size=6))
def test_after_its_steps_the_requests_name_what_is_wanted_once_and_are_few(
    wishes: list[set[str]],
) -> None:
    lines: list[frozenset[str]] = []
    for wish in map(frozenset, wishes):
        after: list[frozenset[str] | None] = list(lines)
        for change in rearrange(lines, wish):
            if change.line is None:
                after.append(change.symbols)
            else:
                after[change.line] = change.symbols or None
        lines = [line for line in after if line]
        named = [symbol for line in lines for symbol in line]

        assert sorted(named) == sorted(wish)
        assert all(len(line) <= MOST_SYMBOLS for line in lines)
        assert len(lines) <= 2 * -(-len(wish) // MOST_SYMBOLS)


def test_a_new_symbol_goes_where_there_is_room_and_leaves_other_requests_alone() -> None:
    full = frozenset(NAMES[:50])
    half = frozenset(NAMES[50:60])
    [change] = rearrange([full, half], full | half | {"NEW"})
    assert (change.line, change.symbols) == (1, half | {"NEW"})


def test_recorded_answers_of_tops_and_last_are_read_like_events(recorded: Path) -> None:
    folder, then = recorded / "iextrading4j", datetime(2017, 11, 17, 18, 35, tzinfo=UTC)
    names = {"AAPL": "AAPL"}
    tops = (folder / "marketdata_TopsResponse.json").read_bytes()
    last = (folder / "marketdata_LastResponse.json").read_bytes()
    [book], _ = parse_event(tops, "tops", names, then, scrambled=False)
    [trade], _ = parse_event(last, "last", names, then, scrambled=False)

    assert (book.current_price, book.last_size) == (Decimal("170.435"), 60)
    assert (book.bid, book.bid_size, book.ask) == (Decimal("166.18"), 100, 172)
    assert book.timestamp == datetime(2017, 11, 17, 18, 32, 23, 270_000, tzinfo=UTC)
    assert book.is_real_time
    assert (trade.current_price, trade.last_size) == (Decimal("170.435"), 60)
