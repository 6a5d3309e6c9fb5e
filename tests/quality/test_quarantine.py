"""What the checks keep back is kept, and goes on where somebody lets it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from databases import Database, Settled
from quality.keeping import keeping
from scripted import EVERYTHING, NOON, ScriptedProvider, make_quote
from tickloom.clock import FakeClock
from tickloom.errors import (
    BadRecord,
    NotFound,
    NotSupported,
    RequestError,
    StoreUnavailable,
)
from tickloom.manager import MarketDataManager
from tickloom.model import (
    Bar,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Quality,
    Timeliness,
)
from tickloom.quality import page_of
from tickloom.roles import HistoryRequest, Verdict
from tickloom.store import BarQuery, open_backend
from tickloom.store.quality_rows import Held

DAYS = (date(2025, 12, 29), date(2025, 12, 31))


class Historic(ScriptedProvider):
    """Answers with a bar a day, and one of them too dear."""

    closes = ("50", "189.41", "5")

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        answer = await super().get_history(request)
        bars = [
            Bar(
                timestamp=NOON.replace(month=12, day=29 + number, year=2025),
                **dict.fromkeys(
                    ("open_price", "high_price", "low_price", "close_price"), Decimal(price)
                ),
            )
            for number, price in enumerate(self.closes)
        ]
        return replace(answer, data_points=tuple(bars))


@pytest.fixture
def provider() -> ScriptedProvider:
    return Historic("scripted", **EVERYTHING)


@pytest.fixture
async def manager(
    database: Database, nothing_is_left: Settled, provider: ScriptedProvider, clock: FakeClock
) -> AsyncIterator[MarketDataManager]:
    manager = keeping(database.url, provider, clock=clock)
    async with manager:
        yield manager
    await nothing_is_left()


async def rows_of(manager: MarketDataManager, **filters: Any) -> list[Held]:
    return (await manager.quality.quarantine.held(page_of(100, **filters))).rows


async def kept_back(manager: MarketDataManager, **fields: Any) -> Held:
    assert manager.pipeline.accept(make_quote(**fields)) is None
    [row] = await rows_of(manager)
    return row


async def stored(manager: MarketDataManager, database: Database) -> list[dict[str, Any]]:
    await manager.writer.flush()
    return await database.rows()


async def test_a_quote_that_is_kept_back_is_in_quarantine_as_it_came(
    manager: MarketDataManager, database: Database
) -> None:
    row = await kept_back(manager, additional_data={"note": "x"})
    assert row.quote == make_quote(additional_data={"note": "x"})
    assert (row.code, row.reason, row.state) == ("too-dear", "189.41 is too much", "held")
    assert row.found == {"price": Decimal("189.41")}
    assert await stored(manager, database) == []


async def test_a_released_quote_is_the_newest_flagged_and_stored(
    manager: MarketDataManager, database: Database
) -> None:
    row = await kept_back(manager)
    released = await manager.quality.quarantine.release(row.id, "me")
    newest = manager.cache_manager.quotes.latest("AAPL")

    assert (released.state, released.decided_by) == ("released", "me")
    assert newest is not None
    assert (newest.quality, newest.quality_codes) == (Quality.FLAGGED, ("released",))
    assert newest.sequence == 1
    [found] = await stored(manager, database)
    assert found["quality_codes"] == ["released"]
    assert found["timestamp"] == NOON


async def test_a_released_quote_older_than_the_newest_is_stored_and_not_shown(
    manager: MarketDataManager, database: Database
) -> None:
    row = await kept_back(manager)
    newer = manager.pipeline.accept(make_quote(price="50", timestamp=NOON + timedelta(seconds=1)))
    await manager.quality.quarantine.release(row.id, "me")

    assert manager.cache_manager.quotes.latest("AAPL") is newer
    first, second = await stored(manager, database)
    assert (first["current_price"], first["sequence"]) == (Decimal("189.41"), 0)
    assert second["current_price"] == Decimal(50)


async def test_a_row_that_many_release_at_once_goes_on_once(manager: MarketDataManager) -> None:
    row = await kept_back(manager)
    found = await asyncio.gather(
        *(manager.quality.quarantine.release(row.id, "me") for _ in range(5))
    )
    assert {one.state for one in found} == {"released"}
    assert manager.pipeline.accepted == 1


async def test_a_row_that_was_dropped_is_not_released(manager: MarketDataManager) -> None:
    row = await kept_back(manager)
    await manager.quality.quarantine.drop(row.id, "me")
    with pytest.raises(RequestError, match="was dropped before"):
        await manager.quality.quarantine.release(row.id, "me")
    assert manager.pipeline.accepted == 0
    assert [one.state for one in await rows_of(manager, state="dropped")] == ["dropped"]


async def test_a_row_that_cannot_be_read_any_more_is_refused_and_was_never_released(
    manager: MarketDataManager, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await kept_back(manager)
    await database.execute("UPDATE quarantine SET payload = '{}'")
    decided: list[object] = []
    decide = manager.quality.quarantine._store.decide

    async def note(*args: Any) -> Held | None:
        decided.append(args)
        return await decide(*args)

    monkeypatch.setattr(manager.quality.quarantine._store, "decide", note)
    with pytest.raises(BadRecord, match="cannot be read any more"):
        await manager.quality.quarantine.release(row.id, "me")
    assert decided == []
    dropped = await manager.quality.quarantine.drop(row.id, "me")
    assert dropped.state == "dropped"


async def test_a_release_that_fails_leaves_the_row_held(
    manager: MarketDataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await kept_back(manager)

    def fail(_: object, **__: object) -> None:
        raise BadRecord("no")

    monkeypatch.setattr(manager.quality.quarantine, "_readmit", fail)
    with pytest.raises(BadRecord):
        await manager.quality.quarantine.release(row.id, "me")
    assert [one.state for one in await rows_of(manager)] == ["held"]


async def test_a_quote_that_the_database_refused_is_kept_and_only_stored_when_released(
    manager: MarketDataManager, database: Database
) -> None:
    manager.pipeline.accept(make_quote(price="50", exchange="a\0b"))
    manager.pipeline.accept(make_quote("MSFT", price="50"))
    assert [row["symbol"] for row in await stored(manager, database)] == ["MSFT"]
    [row] = await rows_of(manager, code="not-storable")
    assert row.quote == make_quote(price="50", exchange="a\0b", sequence=1)
    assert "NUL" in row.reason
    [event] = (await manager.quality.quarantine.events(page_of(10, kind="store"))).rows
    assert event.code == "not-storable"
    await manager.quality.quarantine.release(row.id, "me")
    await manager.writer.flush()
    assert manager.pipeline.accepted == 2


@pytest.mark.parametrize(
    ("identity", "error"),
    [("nonsense", RequestError), ("5d0c7a52-6f0e-4b1e-9d3a-0f3c1b2a9e11", NotFound)],
)
async def test_a_row_that_is_not_there_cannot_be_released(
    manager: MarketDataManager, identity: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await manager.quality.quarantine.release(identity, "me")


async def test_flagged_quotes_are_events_counted_by_the_minute(
    manager: MarketDataManager, clock: FakeClock
) -> None:
    for second in range(3):
        at = NOON + timedelta(seconds=second)
        manager.pipeline.accept(make_quote(price="5", timestamp=at))
    await clock.advance(60)
    manager.pipeline.accept(make_quote(price="5"))
    events = (await manager.quality.quarantine.events(page_of(10))).rows

    assert [event.times for event in events] == [1, 3]
    assert (events[1].code, events[1].kind, events[1].timestamp) == ("cheap", "quote", NOON)
    assert events[1].found == {"current_price": Decimal(5)}


async def test_a_bar_that_can_be_none_is_neither_served_nor_stored(
    manager: MarketDataManager,
) -> None:
    for _ in range(2):
        history = await manager.get_historical_data("AAPL", *DAYS)
        assert [bar.close_price for bar in history.data_points] == [50, 5]
        await manager.cache_manager.invalidate("AAPL")
    [row] = await rows_of(manager)
    assert (row.code, row.interval, row.timestamp.day) == ("bar-dear", "1d", 30)
    events = (await manager.quality.quarantine.events(page_of(10, kind="series"))).rows
    assert {event.code: event.times for event in events} == {"bar-dear": 1, "bar-cheap": 1}


async def test_a_released_bar_is_in_the_next_answer(
    manager: MarketDataManager, provider: ScriptedProvider
) -> None:
    await manager.get_historical_data("AAPL", *DAYS)
    [row] = await rows_of(manager)
    await manager.quality.quarantine.release(row.id, "me")
    await manager.cache_manager.invalidate("AAPL")
    history = await manager.get_historical_data("AAPL", *DAYS)

    assert [bar.close_price for bar in history.data_points] == [50, Decimal("189.41"), 5]
    assert provider.calls == [("history", "AAPL")]


async def test_a_release_that_was_cut_off_can_be_asked_for_again(
    manager: MarketDataManager, database: Database
) -> None:
    await manager.get_historical_data("AAPL", *DAYS)
    [row] = await rows_of(manager)
    await manager.quality.quarantine.release(row.id, "me")
    await database.execute("DELETE FROM bars WHERE timestamp = (SELECT timestamp FROM quarantine)")
    await manager.quality.quarantine.release(row.id, "me")
    await manager.cache_manager.invalidate("AAPL")
    history = await manager.get_historical_data("AAPL", *DAYS)

    assert len(history.data_points) == 3


async def test_a_released_week_is_stored_and_completes_no_day(
    manager: MarketDataManager, database: Database, provider: ScriptedProvider
) -> None:
    dear = Bar(
        timestamp=NOON.replace(year=2025, month=12, day=8),
        **dict.fromkeys(
            ("open_price", "high_price", "low_price", "close_price"), Decimal("189.41")
        ),
    )
    day = date(2025, 12, 8)
    week = HistoricalData(
        symbol="AAPL",
        interval=Interval.WEEK,
        start_date=day,
        end_date=day,
        provider="scripted",
        received_at=NOON,
        data_points=(dear,),
        timeliness=Timeliness.END_OF_DAY,
    )
    verdict = Verdict(Quality.QUARANTINED, "bar-dear", "too dear")
    assert manager.quality.quarantine._keeper.hold(week, verdict)
    [row] = await rows_of(manager)
    await manager.quality.quarantine.release(row.id, "me")

    backend = open_backend(database.url)
    await backend.open()
    key = ("AAPL", Interval.WEEK, PriceAdjustment.NONE)
    query = BarQuery(
        symbol=key[0],
        interval=key[1],
        adjustment=key[2],
        since=NOON - timedelta(days=60),
        until=NOON,
    )
    stored = [bar async for piece in backend.read_bars(query, 10) for _, bar in piece]
    ranges = await backend.read_ranges(*key)
    await backend.aclose()
    assert (stored, ranges) == ([dear], [])


@pytest.mark.usefixtures("impatient")
async def test_a_bar_that_cannot_be_stored_stays_held(
    manager: MarketDataManager, database: Database
) -> None:
    await manager.get_historical_data("AAPL", *DAYS)
    [row] = await rows_of(manager)
    async with database.away():
        with pytest.raises(StoreUnavailable):
            await manager.quality.quarantine.release(row.id, "me")
    [row] = await rows_of(manager)
    assert row.state == "held"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_page_token_of_a_time_that_does_not_exist_is_refused(text: str) -> None:
    token = base64.urlsafe_b64encode(f"{text} {uuid4()}".encode()).decode().rstrip("=")
    with pytest.raises(RequestError, match="page token"):
        page_of(10, token)


@pytest.mark.parametrize("name", ["provider", "code", "kind"])
def test_a_nul_in_a_filter_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match=name):
        page_of(10, **{name: "a\0"})


async def test_an_answer_of_nothing_but_impossible_bars_is_none(
    manager: MarketDataManager, provider: ScriptedProvider
) -> None:
    provider.closes = ("189", "190", "191")  # type: ignore[attr-defined]
    with pytest.raises(BadRecord, match="every bar of AAPL"):
        await manager.get_historical_data("AAPL", *DAYS)


@pytest.mark.usefixtures("impatient")
async def test_rows_wait_while_the_database_is_away(
    manager: MarketDataManager, database: Database, warnings_told: list[str]
) -> None:
    first = await kept_back(manager)
    async with database.away():
        manager.pipeline.accept(make_quote("MSFT"))
        assert await manager.quality._books.keeper.flush() is False
    assert {row.symbol for row in await rows_of(manager)} == {"MSFT", first.symbol}
    assert any("the quarantine cannot be written now" in text for text in warnings_told)


async def test_a_full_queue_drops_and_counts(
    provider: ScriptedProvider, database: Database
) -> None:
    manager = keeping(database.url, provider, quality={"quarantine_queue": 2})
    for number in range(5):
        manager.pipeline.accept(make_quote(f"S{number}"))
    assert manager.get_system_stats()["quality"]["quarantine"]["dropped"] == 3
    await manager.close()


async def test_what_waits_is_written_at_the_end(
    provider: ScriptedProvider, database: Database
) -> None:
    async with keeping(database.url, provider) as manager:
        # Opened before, so that the end has only to write.
        assert await rows_of(manager) == []
        manager.pipeline.accept(make_quote())
    async with keeping(database.url, provider) as manager:
        assert [row.symbol for row in await rows_of(manager)] == ["AAPL"]


async def test_without_a_database_nothing_can_be_released(provider: ScriptedProvider) -> None:
    async with keeping("", provider) as manager:
        manager.pipeline.accept(make_quote())
        assert await rows_of(manager) == []
        with pytest.raises(NotSupported, match="nothing is kept"):
            await manager.quality.quarantine.release(str(uuid4()), "me")


async def test_a_page_token_of_somebody_else_is_refused() -> None:
    with pytest.raises(RequestError, match="page token"):
        page_of(10, "bm9uc2Vuc2U")
    with pytest.raises(RequestError, match="limit"):
        page_of(0)
    with pytest.raises(RequestError, match="state"):
        page_of(1, state="lost")
