"""Days on which the venue has no session, or that are yet to come."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from historyroom import TODAY, Vendor, ask
from tickloom.clock import FakeClock
from tickloom.errors import NoSession
from tickloom.history import Histories
from tickloom.model import Interval
from tickloom.store import HistoryStore, open_backend

CLOSED = [
    (date(2025, 12, 25), date(2025, 12, 25)),
    (date(2026, 7, 3), date(2026, 7, 5)),
    (date(2025, 12, 27), date(2025, 12, 28)),
]


@pytest.mark.parametrize(("first", "last"), CLOSED)
@pytest.mark.parametrize("interval", [Interval.DAY, Interval.MINUTE])
async def test_days_on_which_the_venue_is_closed_are_asked_of_nobody_stored_or_not(
    histories: Histories, vendor: Vendor, first: date, last: date, interval: Interval
) -> None:
    request = ask(first, last, interval)
    with pytest.raises(NoSession, match=f"the venue of AAPL is closed from {first} to {last}"):
        await histories.history(request)
    assert vendor.asked == []

    await histories.history(ask(first - timedelta(5), last + timedelta(5), interval))
    vendor.asked.clear()
    with pytest.raises(NoSession):
        await histories.history(request)
    assert vendor.asked == []


async def test_days_to_come_are_asked_of_nobody(histories: Histories, vendor: Vendor) -> None:
    tomorrow = TODAY + timedelta(1)
    with pytest.raises(NoSession, match="yet to come"):
        await histories.history(ask(tomorrow, tomorrow + timedelta(5)))
    assert vendor.asked == []

    await histories.history(ask(TODAY - timedelta(7), TODAY))
    vendor.asked.clear()
    await histories.history(ask(TODAY - timedelta(7), tomorrow))
    assert vendor.asked == [(TODAY, TODAY)]


async def test_a_venue_without_a_known_calendar_is_never_closed(
    histories: Histories, vendor: Vendor
) -> None:
    vendor.fields["symbol"] = "SIM.ACME"
    request = replace(ask(date(2026, 7, 3), date(2026, 7, 5)), symbol="SIM.ACME")

    assert (await histories.history(request)).data_points
    assert len(vendor.asked) == 1


async def test_nobody_is_asked_for_closed_days_without_a_database(
    vendor: Vendor, noon: FakeClock
) -> None:
    histories = Histories(HistoryStore(open_backend(""), noon), vendor, noon)

    with pytest.raises(NoSession):
        await histories.history(ask(*CLOSED[0]))
    assert vendor.asked == []
    await histories.aclose()
