"""Days before the first and after the last bar of a provider, which others may have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from historyroom import TODAY, Vendor, ask, encoded, opened
from tickloom.clock import FakeClock
from tickloom.errors import CredentialsError, NoData, ProviderUnavailable, TickloomError
from tickloom.history import Histories
from tickloom.model import HistoricalData, Interval, Split
from tickloom.roles import HistoryRequest

if TYPE_CHECKING:
    from databases import Database

EVER = (date(1900, 1, 1), TODAY)


class Market:
    """Vendors that are asked one after the other; each has bars of some days only."""

    def __init__(self, **spans: tuple[date, date]) -> None:
        self.spans = spans
        self.vendors = {name: Vendor() for name in spans}
        for name, vendor in self.vendors.items():
            vendor.fields = {"provider": name}
        self.calls: list[tuple[str, date, date]] = []

    async def __call__(self, request: HistoryRequest) -> HistoricalData:
        names = list(self.vendors) if request.provider is None else [request.provider]
        failure: TickloomError | None = None
        for name in names:
            self.calls.append((name, request.start, request.end))
            try:
                return await self._ask(name, request)
            except TickloomError as error:
                failure = error
        assert failure is not None
        raise failure

    async def _ask(self, name: str, request: HistoryRequest) -> HistoricalData:
        first, last = self.spans[name]
        vendor = self.vendors[name]
        if vendor.failure is None and (request.end < first or last < request.start):
            raise NoData(f"{name} has nothing")
        part = replace(request, start=max(request.start, first), end=min(request.end, last))
        answer = await vendor(part)
        return replace(answer, start_date=request.start, end_date=request.end)

    def unplug(self) -> None:
        for vendor in self.vendors.values():
            vendor.failure = ProviderUnavailable("unplugged")


@pytest.fixture
def market() -> Market:
    return Market(young=(date(2026, 1, 5), date(2026, 6, 30)), old=EVER)


@pytest.fixture
async def histories(
    database: Database, market: Market, noon: FakeClock
) -> AsyncIterator[Histories]:
    async with opened(database, market, noon, able=list(market.vendors)) as histories:
        yield histories


def days_of(answer: HistoricalData) -> tuple[date, date, int]:
    bars = answer.data_points
    return bars[0].timestamp.date(), bars[-1].timestamp.date(), len(bars)


def sources_of(answer: HistoricalData) -> list[tuple[str, date, date]]:
    return [(one.provider, one.first_day, one.last_day) for one in answer.sources]


@pytest.mark.parametrize("interval", [Interval.DAY, Interval.WEEK])
async def test_days_that_the_first_provider_lacks_come_from_the_next(
    histories: Histories, market: Market, interval: Interval
) -> None:
    request = ask(date(2025, 12, 1), date(2026, 7, 31), interval)

    first = await histories.history(request)
    market.unplug()
    again = await histories.history(request)

    assert days_of(first)[:2] == (
        date(2025, 12, 1),
        date(2026, 7, 31) if interval is Interval.DAY else date(2026, 7, 27),
    )
    assert [one.provider for one in first.sources] == ["old", "young", "old"]
    assert first.incomplete_reason is None
    assert sources_of(again) == sources_of(first)
    assert encoded(again) == encoded(first)


async def test_what_was_asked_before_makes_no_difference(
    histories: Histories, market: Market
) -> None:
    await histories.history(ask(date(2025, 12, 1), date(2026, 1, 31)))

    december = await histories.history(ask(date(2025, 12, 1), date(2025, 12, 31)))

    assert (december.provider, len(december.data_points)) == ("old", 23)


async def test_minutes_after_the_last_bar_come_from_the_next(
    histories: Histories, market: Market
) -> None:
    request = ask(date(2026, 6, 29), date(2026, 7, 2), Interval.HOUR)

    whole = await histories.history(request)

    assert sources_of(whole) == [
        ("young", date(2026, 6, 29), date(2026, 6, 30)),
        ("old", date(2026, 7, 1), date(2026, 7, 2)),
    ]


async def test_days_before_a_listing_are_asked_for_once(
    histories: Histories, market: Market
) -> None:
    market.spans["old"] = market.spans["young"] = (date(2026, 1, 5), TODAY)
    request = ask(date(2020, 1, 1), date(2026, 1, 30))

    first = await histories.history(request)
    assert market.calls == [
        ("young", date(2020, 1, 1), date(2026, 1, 30)),
        ("old", date(2020, 1, 2), date(2026, 1, 2)),
    ]
    market.unplug()

    assert encoded(await histories.history(request)) == encoded(first)
    assert len(market.calls) == 2
    assert sources_of(first) == [("young", date(2020, 1, 1), date(2026, 1, 30))]


async def test_what_nobody_can_tell_now_is_said_and_no_reason_to_withhold_the_rest(
    histories: Histories, market: Market
) -> None:
    away = ProviderUnavailable("old is away")
    market.vendors["old"].failure = away
    request = ask(date(2025, 12, 1), date(2026, 1, 30))

    first = await histories.history(request)
    again = await histories.history(request)

    assert first.incomplete_reason == "nothing from 2025-12-01 to 2026-01-02: old is away"
    assert again == first
    assert sources_of(first) == [("young", date(2026, 1, 3), date(2026, 1, 30))]

    market.vendors["old"].failure = None
    whole = await histories.history(request)
    assert (days_of(whole)[0], whole.incomplete_reason) == (date(2025, 12, 1), None)


async def test_a_fallback_without_a_good_key_withholds_nothing(
    histories: Histories, market: Market
) -> None:
    market.vendors["old"].failure = CredentialsError("old refuses the key")
    request = ask(date(2025, 12, 1), date(2026, 1, 30))

    for _ in range(2):
        answer = await histories.history(request)
        assert len(answer.data_points) == 20
        assert answer.incomplete_reason is not None
        assert "refuses the key" in answer.incomplete_reason


async def test_days_in_another_currency_are_told_and_count_as_those_of_their_provider(
    histories: Histories, market: Market
) -> None:
    market.vendors["old"].fields["currency"] = "GBP"
    request = ask(date(2026, 6, 1), date(2026, 7, 31))

    for _ in range(2):
        both = await histories.history(request)
        assert sources_of(both) == [("young", date(2026, 6, 1), date(2026, 6, 30))]
        assert both.incomplete_reason == (
            "nothing from 2026-07-01 to 2026-07-31: provider old has prices in GBP, and not in USD"
        )
    market.unplug()
    july = await histories.history(ask(date(2026, 7, 1), date(2026, 7, 31)))
    assert (july.provider, july.currency, len(july.data_points)) == ("old", "GBP", 23)


async def test_splits_are_told_by_whoever_gave_the_days(
    histories: Histories, market: Market
) -> None:
    def split(day: date, ratio: int) -> dict[str, Any]:
        return {"splits": (Split(day=day, ratio=Decimal(ratio)),)}

    market.vendors["young"].fields |= split(date(2025, 12, 5), 3)
    market.vendors["old"].fields |= split(date(2025, 12, 5), 2)
    request = ask(date(2025, 12, 1), date(2026, 1, 30))

    first = await histories.history(request)
    market.unplug()

    assert [one.ratio for one in first.splits] == [Decimal(2)]
    assert encoded(await histories.history(request)) == encoded(first)


async def test_what_one_provider_lacks_counts_only_for_those_who_want_it_alone(
    histories: Histories, market: Market
) -> None:
    request = ask(date(2025, 12, 1), date(2026, 1, 30))
    named = replace(request, provider="young")

    first = await histories.history(named)
    assert len(market.calls) == 1
    december = await histories.history(ask(date(2025, 12, 1), date(2025, 12, 31)))
    assert december.provider == "old"

    market.unplug()
    assert encoded(await histories.history(named)) == encoded(first)
