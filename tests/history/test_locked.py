"""An answer does not wait for a database in which somebody else holds a lock."""

from __future__ import annotations

import asyncio
from datetime import date

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from databases import Postgres
from historyroom import Vendor, ask, opened
from tickloom.clock import FakeClock
from tickloom.store import postgres_bars


@pytest.mark.parametrize("year", [2026, 2025], ids=["known partition", "new partition"])
async def test_an_answer_that_cannot_be_stored_for_a_lock_is_given_told_and_counted(
    postgres: Postgres,
    vendor: Vendor,
    noon: FakeClock,
    warnings_told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    year: int,
) -> None:
    monkeypatch.setattr(postgres_bars, "WRITE_PATIENCE_S", 0.2)
    async with postgres() as database, opened(database, vendor, noon) as histories:
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
        other = await asyncpg.connect(database.direct)
        async with other.transaction():
            await other.execute("LOCK TABLE bars IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(8):
                answer = await histories.history(ask(date(year, 2, 3), date(year, 2, 6)))
        await other.close()

        assert len(answer.data_points) == 4
        assert histories.stats()["failures"] == 1
        assert "lock timeout" in warnings_told[-1]
        # Nothing of it is stored, and the database is left alone for a while.
        assert histories.stats()["bars"]["stored"] == 5
        await histories.history(ask(date(2026, 1, 5), date(2026, 1, 9)))
        assert len(vendor.asked) == 3
