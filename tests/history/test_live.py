"""Questions for the bars of one provider, and for those that were built from the stream."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from barsamples import RECEIVED
from historyroom import TODAY, Vendor, ask, encoded, opened
from tickloom.clock import FakeClock
from tickloom.errors import (
    NoData,
    NotSupported,
    ProviderUnavailable,
    RequestError,
    StoreUnavailable,
    UnknownProvider,
)
from tickloom.history import Histories, Page
from tickloom.model import Interval, PriceAdjustment, Timeliness, begin_of
from tickloom.roles import HistoryRequest
from tickloom.store import HistoryStore, open_backend
from tickloom.store.journal_records import KeptBar
from tickloom.store.livebars import batches_of

if TYPE_CHECKING:
    from databases import Database

MONDAY = date(2026, 11, 23)
OPENING = begin_of("AAPL", MONDAY) + timedelta(hours=9, minutes=30)
DAYS = MONDAY, TODAY


def live(
    first: date = MONDAY,
    last: date = TODAY,
    interval: Interval = Interval.MINUTE,
    adjustment: PriceAdjustment = PriceAdjustment.NONE,
    provider: str | None = "live",
) -> HistoryRequest:
    return HistoryRequest(
        symbol="AAPL",
        start=first,
        end=last,
        interval=interval,
        adjustment=adjustment,
        provider=provider,
    )


def built(begin: datetime, price: str = "10.5", currency: str = "USD") -> KeptBar:
    value = Decimal(price)
    return KeptBar(
        symbol="AAPL",
        interval="1m",
        timestamp=begin,
        open=value,
        high=value,
        low=value,
        close=value,
        volume=100,
        currency=currency,
    )


async def keep(histories: Histories, *bars: KeptBar) -> None:
    await histories._store.keep(batches_of(bars, RECEIVED))


@pytest.fixture
def bars() -> list[KeptBar]:
    """Minutes of yesterday and today, with a hole."""
    return [built(OPENING + timedelta(days=d, minutes=n)) for d in (0, 1) for n in (0, 1, 5)]


async def test_stored_bars_of_the_stream_are_answered_and_no_provider_is_asked(
    histories: Histories, vendor: Vendor, bars: list[KeptBar]
) -> None:
    await keep(histories, *bars)

    first = await histories.history(live())
    second = await histories.history(live())

    assert [one.timestamp for one in first.data_points] == [one.timestamp for one in bars]
    assert encoded(second) == encoded(first)
    assert vendor.asked == []
    assert histories.stats()["from_store"] == 2


async def test_the_head_says_that_there_may_be_gaps_and_claims_nothing_to_be_real_time(
    histories: Histories, bars: list[KeptBar]
) -> None:
    await keep(histories, *bars)

    head = await histories.history(live(date(2026, 11, 1), TODAY))

    assert (head.provider, head.timeliness, head.currency) == ("live", Timeliness.DELAYED, "USD")
    assert head.received_at == RECEIVED
    assert "missing" in (head.incomplete_reason or "")
    [source] = head.sources
    assert (source.provider, source.first_day, source.last_day) == ("live", MONDAY, TODAY)


async def test_without_the_name_bars_of_the_stream_change_nothing(
    histories: Histories, vendor: Vendor, bars: list[KeptBar]
) -> None:
    await keep(histories, *bars)

    answer = await histories.history(ask(MONDAY, MONDAY, Interval.MINUTE))

    assert (answer.provider, len(answer.data_points)) == ("scripted", 390)
    assert vendor.asked == [(MONDAY, MONDAY)]
    assert answer.incomplete_reason is None


async def test_bars_of_the_stream_come_in_pages(histories: Histories, bars: list[KeptBar]) -> None:
    await keep(histories, *bars)
    answer = await histories.open(live(), Page(limit=4, order="desc"))
    first = await answer.whole()
    rest = await histories.open(live(), Page(limit=4, order="desc", after=answer.next_page))
    second = await rest.whole()

    times = [one.timestamp for page in (first, second) for one in page.data_points]
    assert times == [one.timestamp for one in reversed(bars)]
    with pytest.raises(RequestError, match="another question"):
        await histories.open(
            ask(*DAYS, Interval.MINUTE), Page(order="desc", after=answer.next_page)
        )


async def test_bars_of_the_stream_that_are_not_there_are_no_data(histories: Histories) -> None:
    with pytest.raises(NoData, match=r"database\.live_bars"):
        await histories.history(live())


async def test_bars_of_the_stream_are_not_adjusted(
    histories: Histories, vendor: Vendor, bars: list[KeptBar]
) -> None:
    await keep(histories, *bars)

    with pytest.raises(NotSupported, match="not adjusted"):
        await histories.history(live(adjustment=PriceAdjustment.SPLITS))
    assert vendor.asked == []


async def test_bars_of_the_stream_in_two_currencies_are_never_joined(
    histories: Histories,
) -> None:
    await keep(histories, built(OPENING), built(OPENING + timedelta(days=1), "1050", "GBp"))

    with pytest.raises(NoData, match="USD, GBp"):
        await histories.history(live())
    assert len((await histories.history(live(TODAY, TODAY))).data_points) == 1


async def test_nobody_else_has_them_while_the_database_is_away(
    histories: Histories, bars: list[KeptBar], database: Database, noon: FakeClock
) -> None:
    await keep(histories, *bars)
    await database.execute("ALTER TABLE bars RENAME TO elsewhere")
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as caught:
            await histories.history(live())
        await noon.advance(4)
    assert caught.value.retry_after_s is not None
    assert histories.stats()["failures"] == 1

    await database.execute("ALTER TABLE elsewhere RENAME TO bars")
    # To ask meanwhile does not make the pause longer.
    await noon.advance(4)
    assert len((await histories.history(live())).data_points) == len(bars)


async def test_without_a_database_there_are_none(vendor: Vendor, noon: FakeClock) -> None:
    histories = Histories(HistoryStore(open_backend(""), noon), vendor, noon)
    with pytest.raises(NotSupported, match=r"database\.url"):
        await histories.history(live())
    await histories.aclose()


async def test_only_what_the_named_provider_gave_counts_as_stored(
    histories: Histories, vendor: Vendor
) -> None:
    week = date(2026, 1, 5), date(2026, 1, 9)
    await histories.history(ask(*week))
    vendor.fields, vendor.price = {"provider": "other"}, "11"

    named = live(*week, interval=Interval.DAY, provider="other")
    first = await histories.history(named)
    vendor.failure = ProviderUnavailable("unplugged")

    assert (first.provider, str(first.data_points[0].close_price)) == ("other", "11")
    assert vendor.requests[-1].provider == "other"
    assert encoded(await histories.history(named)) == encoded(first)
    scripted = await histories.history(live(*week, interval=Interval.DAY, provider="scripted"))
    assert str(scripted.data_points[0].close_price) == "10.5"


async def test_what_a_provider_gave_is_answered_after_its_plugin_is_gone(
    database: Database, vendor: Vendor, noon: FakeClock
) -> None:
    request = live(date(2026, 11, 2), TODAY, Interval.DAY, provider="scripted")
    async with opened(database, vendor, noon) as histories:
        whole = await histories.history(request)
    vendor.failure = UnknownProvider("no provider of this name runs")

    async with opened(database, vendor, noon) as histories:
        left = await histories.history(request)
        with pytest.raises(UnknownProvider):
            await histories.history(live(provider="nobody"))

    assert left.data_points == whole.data_points[:-1]
    assert "no provider of this name runs" in (left.incomplete_reason or "")
