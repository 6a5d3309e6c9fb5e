from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from barsamples import RECEIVED
from historyroom import Vendor, opened
from tickloom.clock import FakeClock
from tickloom.history import Histories

if TYPE_CHECKING:
    from databases import Database


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def noon() -> FakeClock:
    return FakeClock(RECEIVED + timedelta(hours=5))


@pytest.fixture
async def histories(
    database: Database, vendor: Vendor, noon: FakeClock
) -> AsyncIterator[Histories]:
    async with opened(database, vendor, noon, "scripted") as histories:
        yield histories
