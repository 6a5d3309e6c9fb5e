"""Answers in pages, in either order, and in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest

from historyroom import TODAY, Vendor, ask
from tickloom.errors import ProviderUnavailable, RequestError, StoreUnavailable
from tickloom.history import Histories, Order, Page, make_token, read_token
from tickloom.model import Bar, Interval, PriceAdjustment, begin_of
from tickloom.roles import HistoryRequest
from tickloom.store import BarQuery

MOMENT = datetime(2026, 1, 5, 14, 30, 0, 123_456, tzinfo=UTC)
JANUARY = date(2026, 1, 5), date(2026, 1, 16)


async def pages(
    histories: Histories, request: HistoryRequest, limit: int, order: Order = "asc"
) -> list[list[Bar]]:
    found = []
    token = None
    while True:
        answer = await histories.open(request, Page(limit=limit, order=order, after=token))
        assert answer.stored is None
        found.append([bar async for piece in answer.pieces() for bar in piece])
        token = answer.next_page
        if token is None:
            return found


@pytest.mark.parametrize("limit", [1, 7, 10, 11])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_together_are_the_whole(histories: Histories, limit: int, order: Order) -> None:
    request = ask(*JANUARY)
    whole = list((await histories.history(request)).data_points)

    found = await pages(histories, request, limit, order)

    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert 1 <= len(found[-1]) <= limit
    joined = [bar for page in found for bar in page]
    assert joined == (whole if order == "asc" else whole[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("interval", [Interval.MINUTE, Interval.HOUR, Interval.WEEK])
async def test_pages_of_what_is_computed_are_the_whole_too(
    histories: Histories, vendor: Vendor, interval: Interval, order: Order
) -> None:
    days = date(2025, 12, 29), date(2026, 1, 16)
    await histories.history(ask(*days, Interval.MINUTE))
    await histories.history(ask(date(2025, 12, 29), date(2026, 1, 18)))
    vendor.failure = ProviderUnavailable("unplugged")
    request = ask(*days, interval)
    whole = list((await histories.history(request)).data_points)

    found = await pages(histories, request, max(1, len(whole) // 3), order)

    joined = [bar for page in found for bar in page]
    assert joined == (whole if order == "asc" else whole[::-1])


async def test_a_page_of_the_past_does_not_ask_for_today(
    histories: Histories, vendor: Vendor
) -> None:
    request = ask(date(2026, 11, 2), TODAY)
    first = await histories.open(request, Page(limit=5, order="desc"))
    async for _ in first.pieces():
        pass
    vendor.failure = ProviderUnavailable("unplugged")

    later = await histories.open(request, Page(limit=5, order="desc", after=first.next_page))
    bars = [bar async for piece in later.pieces() for bar in piece]
    assert [bar.timestamp.day for bar in bars] == [17, 16, 13, 12, 11]


async def test_stored_bars_are_named_where_nothing_else_is_in_the_answer(
    histories: Histories,
) -> None:
    request = ask(*JANUARY)
    assert (await histories.open(request)).stored is None

    answer = await histories.open(request)

    assert answer.stored is not None
    read = [
        bar
        for query in answer.stored
        async for piece in histories._store.read(query)
        for bar in piece
    ]
    assert read == [bar async for piece in answer.pieces() for bar in piece]
    assert (await histories.open(request, Page(order="desc"))).stored is None
    assert (await histories.open(request, Page(limit=5))).stored is None


async def test_the_rest_of_the_stored_bars_begins_after_the_token(histories: Histories) -> None:
    request = ask(*JANUARY)
    bars = (await histories.history(request)).data_points
    token = make_token(request, "asc", bars[3].timestamp)

    answer = await histories.open(request, Page(after=token))

    assert answer.stored is not None
    [query] = answer.stored
    assert bars[3].timestamp < query.since <= bars[4].timestamp


async def test_an_answer_comes_in_pieces_that_fit_into_memory(histories: Histories) -> None:
    days = date(2026, 1, 5), date(2026, 2, 13)
    await histories.history(ask(*days, Interval.MINUTE))

    for order in ("asc", "desc"):
        answer = await histories.open(ask(*days, Interval.MINUTE), Page(order=order))
        sizes = [len(piece) async for piece in answer.pieces()]
        assert sum(sizes) == 30 * 390
        assert max(sizes) <= 2_000


async def test_an_answer_may_be_read_twice(histories: Histories) -> None:
    answer = await histories.open(ask(*JANUARY), Page(limit=3))
    first = await answer.whole()
    token = answer.next_page

    assert await answer.whole() == first
    assert answer.next_page == token is not None


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_of_nothing_is_refused(histories: Histories, limit: int) -> None:
    with pytest.raises(RequestError, match="at least one bar"):
        await histories.open(ask(*JANUARY), Page(limit=limit))


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_token_leads_back_to_its_time(order: Order) -> None:
    token = make_token(ask(*JANUARY), order, MOMENT)

    assert read_token(token, ask(date(2026, 1, 1), TODAY), order) == MOMENT
    assert token.isascii()
    assert not set(token) & set("+/=?&")


@pytest.mark.parametrize(
    ("request_", "order"),
    [
        (HistoryRequest(symbol="MSFT", start=JANUARY[0], end=JANUARY[1]), "asc"),
        (ask(*JANUARY, Interval.HOUR), "asc"),
        (ask(*JANUARY, adjustment=PriceAdjustment.ALL), "asc"),
        (ask(*JANUARY), "desc"),
    ],
)
def test_a_token_of_another_question_is_refused(request_: HistoryRequest, order: Order) -> None:
    token = make_token(ask(*JANUARY), "asc", MOMENT)

    with pytest.raises(RequestError, match="belongs to another question"):
        read_token(token, request_, order)


@pytest.mark.parametrize("change", ["{}==", "{}=", "!~ {}", "{}\n", "-_{}"])
def test_a_token_that_was_changed_is_refused(change: str) -> None:
    token = change.format(make_token(ask(*JANUARY), "asc", MOMENT))

    with pytest.raises(RequestError, match="cannot be read"):
        read_token(token, ask(*JANUARY), "asc")


def test_a_token_with_other_bits_behind_its_end_is_refused() -> None:
    token = make_token(ask(*JANUARY), "asc", MOMENT)
    last = chr(ord(token[-1]) + 1)

    with pytest.raises(RequestError, match="cannot be read"):
        read_token(token[:-1] + last, ask(*JANUARY), "asc")


@pytest.mark.parametrize("token", ["", "x", "é", "AAAA", "A" * 100, "B" * 23, "!" * 23])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(RequestError, match="the page token cannot be read"):
        read_token(token, ask(*JANUARY), "asc")


async def test_ten_newest_bars_do_not_take_a_whole_day(
    histories: Histories, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = date(2026, 1, 6)
    await histories.history(ask(day, day, Interval.SECOND))
    store, read = histories._store, 0
    given = store.read

    async def counted(query: BarQuery) -> AsyncIterator[list[Bar]]:
        nonlocal read
        async for piece in given(query):
            read += len(piece)
            yield piece

    monkeypatch.setattr(store, "read", counted)
    answer = await histories.open(ask(day, day, Interval.SECOND), Page(limit=10, order="desc"))
    newest = [bar.timestamp async for piece in answer.pieces() for bar in piece]

    closing = begin_of("AAPL", day) + timedelta(hours=16)
    assert newest == [closing - timedelta(seconds=n) for n in range(1, 11)]
    # The bars of the session; the evening after it is passed over in steps that grow.
    assert 11 <= read < 23_400 / 3


@pytest.mark.parametrize("limit", [2_925, 5_000, 11_700])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_where_a_long_page_ends_is_known_before_its_bars_are_read(
    histories: Histories, vendor: Vendor, order: Order, limit: int
) -> None:
    await histories.history(ask(date(2026, 1, 5), date(2026, 1, 23), Interval.MINUTE))
    vendor.fields = {"provider": "other"}
    request = ask(date(2026, 1, 5), date(2026, 2, 14), Interval.MINUTE)
    whole = (await histories.history(request)).data_points
    bars: list[Bar] = []
    token = None
    for _ in range(-(-len(whole) // limit)):
        page = Page(limit=limit, order=order, after=token)
        answer = await histories.open(request, page)
        assert answer.is_measured
        token = answer.next_page
        bars += (await answer.whole()).data_points
        assert answer.next_page == token
        if answer.stored is not None:
            read = [
                one
                for query in answer.stored
                async for piece in histories._store.read(query)
                for one in piece
            ]
            assert read == bars[-len(read) :]
        assert (answer.stored is None) == (order == "desc")

    assert token is None
    assert tuple(bars) == (whole if order == "asc" else whole[::-1])


async def test_a_database_that_goes_away_before_a_page_is_measured_costs_no_answer(
    histories: Histories, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(*JANUARY, Interval.MINUTE)
    first = await histories.history(request)

    async def away(_query: BarQuery, _most: int, **_: bool) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(histories._store, "reach", away)
    answer = await histories.open(request, Page(limit=4_000))

    assert (await answer.whole()).data_points == first.data_points
    assert len(vendor.asked) == 2
