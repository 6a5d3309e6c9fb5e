"""Questions that come while the same one waits for its answer."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from historyroom import Vendor, ask, encoded, opened
from tickloom.clock import FakeClock
from tickloom.errors import ProviderUnavailable
from tickloom.history import Histories, Page
from tickloom.model import HistoricalData, Interval, PriceAdjustment
from tickloom.roles import HistoryRequest

if TYPE_CHECKING:
    from databases import Database, Settled

WEEK = ask(date(2026, 1, 5), date(2026, 1, 9))


class Gated(Vendor):
    """Answers once its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def __call__(self, request: HistoryRequest) -> HistoricalData:
        answer = asyncio.ensure_future(super().__call__(request))
        await asyncio.wait([answer])
        await self.gate.wait()
        return await answer

    async def was_asked(self, times: int = 1) -> None:
        while len(self.asked) < times:
            await asyncio.sleep(0.001)


@pytest.fixture
def vendor() -> Gated:
    return Gated()


async def settle() -> None:
    """Let everybody go as far as he can; the database may take a moment."""
    for _ in range(50):
        await asyncio.sleep(0.001)


async def test_the_same_question_at_once_is_asked_once(histories: Histories, vendor: Gated) -> None:
    asking = [asyncio.create_task(histories.history(WEEK)) for _ in range(5)]
    await vendor.was_asked()
    asking += [asyncio.create_task(histories.history(WEEK)) for _ in range(5)]
    await settle()
    vendor.gate.set()
    answers = await asyncio.gather(*asking)

    assert len(vendor.asked) == 1
    assert len({encoded(answer) for answer in answers}) == 1
    assert histories.stats()["from_providers"] == 10


async def test_pages_and_orders_of_the_same_days_are_the_same_question(
    histories: Histories, vendor: Gated
) -> None:
    pages = [Page(limit=2), Page(limit=3, order="desc"), Page()]
    asking = [asyncio.create_task(histories.open(WEEK, page)) for page in pages]
    await settle()
    vendor.gate.set()

    parts = [await (await one).whole() for one in asking]
    assert len(vendor.asked) == 1
    assert [len(part.data_points) for part in parts] == [2, 3, 5]


@pytest.mark.parametrize(
    "other",
    [
        replace(WEEK, symbol="MSFT"),
        replace(WEEK, interval=Interval.MINUTE),
        replace(WEEK, adjustment=PriceAdjustment.ALL),
        replace(WEEK, end=date(2026, 1, 8)),
        replace(WEEK, provider="scripted"),
    ],
    ids=["symbol", "interval", "adjustment", "days", "provider"],
)
async def test_another_question_is_asked_by_itself(
    histories: Histories, vendor: Gated, other: HistoryRequest
) -> None:
    asking = [asyncio.create_task(histories.open(one)) for one in (WEEK, other)]
    await vendor.was_asked(2)
    vendor.gate.set()
    await asyncio.gather(*asking)

    assert len(vendor.asked) == 2


async def test_who_gives_up_does_not_take_the_answer_from_the_others(
    histories: Histories, vendor: Gated
) -> None:
    first = asyncio.create_task(histories.history(WEEK))
    await vendor.was_asked()
    second = asyncio.create_task(histories.history(WEEK))
    await settle()
    first.cancel()
    await settle()
    vendor.gate.set()

    assert len((await second).data_points) == 5
    assert first.cancelled()
    assert len(vendor.asked) == 1


async def test_an_error_is_told_to_all_who_asked_and_to_nobody_later(
    histories: Histories, vendor: Gated
) -> None:
    vendor.failure = ProviderUnavailable("unplugged")
    asking = [asyncio.create_task(histories.history(WEEK)) for _ in range(3)]
    await settle()
    vendor.gate.set()
    told = await asyncio.gather(*asking, return_exceptions=True)
    vendor.failure = None

    assert [str(error) for error in told] == ["unplugged"] * 3
    assert len(vendor.asked) == 1
    assert len((await histories.history(WEEK)).data_points) == 5


async def test_nothing_is_left_of_a_question_that_nobody_waits_for_any_more(
    database: Database, noon: FakeClock, vendor: Gated, nothing_is_left: Settled
) -> None:
    async with opened(database, vendor, noon) as histories:
        asking = asyncio.create_task(histories.history(WEEK))
        await vendor.was_asked()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert histories.stats()["from_providers"] == 0

    await nothing_is_left()
