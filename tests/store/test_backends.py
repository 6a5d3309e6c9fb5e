"""One suite over every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from scripted import NOON, make_quote
from tickloom.errors import BadRecord, ConfigError, StoreUnavailable
from tickloom.model import Quote
from tickloom.store import Backend, known_migrations, migrate, open_backend

if TYPE_CHECKING:
    from databases import Database, Settled

BAD_QUOTES = {
    "a number that needs more than 64 bits": make_quote("BAD", volume=2**63),
    "a time without a zone": make_quote("BAD", timestamp=datetime(2026, 1, 2)),  # noqa: DTZ001
    "a text that is no Unicode": make_quote("BAD", exchange="\ud800"),
    "a NUL in the symbol": make_quote("B\0D"),
    "a NUL in a code": make_quote("BAD", quality_codes=("a", "b\0")),
    "a NUL in what is added": make_quote("BAD", additional_data={"it": ["a\\\0"]}),
    "a symbol that is too long": make_quote("B" * 33),
    "a value of another type": make_quote("BAD", additional_data={"it": object()}),
}


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[Backend]:
    backend = open_backend(database.url)
    await backend.open()
    yield backend
    await backend.aclose()


async def test_every_field_comes_back_with_every_digit(
    backend: Backend,
    database: Database,
    full_quote: Quote,
    stored_quote: Callable[[dict[str, Any]], Quote],
) -> None:
    assert all(getattr(full_quote, name) is not None for name in full_quote.__struct_fields__)

    await backend.write([(full_quote, "epoch-1")])
    [row] = await database.rows()

    assert stored_quote(row) == full_quote
    assert str(row["current_price"]) == str(full_quote.current_price)
    assert row["timestamp"].utcoffset() == timedelta(0)
    assert row["epoch"] == "epoch-1"


async def test_what_is_not_known_comes_back_as_none(
    backend: Backend, database: Database, stored_quote: Callable[[dict[str, Any]], Quote]
) -> None:
    quote = make_quote()
    await backend.write([(quote, "")])

    [row] = await database.rows()
    assert stored_quote(row) == quote


@pytest.mark.parametrize("text", ["0", "-0.5000", "1E-18", "123456789012.12345678", "0.1", "1E+20"])
async def test_a_decimal_is_never_rounded(backend: Backend, database: Database, text: str) -> None:
    await backend.write([(make_quote(price=text), "")])

    [row] = await database.rows()
    assert row["current_price"] == Decimal(text)


async def test_a_time_of_another_zone_is_stored_in_utc(
    backend: Backend, database: Database
) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    await backend.write([(make_quote(timestamp=tokyo), "")])

    [row] = await database.rows()
    assert row["timestamp"] == NOON
    assert row["timestamp"].utcoffset() == timedelta(0)


async def test_the_same_tick_twice_is_one_row_with_one_id(
    backend: Backend, database: Database
) -> None:
    await backend.write([(make_quote(price="1"), "a")])
    [before] = await database.rows()
    assert await backend.write([(make_quote(price="2", bid=Decimal("1.9")), "b")]) == 1

    [after] = await database.rows()
    assert (after["current_price"], after["bid"], after["epoch"]) == (2, Decimal("1.9"), "b")
    assert (after["id"], after["created_at"]) == (before["id"], before["created_at"])
    assert after["updated_at"] >= before["updated_at"]


async def test_of_two_ticks_with_one_key_in_a_batch_the_last_wins(
    backend: Backend, database: Database
) -> None:
    batch = [(make_quote(price=price), "") for price in ("1", "2", "3")]

    assert await backend.write(batch) == 3
    assert [row["current_price"] for row in await database.rows()] == [3]


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": "MSFT"},
        {"provider": "other"},
        {"timestamp": NOON + timedelta(microseconds=1)},
    ],
)
async def test_a_difference_in_the_key_makes_another_row(
    backend: Backend, database: Database, fields: dict[str, Any]
) -> None:
    await backend.write([(make_quote(), ""), (make_quote(**fields), "")])

    rows = await database.rows()
    assert len(rows) == 2
    assert len({row["id"] for row in rows}) == 2


@pytest.mark.parametrize("bad", BAD_QUOTES.values(), ids=BAD_QUOTES)
async def test_a_bad_row_refuses_its_batch_and_the_next_batch_is_written(
    backend: Backend, database: Database, bad: Quote
) -> None:
    with pytest.raises(BadRecord):
        await backend.write([(make_quote("GOOD"), ""), (bad, "")])
    assert await database.rows() == []

    await backend.write([(make_quote("GOOD"), "")])
    assert len(await database.rows()) == 1


async def test_a_batch_larger_than_one_slice_is_written_whole(
    backend: Backend, database: Database
) -> None:
    batch = [(make_quote(f"S{n}"), "") for n in range(3_000)]

    assert await backend.write(batch) == 3_000
    assert len(await database.rows()) == 3_000


async def test_the_loop_goes_on_while_a_batch_is_written(backend: Backend) -> None:
    write = asyncio.create_task(backend.write([(make_quote(f"S{n}"), "") for n in range(1_000)]))
    turns = 0
    while not write.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 10
    assert await write == 1_000


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_was_away_is_written_after_it_is_opened_again(
    backend: Backend, database: Database
) -> None:
    async with database.away():
        with pytest.raises(StoreUnavailable) as caught:
            await backend.write([(make_quote(), "")])

    assert caught.value.retry_after_s is not None
    await backend.open()
    assert await backend.write([(make_quote(), "")]) == 1


async def test_a_ping_tells_the_schema_version(backend: Backend) -> None:
    assert await backend.ping() == known_migrations()[-1]


async def test_a_backend_that_is_not_open_says_so(database: Database) -> None:
    backend = open_backend(database.url)
    for call in (backend.ping, lambda: backend.write([(make_quote(), "")])):
        with pytest.raises(StoreUnavailable, match="is not open"):
            await call()
    await backend.aclose()


async def test_a_table_that_somebody_dropped_is_an_outage_and_no_bad_record(
    backend: Backend, database: Database
) -> None:
    await database.execute("DROP TABLE market_data")

    with pytest.raises(StoreUnavailable):
        await backend.write([(make_quote(), "")])


async def test_nothing_is_left_after_close(database: Database, nothing_is_left: Settled) -> None:
    backend = open_backend(database.url)
    await backend.open()
    await backend.write([(make_quote(), "")])
    assert await database.connections() > 0

    await backend.aclose()
    await backend.aclose()

    await nothing_is_left()


async def test_nothing_is_left_after_an_open_that_failed(
    database: Database, nothing_is_left: Settled
) -> None:
    await migrate(database.url)
    await database.execute("UPDATE migration SET name = 'tickloom_2999_01_01_0001_later'")
    backend = open_backend(database.url)
    with pytest.raises(StoreUnavailable, match="newer than this version"):
        await backend.open()
    await backend.aclose()

    await nothing_is_left()


async def test_a_row_is_not_written_into_a_file_that_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "quotes.db"
    backend = open_backend(f"sqlite:///{path}")
    await backend.open()
    path.unlink()

    with pytest.raises(StoreUnavailable, match="removed or replaced"):
        await backend.write([(make_quote(), "")])
    await backend.open()
    assert await backend.write([(make_quote(), "")]) == 1
    await backend.aclose()
    assert path.exists()


async def test_the_twin_without_a_database_stores_nothing() -> None:
    backend = open_backend("")
    await backend.open()

    assert backend.name == "none"
    assert await backend.write([(make_quote(), "")]) == 0
    assert await backend.ping() is None
    await backend.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://localhost/x",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "sqlite:a.db",
        "postgresql://user:p@ss@host/name",
        "postgresql://host:port/name",
        "nonsense",
    ],
)
def test_a_url_that_names_no_database_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_backend(url)
    assert caught.value.expected


def test_a_backend_shows_its_url_without_the_password() -> None:
    backend = open_backend("postgresql://me:s3cret@db.example/quotes?password=s3cret")

    assert "s3cret" not in backend.url
    assert "db.example/quotes" in backend.url


async def test_a_relative_url_names_a_file_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await migrate("sqlite:///here.db")

    assert (tmp_path / "here.db").is_file()


async def test_quotes_are_read_back_whole_from_a_time_on_oldest_first(
    backend: Backend, full_quote: Quote
) -> None:
    quotes = [
        replace(
            full_quote, timestamp=full_quote.timestamp + timedelta(minutes=number), sequence=number
        )
        for number in range(5)
    ]
    plain = make_quote(full_quote.symbol, timestamp=quotes[-1].timestamp + timedelta(minutes=1))
    other = make_quote("MSFT", timestamp=quotes[-1].timestamp)
    await backend.write(
        [*((quote, "e1") for quote in reversed(quotes)), (plain, ""), (other, "e1")]
    )

    since = quotes[2].timestamp.astimezone(timezone(timedelta(hours=5)))
    found = await backend.read_quotes(full_quote.symbol, since, 100)
    newest = await backend.read_quotes(full_quote.symbol, quotes[0].timestamp, 2)

    assert found == [*((quote, "e1") for quote in quotes[2:]), (plain, "")]
    assert newest == [(quotes[-1], "e1"), (plain, "")]
    assert await backend.read_quotes("NOPE", since, 100) == []
